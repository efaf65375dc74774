"""Which columns point to rows of another file: their values meet a key of it, and not by chance. Pure.

Numbers that count up from one meet everywhere, so they need a name that says whose they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from consent.discovery.kinds import OUTRIGHT, named_for
from ingestion.proposal.facts import ColumnFacts, FileFacts
from ingestion.proposal.keys import Key
from ingestion.proposal.meanings import Meanings
from ingestion.proposal.words import file_speaks, last_words, roles_of, singular

_MEET: Final = 0.5
_MEET_NAMELESS: Final = 0.8
_FEWEST: Final = 5
_AGREE: Final = 0.5
_PERSONS: Final = frozenset({"customer", "account", "loyalty"})
_COMPARED: Final = ("family_name", "full_name", "given_name", "birth_date", "email", "phone", "postcode")


@dataclass(frozen=True, slots=True)
class Reference:
    """A column whose values are keys of another file: which, how many of them meet it, and in which words."""

    file: str
    column: str
    to: str
    key: str
    share: float
    because: str


def references(files: Sequence[FileFacts], keys: Mapping[str, Key]) -> tuple[Reference, ...]:
    """Return for each column the file whose key its values meet best, if any."""
    found = []
    for file in files:
        for column in file.columns:
            if column.filled == 0 or column.name == keys[file.name].single:
                continue
            mine = [
                r for other in files if other is not file and (r := _reference(file, column, other, keys[other.name]))
            ]
            best = max(mine, key=lambda r: (_named_after(column, r.to, r.key), r.share), default=None)
            found += [best] if best else []
    return tuple(found)


def _reference(file: FileFacts, column: ColumnFacts, other: FileFacts, key: Key) -> Reference | None:
    if key.single is None:
        return None
    target = other.column(key.single)
    if column.share("code") < 0.9 or target.share("code") < 0.9 or column.share("moment") > 0.1:
        return None
    named = _named_after(column, other.name, target.name)
    share = _met(column.marks, target.marks)
    if named and share < _MEET and _met(target.marks, column.marks) >= _MEET_NAMELESS:
        # a list of some of the people, all of whom are there
        told = f"nearly all keys ({target.name}) of {other.name} are among its values, and it is called so"
        return Reference(file.name, column.name, other.name, target.name, share, told)
    chance = column.serial or target.serial or column.distinct < _FEWEST or column.always("boolean")
    if share < (_MEET if named else _MEET_NAMELESS) or (chance and not named):
        return None
    told = "and it is called so" if named else "though its name does not say so"
    because = f"{share:.0%} of its values are keys ({target.name}) of {other.name}, {told}"
    return Reference(file.name, column.name, other.name, target.name, share, because)


def meets(column: ColumnFacts, kind: str, marks: Any) -> float:
    """Return the share of a column's values that are known values of an identifier type, 0 where it may be chance."""
    if column.share("code") < 0.9 or column.share("moment") > 0.1:
        return 0.0
    share = _met(column.marks, marks)
    named = kind in named_for(last_words(column.name))
    chance = column.serial or column.distinct < _FEWEST
    return share if share >= (_MEET if named else _MEET_NAMELESS) and (named or not chance) else 0.0


def _met(mine: Any, theirs: Any) -> float:
    """Return the share of a column's different values that stand in another column."""
    values = np.unique(mine[mine != 0])
    return float(np.isin(values, theirs).mean()) if len(values) else 0.0


def _named_after(column: ColumnFacts, file: str, key: str) -> bool:
    """Say whether a column's name says that it holds keys of a file: `customer_id` of `customers` or of `crm`."""
    name, target = last_words(column.name), last_words(key)
    if name == target and name not in ("id", "key", "code", "no", "nr", "uuid", "unique_id", "rec_id", "name"):
        return True
    stem = next(
        (name[: -len(end) - 1] for end in ("id", "no", "nr", "key", "code", "uuid") if name.endswith(f"_{end}")), name
    )
    if singular(file.rstrip("_0123456789")).endswith(stem) and len(stem) > 1:
        return True
    mine, theirs = set(_speaks(name)), {*file_speaks(file), *_speaks(target)}
    return bool(mine & theirs) or (
        bool(mine & _PERSONS) and bool(theirs & _PERSONS) and target in ("id", "uuid", "key")
    )


def _speaks(name: str) -> tuple[str, ...]:
    return tuple(kind for kind, weight in named_for(name).items() if weight == OUTRIGHT)


def type_of(column: ColumnFacts, file: FileFacts, referring: Sequence[str]) -> tuple[str, str]:
    """Return what the keys of a file of people are called as an identifier, and whence the word comes."""
    for name, whence in ((column.name, "by its name"), *((r, f"as {r} calls it") for r in referring)):
        for kind in _speaks(last_words(name)):
            if kind in _PERSONS:
                return kind, whence
        if "household" in roles_of(name):
            return "household", whence
    said = [kind for kind in file_speaks(file.name) if kind in _PERSONS]
    return (said[0], "by the file's name") if said else ("customer", "for want of a better word")


def agreeing(
    one: FileFacts, other: FileFacts, mine: str, theirs: str, meant: tuple[Meanings, Meanings]
) -> float | None:
    """Return how many of the rows that two columns join agree in a field that both files have; None where none tells.

    One number of two systems may name two people: then hardly a row agrees.
    """
    left, right = one.column(mine).marks, other.column(theirs).marks
    order = np.argsort(right, kind="stable")
    place = np.clip(np.searchsorted(right[order], left), 0, len(right) - 1)
    there = (right[order][place] == left) & (left != 0)
    if there.sum() < _FEWEST:
        return None
    best: float | None = None
    for role in _COMPARED:
        a, b = (_column_for(m, role) for m in meant)
        if a is None or b is None:
            continue
        first, second = one.column(a).marks[there], other.column(b).marks[order][place[there]]
        both = (first != 0) & (second != 0)
        if both.sum() >= _FEWEST:
            best = max(best or 0.0, float((first[both] == second[both]).mean()))
    return best


def _column_for(meant: Meanings, role: str) -> str | None:
    if role in meant.fields:
        return meant.fields[role].column
    held = meant.identifiers.get(role)
    return held[0].column if held else None


def disagree(share: float | None) -> bool:
    """Say whether joined rows speak of different people."""
    return share is not None and share < _AGREE / 2
