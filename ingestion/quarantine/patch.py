"""How rejected rows are mended: rules as plain data, and what a row becomes by them.

A fix names rows by their rejection (source, rule, field) and by conditions on the row; its steps speak of the row
alone. So a mended row that is mended again stays as it is: where steps would change their own outcome once more (a
replacement that brings back what it replaces), the row is left as it was and counted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from ingestion.check import trimmed
from ingestion.number import JSON_NUMBER, Number
from ingestion.pattern import portable
from ingestion.quarantine.payload import Tree, placed, text_at, without

_DIRECTIVE: Final = re.compile(r"%(.)")
_DIRECTIVES: Final = frozenset("dmYHIMSfpbBz")
_ISO_SAMPLES: Final = ("2001-02-03", "2001-02-03T04:05:06", "2001-02-03 04:05:06")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field must say: one of some values ("" is nothing), or text that matches a pattern."""

    field: str
    among: tuple[str, ...] = ()
    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.pattern is not None:
            portable(self.pattern)

    def holds(self, tree: Tree) -> bool:
        """Say whether a row is as the condition wants it."""
        value = trimmed(text_at(tree, self.field)) or ""
        if self.pattern is not None:
            return re.fullmatch(portable(self.pattern), value) is not None
        return value in self.among


@dataclass(frozen=True, slots=True)
class Where:
    """Which rejected rows are meant; what is None is not asked."""

    source: str
    rule: str | None = None
    field: str | None = None
    when: tuple[Condition, ...] = ()

    def names(self, source: str, field: str | None, rule: str) -> bool:
        """Say whether a rejection is meant, as far as it can be told without the row."""
        return source == self.source and self.rule in (None, rule) and self.field in (None, field)


class Change(Protocol):
    """One thing that is done to a row; total: what it does not fit, it leaves."""

    def applied(self, tree: Tree) -> Tree:
        """Return the row as it is afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Put:
    """Give a field a value, or nothing (None)."""

    field: str
    value: str | None

    def applied(self, tree: Tree) -> Tree:
        """Return the row with the value."""
        return placed(tree, self.field, self.value)


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave a field out."""

    field: str

    def applied(self, tree: Tree) -> Tree:
        """Return the row without the field."""
        return without(tree, self.field)


@dataclass(frozen=True, slots=True)
class Rename:
    """Move a field's value to another name, unless something stands there already."""

    field: str
    to: str

    def applied(self, tree: Tree) -> Tree:
        """Return the row with the value under its new name."""
        value = text_at(tree, self.field)
        if value is None or trimmed(text_at(tree, self.to)) is not None:
            return tree
        moved = placed(without(tree, self.field), self.to, value)
        return moved if text_at(moved, self.to) == value else tree


@dataclass(frozen=True, slots=True)
class Translate:
    """Say one value for another; values are compared without blanks around them, "" is nothing."""

    field: str
    pairs: tuple[tuple[str, str | None], ...]

    def applied(self, tree: Tree) -> Tree:
        """Return the row with the field in the other words."""
        value = trimmed(text_at(tree, self.field)) or ""
        for said, meant in self.pairs:
            if said == value:
                return placed(tree, self.field, meant)
        return tree


@dataclass(frozen=True, slots=True)
class Replace:
    """Put a text, taken literally, for every match of a pattern; `^` and `$` hold at the ends of the value."""

    field: str
    pattern: str
    text: str

    def __post_init__(self) -> None:
        _anchored(self.pattern)

    def applied(self, tree: Tree) -> Tree:
        """Return the row with the matches replaced."""
        value = text_at(tree, self.field)
        if value is None:
            return tree
        changed = re.sub(_anchored(self.pattern), lambda _: self.text, value)
        return tree if changed == value else placed(tree, self.field, changed)


def _anchored(pattern: str) -> str:
    """Return a portable pattern to search with; the contract's kind is for whole values and needs no anchors."""
    begins = r"\A" if pattern.startswith("^") else ""
    ends = r"\Z" if pattern.endswith("$") and not pattern.endswith(r"\$") else ""
    found = f"{begins}(?:{portable(pattern)}){ends}"
    if re.search(found, "") is not None:
        raise ValueError("the pattern also matches nothing, between any two characters; say at least one character")
    return found


@dataclass(frozen=True, slots=True)
class CastNumber:
    """Read a number with a decimal sign of its own, and perhaps one between groups of three digits."""

    field: str
    decimal: str
    group: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in (",", ".") or self.group not in ("", ".", ",", "'", " ") or self.decimal == self.group:
            raise ValueError("write number:, for 12,50 or number:,. for 1.234,50 (decimal sign, then group sign)")

    def applied(self, tree: Tree) -> Tree:
        """Return the row with the number as the contract wants it."""
        value = trimmed(text_at(tree, self.field))
        found = None if value is None else self._number(value)
        if found is not None and self._number(found) not in (None, found):
            found += "0"  # 1.234 would be read as a thousand and more the next time
        if found is None:
            return tree
        return placed(tree, self.field, Number(found) if JSON_NUMBER.fullmatch(found) else found)

    def _number(self, value: str) -> str | None:
        whole = rf"[0-9]{{1,3}}(?:{re.escape(self.group)}[0-9]{{3}})+|[0-9]+" if self.group else "[0-9]+"
        match = re.fullmatch(rf"([+-]?)({whole})(?:{re.escape(self.decimal)}([0-9]+))?", value)
        if match is None:
            return None
        digits = match[2].replace(self.group, "") if self.group else match[2]
        return match[1] + digits + (f".{match[3]}" if match[3] else "")


@dataclass(frozen=True, slots=True)
class CastMoment:
    """Read a date (`day`) or a moment by its format, and write it as ISO 8601."""

    field: str
    form: str
    day: bool

    def __post_init__(self) -> None:
        told = [sign for sign in _DIRECTIVE.findall(self.form) if sign != "%"]
        used = set(told)
        whole = {"d", "Y"} <= used and len(used & set("mbB")) == 1 and len(told) == len(used)
        if not whole or not used <= _DIRECTIVES or self.form.replace("%%", "").endswith("%"):
            raise ValueError(
                "write the format with %d, %m (or %b, %B), %Y with four digits, %H, %M, %S, %z, each once: %d.%m.%Y"
            )
        if any(self._read(sample) is not None for sample in _ISO_SAMPLES):
            raise ValueError("the format also reads what is right already (2001-12-31); it would be read twice")

    def applied(self, tree: Tree) -> Tree:
        """Return the row with the date as the contract wants it."""
        value = trimmed(text_at(tree, self.field))
        found = None if value is None else self._read(value)
        if found is None:
            return tree
        return placed(tree, self.field, found.date().isoformat() if self.day else found.isoformat())

    def _read(self, value: str) -> datetime | None:
        try:
            # Without %z it stays without a zone: the source's own is put to it when the row is read.
            return datetime.strptime(value, self.form)  # noqa: DTZ007 - see above
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Step:
    """One change, for those of a fix's rows that its conditions hold for."""

    change: Change
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Fix:
    """Rules that mend rows; without steps the rows are read again as they are. `id` is the digest of the rules."""

    id: str
    where: Where
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Mended:
    """What a fix makes of a row: the tree, and whether its steps would not come to rest on it."""

    tree: Tree
    restless: bool = False


def mended(fix: Fix, tree: Tree) -> Mended | None:
    """Return what becomes of a row whose rejection the fix names, or None where its conditions leave the row out."""
    if not _all(fix.where.when, tree):
        return None
    once = _stepped(fix.steps, tree)
    if _stepped(fix.steps, once) != once and _all(fix.where.when, once):
        return Mended(tree, restless=True)
    return Mended(once)


def _stepped(steps: tuple[Step, ...], tree: Tree) -> Tree:
    for step in steps:
        if _all(step.when, tree):
            tree = step.change.applied(tree)
    return tree


def _all(conditions: tuple[Condition, ...], tree: Tree) -> bool:
    return all(condition.holds(tree) for condition in conditions)


def changed_fields(before: Tree, after: Tree) -> tuple[str, ...]:
    """Return the fields whose values differ, as dotted paths."""
    left, right = _leaves(before), _leaves(after)
    return tuple(sorted(name for name in left | right if left.get(name) != right.get(name)))


def _leaves(tree: Tree, path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= _leaves(value, f"{path}{name}.") if isinstance(value, Mapping) and value else {f"{path}{name}": value}
    return found
