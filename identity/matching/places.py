"""Where the columns that a condition names stand in the records that it is asked of. Pure."""

from collections.abc import Callable, Sequence

Place = Callable[[str, str], tuple[bool, int] | None]
"""Where a column (table, name) is: whether in the right record, and at which position; None for no such column."""


def of_pair(columns: Sequence[str]) -> Place:
    """Return the places of `<column>_l` and `<column>_r`, in records that hold the columns in this order."""
    at = {name: n for n, name in enumerate(columns)}

    def place(table: str, name: str) -> tuple[bool, int] | None:
        side, column = name[-2:], name[:-2]
        return (side == "_r", at[column]) if not table and side in ("_l", "_r") and column in at else None

    return place


def of_record(columns: Sequence[str]) -> Place:
    """Return the places of plain columns; there is no right record."""
    at = {name: n for n, name in enumerate(columns)}
    return lambda table, name: (False, at[name]) if not table and name in at else None


def within(name: str, place: Place) -> Place:
    """Return the places inside a lambda: its element stands last in the left record, an outer lambda's before it."""

    def placed(table: str, one: str) -> tuple[bool, int] | None:
        if one == name and not table:
            return False, -1
        found = place(table, one)
        return (found[0], found[1] - 1) if found and found[1] < 0 else found

    return placed
