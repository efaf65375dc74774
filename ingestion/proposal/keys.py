"""By what the rows of a file are told apart: one column if there is one, else the fewest that do it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, count
from math import prod
from typing import Any, Final

import numpy as np

from ingestion.proposal.facts import ColumnFacts, FileFacts
from ingestion.proposal.words import file_speaks, last_words, roles_of, singular

_MOST: Final = 6
_NEARLY: Final = 0.9
_FULL: Final = 0.97
_WIDEST: Final = 16
_TRIED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Key:
    """The columns of a key, how many rows it does not tell apart, why it was chosen and what else could be.

    `numbered`: the column is none of the file; its rows get numbers in the copy that is taken in.
    """

    columns: tuple[str, ...]
    repeated: int
    because: str
    other: str | None = None
    numbered: bool = False

    @property
    def single(self) -> str | None:
        """The one column, where it is one that tells every row apart."""
        return self.columns[0] if len(self.columns) == 1 and not self.repeated and not self.numbered else None


def key_of(file: FileFacts) -> Key:
    """Return the key of a file's rows. Rows that are the same in every column are one row sent twice."""
    told = _distinct(file.columns)
    unique = [c for c in file.columns if c.filled == c.rows and c.distinct == told and _may_be_key(c)]
    if unique:
        best, *others = sorted(unique, key=lambda c: _rank(file, c))
        because = f"filled in every row, another in each of {file.rows:,}"
        as_well = next((c.name for c in others if _called_id(file, c)), None)
        return Key((best.name,), 0, because, as_well)
    meant = [c for c in file.columns if c.full >= _FULL and c.distinct >= _NEARLY * told and _called_id(file, c)]
    meant = [c for c in meant if _may_be_key(c)]
    if meant:
        best = min(meant, key=lambda c: _rank(file, c))
        empty = best.rows - best.filled
        many = max(0, told - best.distinct - empty)
        because = f"called so; of {file.rows:,} rows {many:,} repeat a key and are taken as newer versions of its row"
        return Key((best.name,), many + empty, f"{because}, {empty:,} have none and are rejected" if empty else because)
    return _several(file, told)


def _several(file: FileFacts, told: int) -> Key:
    """Return the fewest columns that tell the rows apart together; where none do, rows get numbers."""
    full = [c for c in file.columns if c.filled == c.rows and c.share("prose") < 0.5]
    pool = sorted(sorted(full, key=lambda c: -c.distinct)[:_WIDEST], key=lambda c: _rank(file, c))
    chosen = _few(file, pool, told) or _greedy(pool, told)
    left = told - _distinct(chosen)
    order = [c.name for c in file.columns if c in chosen]
    if left or not chosen:
        name = next(n for n in _names() if all(c.name != n for c in file.columns) and n not in file.unusable)
        because = "no columns that are always filled tell the rows apart; the copy that is taken in numbers them"
        return Key((name,), 0, because, numbered=True)
    return Key(tuple(order), 0, "no column alone tells the rows apart; together these do")


def _names() -> Iterator[str]:
    yield "row_number"
    for number in count(2):
        yield f"row_number_{number}"


def _few(file: FileFacts, pool: Sequence[ColumnFacts], told: int) -> list[ColumnFacts]:
    """Return two or three columns that tell the rows apart, those called like a key first, or none."""
    first = _distinct(file.columns, _TRIED)
    for size in (2, 3):
        for some in combinations(pool, size):
            wide = prod(column.distinct for column in some) >= told
            if wide and _distinct(some, _TRIED) == first and _distinct(some) == told:
                return list(some)
    return []


def _greedy(pool: Sequence[ColumnFacts], told: int) -> list[ColumnFacts]:
    """Return columns that tell most rows apart, taken one by one, without those that turn out to add nothing."""
    left = list(pool)
    chosen: list[ColumnFacts] = []
    while left and len(chosen) < _MOST and (not chosen or _distinct(chosen) < told):
        best = max(left, key=lambda c: _distinct([*chosen, c], _TRIED))
        if chosen and _distinct([*chosen, best]) == _distinct(chosen):
            break
        chosen.append(best)
        left.remove(best)
    for one in tuple(chosen):
        rest = [c for c in chosen if c is not one]
        if rest and _distinct(rest) == _distinct(chosen):
            chosen = rest
    return chosen


def _may_be_key(column: ColumnFacts) -> bool:
    return column.share("prose") < 0.5 and column.share("tree") == 0


def _called_id(file: FileFacts, column: ColumnFacts) -> bool:
    return "id" in roles_of(column.name) or _own_id(file, column)


def _own_id(file: FileFacts, column: ColumnFacts) -> bool:
    """Say whether a column is called after its file: `order_id` of `orders`."""
    name, one = last_words(column.name), singular(file.name).rpartition("_")[2]
    whose, _, what = name.rpartition("_")
    if what not in _IDS:
        return name in (f"{one}id", f"id_{one}")
    said = file_speaks(whose) if whose else ()
    return whose == one or (bool(said) and said[:1] == file_speaks(file.name)[:1])


_IDS: Final = frozenset(("id", "no", "nr", "key", "number", "code", "uuid", "guid"))


def _rank(file: FileFacts, column: ColumnFacts) -> tuple[object, ...]:
    """Return how likely a column is meant as the key, the likeliest lowest: by its name, then by what it holds."""
    awkward = column.share("moment") > 0.5 or column.share("mailbox") > 0.5 or column.share("code") < 0.9
    measured = column.share("number") > 0.5 and column.share("integer") < 1
    plain = last_words(column.name) in ("id", "uuid", "guid", "pk") and "." not in column.name
    named = 0 if plain or _own_id(file, column) else 1 if "id" in roles_of(column.name) else 2
    return (awkward or measured, named, not plain, column.name.count("."), file.columns.index(column))


def _distinct(columns: Sequence[ColumnFacts], most: int | None = None) -> int:
    """Return how many different rows there are in some columns, among the first `most` rows."""
    if not columns:
        return 0
    return len(np.unique(together([column.marks[:most] for column in columns])))


def together(marks: Sequence[Any]) -> Any:
    """Return one mark a row for several columns; rows that differ in any have different ones."""
    mixed = np.zeros(len(marks[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for one in marks:
            mixed = (mixed ^ one) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
    return mixed
