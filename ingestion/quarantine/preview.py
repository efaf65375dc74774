"""What a fix would do, before it does it: how many rows it names, which would pass, what is still wrong with the rest.

The rows are held to the contract by the same checks as in a run, one by one (`ingestion.check`), so no engine is
needed. What only the lake can tell (duplicates, restricted people, consents that contradict, references)
is left to the replay.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from infra import dates
from infra.errors import value_class
from ingestion.check import Check, breaks, trimmed
from ingestion.config import Source
from ingestion.number import written
from ingestion.quarantine.again import Again, Form, again
from ingestion.quarantine.opened import Rejection
from ingestion.quarantine.patch import Fix, changed_fields, mended
from ingestion.quarantine.payload import Tree, parsed, text_at
from ingestion.read import FAULTS, fault_of
from ingestion.tracking.column import PLAN, read_columns, rejection

_EXAMPLES: Final = 3
# What the contract alone cannot tell.
_LAKE_RULES: Final = frozenset({("identifiers", "required"), (None, "immutable")})


@dataclass(frozen=True, slots=True)
class Contract:
    """What a row of one source is held to, at one moment."""

    source: Source
    checks: tuple[Check, ...]
    zone: str
    today: date

    def fault(self, values: Mapping[str, str | None]) -> Check | None:
        """Return the first check that rejects a row, or None where it would be taken in."""
        stern = [check for check in self.checks if check.action == "quarantine"]
        for column in dict.fromkeys(check.column for check in stern):
            value = self._cleaned(column, values.get(column))
            for check in stern:
                if check.column == column and breaks(check, value, self.zone):
                    return check
        return None

    def _cleaned(self, column: str, value: str | None) -> str | None:
        if value is not None and column in self.source.dates():
            day = dates.day(value, self.source.date_order or "month_first", self.today)
            return day or trimmed(value)
        return trimmed(value)


@dataclass(frozen=True, slots=True)
class Example:
    """A row before and after: the fields that a fix changes."""

    place: str
    before: Mapping[str, str | None] = field(repr=False)
    after: Mapping[str, str | None] = field(repr=False)
    passes: bool = False

    def masked(self) -> "Example":
        """Return the example with the kinds of its values in place of them."""
        before, after = ({n: value_class(v) for n, v in side.items()} for side in (self.before, self.after))
        return Example(self.place, before, after, self.passes)


@dataclass(frozen=True, slots=True)
class Still:
    """Rows that a fix does not bring in, and why."""

    field: str | None
    rule: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of a fix on the open rejections; `restless` rows are left as they are, for the rules never end."""

    named: int
    changed: int
    restless: int
    passing: int
    still: tuple[Still, ...]
    examples: tuple[Example, ...]


def preview(fix: Fix, rejections: Iterable[Rejection], form: Form, contract: Contract) -> Preview:
    """Return what would become of the rejections that a fix names; a row that is rejected twice is one row."""
    counts: Counter[str] = Counter()
    still: Counter[tuple[str | None, str, str]] = Counter()
    shown: list[tuple[Rejection, Example]] = []
    seen: set[str] = set()
    for one in rejections:
        before = parsed(one.payload) or {}
        found = None if one.content_hash in seen else mended(fix, before)
        if found is None:
            continue
        seen.add(one.content_hash)
        moved = written(found.tree) != written(before)
        wrong = _wrong(one, form, contract, written(found.tree) if moved else one.payload, moved=moved)
        counts.update({"named": 1, "changed": moved, "restless": found.restless, "passing": wrong is None})
        if wrong is not None:
            still[wrong] += 1
        if moved:
            shown.append((one, _example(one.place, before, found.tree, passes=wrong is None)))
            shown = sorted(shown, key=lambda pair: (pair[0].file, pair[0].position))[:_EXAMPLES]
    rest = sorted(still.items(), key=lambda s: (-s[1], s[0][1], s[0][2]))
    return Preview(
        counts["named"],
        counts["changed"],
        counts["restless"],
        counts["passing"],
        tuple(Still(*told, rows) for told, rows in rest),
        tuple(example for _, example in shown),
    )


def _wrong(
    one: Rejection, form: Form, contract: Contract, text: str, *, moved: bool
) -> tuple[str | None, str, str] | None:
    columns: Sequence[str] = read_columns(contract.source)
    undeclared = one.rule == "new_column" and one.field not in columns
    if not moved and ((one.field, one.rule) in _LAKE_RULES or undeclared):
        return one.field, one.rule, one.reason
    read: Again = again(form, columns, one.file, one.rule, text)
    if read.fault is not None:
        field, rule = fault_of(read.fault)
        return field, rule, FAULTS[rule]
    values = dict(zip(columns, read.values, strict=True))
    found = contract.fault(values)
    return rejection(values.get(PLAN)) if found is None else (found.column, found.rule, found.reason)


def _example(place: str, before: Tree, after: Tree, *, passes: bool) -> Example:
    fields = changed_fields(before, after)
    old, new = ({name: text_at(tree, name) for name in fields} for tree in (before, after))
    return Example(place, old, new, passes)
