"""How common a name is, frozen with the model: counted once, kept by digest, floors for what was too rare to keep."""

import duckdb

from infra.ids import content_digest

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
    """Make the table `frequencies` from the frozen ones of a snapshot.

    Models learnt from equal names have one snapshot, stored with each of them: a value twice would pair records twice.
    Where every value was too rare to keep, there may be no file at all.
    """
    connection.execute("CREATE OR REPLACE TABLE frequencies (field VARCHAR, value_hash VARCHAR, frequency DOUBLE)")
    if not files:
        return
    connection.execute(
        "CREATE OR REPLACE TABLE frequencies AS SELECT DISTINCT field, value_hash, frequency FROM read_parquet(?) "
        "WHERE snapshot = ? ORDER BY ALL",
        [files, snapshot],
    )
