"""A record as the scorer reads it, as SQL: the columns that comparisons speak of, and how common its names are.

Text only, no engine: DuckDB runs it over a table, `identity.matching.compiled` over one record.
"""

from identity.matching.registry import MatchModel

COLUMNS = (
    "record_key", "given_name", "given_forms", "given_known", "family_name", "birth_date", "street", "unit", "city", "postcode",
    "handle", "mail_year", "emails", "phones", "numbers", "sex", "suffix",
)  # fmt: skip


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
    fields = [_given_known(model) if name == "given_known" else f"d.{name}" for name in _compared(model)]
    wanted = ", ".join([*fields, *columns])
    return f"SELECT {wanted} FROM {table} d {' '.join(joins)} ORDER BY d.record_key"


def _compared(model: MatchModel) -> list[str]:
    """Return the columns that a model reads: not the numbers, where no type of identifier is unique."""
    names = {comparison.name for comparison in model.comparisons}
    return [name for name in COLUMNS if name != "numbers" or "number" in names]


def _given_known(model: MatchModel) -> str:
    """Return SQL for whether a given name is one of its own: in the list of names, or common here."""
    if "given_name" not in model.floors:
        return "d.given_known"
    common = f"coalesce(f_given_name.frequency, 0) >= {_COMMON * model.floors['given_name']!r}"
    return f"(d.given_known OR {common}) AS given_known"


_COMMON = 4

RAREST = 1e-7
"""No frequency counts as smaller: the rarest name adds so much and no more."""
