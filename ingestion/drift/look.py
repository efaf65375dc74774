"""What a sample of a source's new files shows, beside what is recorded of its loads and columns; no Spark."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from ingestion.check import Check
from ingestion.config import Source, is_open
from ingestion.connectors.declared import TREES
from ingestion.discover import Found, Role, role_of, roles
from ingestion.drift.compare import Drawn, Moved, moved
from ingestion.drift.evolution import Step, barred, held, steps
from ingestion.drift.loads import Breach, freshness
from ingestion.drift.profile import profiled
from ingestion.drift.proposal import lines_for
from ingestion.drift.store import History
from ingestion.model import SAMPLED, Note
from ingestion.sampling import Sample

# More of a kind would hide the rest of a run's notes.
_NOTES: Final = 20
_LEAST: Final = 20
# Signs that end lines, turn them around or move the cursor, and halves of signs that no file takes.
_UNWRITTEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Look:
    """A source before its rows are read: its history, and what a sample shows; without new files there is no sample."""

    source: Source
    history: History
    loads: bool
    drawn: Drawn
    steps: tuple[Step, ...] = ()
    moved: tuple[Moved, ...] = ()
    proposals: Mapping[str, str] = field(default_factory=dict)
    anyway: bool = False

    @property
    def refused(self) -> frozenset[str]:
        """The new columns that the source does not want to be taken in unseen."""
        if self.source.evolution.new_columns == "record" or self.anyway:
            return frozenset()
        return frozenset(one.column for one in self.steps if one.happened == "new")

    def breaches(self) -> tuple[Breach, ...]:
        """Return what stops the source before any of its rows is read."""
        found = []
        mode = self.source.evolution
        new, changed = ([s for s in self.steps if s.happened == how] for how in ("new", "changed"))
        if new and mode.new_columns == "stop":
            names = ", ".join(one.column for one in new[:_NOTES])
            found.append(Breach("new_columns", "error", f"columns that nobody declared: {names}"))
        if changed and mode.changed_types == "stop":
            told = ", ".join(f"{one.column} ({one.was}, now {one.now})" for one in changed[:_NOTES])
            found.append(Breach("changed_types", "error", f"columns of another kind: {told}"))
        return tuple(found)

    def notes(self) -> tuple[Note, ...]:
        """Return what a run tells of a source's columns."""
        told = [_step_note(self.source.source, one) for one in self.steps]
        drift = [
            Note(self.source.source, f"field {one.column}", f"drift: {one.told} {SAMPLED}", self.drawn.sampled)
            for one in self.moved
        ]
        return (*_few(told), *_few(drift))


def too_old(source: Source, newest: datetime | None, arrived: datetime | None, at: datetime) -> Breach | None:
    """Return the breach of a source whose newest moment, or last arrival, is too old at a moment."""
    rule = source.expect.freshness
    return None if rule is None else freshness(rule, newest if rule.of == "moment" else arrived, at)


def look(
    source: Source,
    seen: Drawn,
    found: Sequence[Found],
    labelled: frozenset[str],
    history: History,
    *,
    loads: bool,
    anyway: bool,
) -> Look:
    """Return what a sample of a source's new files shows beside its history."""
    if not seen.sampled:
        return Look(source, history, loads, seen, anyway=anyway)
    role = partial(role_of, known=roles(source, labelled), labelled=labelled)
    # A table without a named column is refused before it is sampled; of objects a few rows show nothing.
    tells = source.connector.format in TREES and seen.sampled >= _LEAST
    named = [name for name in source.columns() if not is_open(name)] if tells else []
    happened = tuple(steps(history.columns, seen.columns, named=named, declared=lambda name: _is_declared(role(name))))
    past = [load.drawn for load in history.taken]
    shifted = moved(seen, past, source.expect.drift)
    proposals = {
        one.column: "\n".join(lines_for(source, one.column, one.now, found))
        for one in happened
        if one.happened == "new"
    }
    return Look(source, history, loads, seen, happened, shifted, proposals, anyway)


def _is_declared(role: Role | None) -> bool:
    return role is not None and role.told != "undeclared, under a label"


def telling(source: Source, labelled: frozenset[str], found: Sequence[Found]) -> Callable[[str], bool]:
    """Return what says of which columns the ends may be told: those that are declared, and by nothing personal."""
    known, surprising = roles(source, labelled), {one.finding.column for one in found}

    def tells(name: str) -> bool:
        role = role_of(name, known, labelled)
        return role is not None and not role.personal and role.told != "key" and name not in surprising

    return tells


def drawn_of(sample: Sample, tells: Callable[[str], bool], at: datetime) -> Drawn:
    """Return the profiles of a sample's columns, under names that can be written down."""
    columns = {written(name): profiled(values, tells=tells(name)) for name, values in sample.columns.items()}
    return Drawn(sample.rows, at, columns)


def written(name: str) -> str:
    """Return a column's name as it may stand in the books and on a screen: keys of objects may be anything."""
    plain = _UNWRITTEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", name)
    return plain if len(plain) <= _NAME else plain[:_NAME] + "…"


def checks_of(source: Source, columns: Sequence[str], history: History, refused: frozenset[str]) -> tuple[Check, ...]:
    """Return what a source's rows are held to beside its contract: recorded kinds, and no column that was refused."""
    evolution, own = source.evolution, source.columns()
    # What a contract types is held to that; days are read before they are held to anything.
    promised = {name for name, rules in source.contract.items() if rules.type != "text"} | {
        *source.key,
        *source.dates(),
    }
    kinds = held(
        history.columns, [name for name in own if name in columns and name not in promised], evolution.changed_types
    )
    if evolution.new_columns != "quarantine":
        return kinds
    return (*kinds, *barred(sorted(strangers(source, history, refused) & set(columns))))


def strangers(source: Source, history: History, refused: frozenset[str]) -> frozenset[str]:
    """Return the columns that were refused now or before and are not declared since."""
    if source.evolution.new_columns != "quarantine":
        return frozenset()
    before = {one.name for one in history.columns if not one.known} - {one.name for one in history.columns if one.known}
    return frozenset((before | refused) - set(source.columns()))


def columns_with(
    source: Source, columns: tuple[str, ...], history: History, refused: frozenset[str]
) -> tuple[str, ...]:
    """Return the columns to be read: of objects also those that are refused, so that their rows are found."""
    if source.connector.format not in TREES:
        return columns
    return tuple(dict.fromkeys((*columns, *sorted(strangers(source, history, refused)))))


def _step_note(source: str, one: Step) -> Note:
    match one.happened:
        case "new":
            told = (
                f"new column nobody declared{f', kind {one.now}' if one.now else ''}; `kindred drift {source}` proposes"
            )
        case "widened" | "changed":
            told = f"kind {one.happened}: {one.was}, now {one.now}"
        case "missing":
            told = "declared, and in no row" + (f"; did it become {one.now}?" if one.now else "")
    return Note(source, f"field {one.column}", f"{told} {SAMPLED}", one.rows)


def _few(notes: Sequence[Note]) -> tuple[Note, ...]:
    if len(notes) <= _NOTES:
        return tuple(notes)
    rest = len(notes) - _NOTES
    source = notes[0].source
    more = Note(source, "fields", f"{rest} more of this kind; `kindred drift {source}` has them {SAMPLED}", 0)
    return (*notes[:_NOTES], more)
