"""How common a name is, frozen with the model: counted once, kept by digest, floors for what was too rare to keep."""

import duckdb

from identity.registry import MatchModel
from infra.ids import content_digest

_COLUMNS = (
    "record_key", "given_name", "given_forms", "given_known", "family_name", "birth_date", "street", "unit", "city", "postcode",
    "handle", "mail_year", "emails", "phones", "sex", "suffix",
)  # fmt: skip


# so many records of all sorts of people are imagined beside the real ones: a name is not common because few were seen
_BELIEVED = 300


def freeze(connection: duckdb.DuckDBPyConnection, columns: list[str], rare: int) -> tuple[dict[str, float], str]:
    """Make the table `frequencies` from `described`; return each column's floor and the digest of it all.

    A value that fewer than `rare` records have could be somebody's: it is not kept, and counts as rare.
    """
    connection.execute("CREATE OR REPLACE TABLE frequencies (field VARCHAR, value_hash VARCHAR, frequency DOUBLE)")
    floors: dict[str, float] = {}
    for column in columns:
        row = connection.execute(f"SELECT count({column}) FROM described").fetchone()
        known = (int(row[0]) if row else 0) + _BELIEVED
        floors[column] = float(f"{max(1, rare - 1) / known:.6g}")
        connection.execute(
            f"INSERT INTO frequencies SELECT '{column}', md5({column}), round(count(*) / {known}, 9) "
            f"FROM described WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) >= {rare}"
        )
    row = connection.execute(
        "SELECT coalesce(string_agg(field || value_hash || frequency, ',' ORDER BY field, value_hash), '') "
        "FROM frequencies"
    ).fetchone()
    return floors, content_digest(row[0] if row else "")[:16]


def load(connection: duckdb.DuckDBPyConnection, files: list[str], snapshot: str) -> None:
    """Make the table `frequencies` from the frozen ones of a snapshot."""
    connection.execute(
        "CREATE OR REPLACE TABLE frequencies AS SELECT field, value_hash, frequency FROM read_parquet(?) "
        "WHERE snapshot = ? ORDER BY ALL",
        [files, snapshot],
    )


def with_frequencies(model: MatchModel, table: str) -> str:
    """Return SQL for a table's records with their frozen frequencies; an unseen value is as rare as the floor."""
    columns, joins = [], []
    for column, floor in sorted(model.floors.items()):
        seen = f"f_{column}"
        columns.append(
            f"CASE WHEN d.{column} IS NOT NULL THEN coalesce({seen}.frequency, {floor!r}) END AS tf_{column}"
        )
        joins.append(
            f"LEFT JOIN frequencies {seen} ON {seen}.field = '{column}' AND {seen}.value_hash = md5(d.{column})"
        )
    wanted = ", ".join(
        [*(_given_known(model) if name == "given_known" else f"d.{name}" for name in _COLUMNS), *columns]
    )
    return f"SELECT {wanted} FROM {table} d {' '.join(joins)} ORDER BY d.record_key"


def _given_known(model: MatchModel) -> str:
    """Return SQL for whether a given name is one of its own: in the list of names, or common here."""
    if "given_name" not in model.floors:
        return "d.given_known"
    common = f"coalesce(f_given_name.frequency, 0) >= {_COMMON * model.floors['given_name']!r}"
    return f"(d.given_known OR {common}) AS given_known"


_COMMON = 4
