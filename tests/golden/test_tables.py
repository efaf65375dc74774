"""Every table's definition, as reviewed: `tables.txt` for machines and `docs/tables.md` for people.

    .venv/bin/python tests/golden/test_tables.py        # writes both anew; look at the difference

A column that loses its mark, or a table that gains statistics, shows here before it shows in a log.
"""

from collections import Counter
from collections.abc import Sequence
from inspect import getdoc
from itertools import groupby
from pathlib import Path

from infra.tables import Table

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "tables.txt"
PAGE = ROOT / "docs" / "tables.md"

HEAD = """# Tables of the lake

Written by `tests/golden/test_tables.py` from the declarations in each package's `tables.py`; do not edit it by hand.

A table belongs to the package that writes it. A column marked **personal** has no statistics in Delta's log
([0003](adr/0003-log-clean-delta.md)). `kindred export TABLE --to FILE` writes a table as CSV, Parquet or NDJSON.
"""


def declared() -> tuple[Table, ...]:
    from api.cli.tables import TABLES

    return TABLES


def owner(table: Table) -> str:
    return str(table.row.__module__).partition(".")[0]


def golden(tables: Sequence[Table]) -> str:
    return "\n".join(table.create_sql() for table in tables)


def page(tables: Sequence[Table]) -> str:
    parts = [HEAD]
    for package, owned in groupby(tables, key=owner):
        parts.append(f"## {package}\n")
        parts += [section(table) for table in owned]
    return "\n".join(parts)


def section(table: Table) -> str:
    meaning = (getdoc(table.row) or "").partition("\n\n")[0].replace("\n", " ")
    keys = ", ".join(f"`{key}`" for key in table.keys)
    lines = [f"### {table.name}", "", meaning, "", f"Key: {keys}", "", "| column | type | marks |", "|---|---|---|"]
    for column in table.columns():
        marks = [word for word, holds in (("personal", column.personal), ("may be null", column.nullable)) if holds]
        lines.append(f"| `{column.name}` | `{column.sql}` | {', '.join(marks)} |")
    return "\n".join(lines) + "\n"


def test_the_definitions_are_the_reviewed_ones() -> None:
    assert golden(declared()) == GOLDEN.read_text(encoding="utf-8"), f"look at the change, then: python {__file__}"


def test_the_page_shows_the_definitions() -> None:
    assert page(declared()) == PAGE.read_text(encoding="utf-8"), f"look at the change, then: python {__file__}"


def test_each_table_has_one_owner() -> None:
    """Two declarations of one name would overwrite each other's rows, or fail in the middle of a run."""
    assert [name for name, times in Counter(table.name for table in declared()).items() if times > 1] == []


def test_keys_are_columns() -> None:
    for table in declared():
        assert set(table.keys) <= {column.name for column in table.columns()}, table.name


def test_the_log_keeps_no_statistics_of_personal_columns() -> None:
    for table in declared():
        assert not set(table.statistics()) & set(table.personal()), table.name


def test_every_row_type_says_what_a_row_is() -> None:
    assert [table.name for table in declared() if not (table.row.__doc__ or "").strip()] == []


if __name__ == "__main__":
    GOLDEN.write_text(golden(declared()), encoding="utf-8")
    PAGE.write_text(page(declared()), encoding="utf-8")
