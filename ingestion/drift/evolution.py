"""How a source's columns change from load to load: new ones, other kinds, and what is to be done about each. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, Literal

from ingestion.check import SHAPES, Check
from ingestion.contract import FieldType
from ingestion.drift.kinds import HELD, Kind, kind_over, step
from ingestion.drift.profile import Profile
from ingestion.expected import Change

Happened = Literal["new", "widened", "changed", "missing"]

# Objects may be kept by the ids of people or things; nobody wants a history of those.
MOST: Final = 2_000
# Fewer values do not show what a column is.
_LEAST: Final = 20
_RIGHT: Final[Mapping[Kind, str]] = {
    "boolean": "true or false",
    "integer": "a number",
    "number": "a number",
    "date": "a date or a moment",
    "timestamp": "a date or a moment",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A kind that a column had, in which runs; one that is not `known` was refused, with what would take it in."""

    name: str
    kind: str
    first_run: int
    last_run: int
    values: int
    known: bool = True
    proposal: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to a column: `was` and `now` are kinds, or for a missing one a column of nearly its name."""

    column: str
    happened: Happened
    was: str = ""
    now: str = ""
    rows: int = 0


def kinds_of(recorded: Sequence[Recorded]) -> dict[str, Kind]:
    """Return the kind of each known column by all that is recorded, where enough values show it."""
    found: dict[str, list[Recorded]] = {}
    for one in recorded:
        if one.known and one.kind:
            found.setdefault(one.name, []).append(one)
    kinds = {name: kind_over(one.kind for one in ones) for name, ones in found.items()}  # type: ignore[misc]  # as stored
    return {name: kind for name, kind in kinds.items() if kind and sum(o.values for o in found[name]) >= _LEAST}


def steps(
    recorded: Sequence[Recorded],
    seen: Mapping[str, Profile],
    *,
    named: Sequence[str],
    declared: Callable[[str], bool],
) -> Iterator[Step]:
    """Yield what happened to a source's columns; in a first load only declared ones that are missing can be told.

    Later a missing one is told once more: when a new column of nearly its name comes.

    `named` are the columns that the declaration names, `declared` also says yes to what lies in a named object.
    """
    known, kinds = {one.name for one in recorded if one.known}, kinds_of(recorded)
    for name, profile in seen.items():
        if known and name not in known and profile.filled and not declared(name):
            yield Step(name, "new", now=profile.kind or "", rows=profile.filled)
        was = kinds.get(name)
        how = step(was, profile.kind)
        if was and profile.kind and how in ("widened", "changed"):
            yield Step(name, "widened" if how == "widened" else "changed", was, profile.kind, profile.filled)
    filled = [name for name, profile in seen.items() if profile.filled]
    strangers = [name for name in filled if name not in known and not declared(name)]
    for name in named if filled else ():
        if not any(one == name or one.startswith(f"{name}.") for one in (*filled, *known)):
            near = get_close_matches(name, strangers, n=1, cutoff=0.75)
            if near or not known:  # what is optional may be in no row for long
                yield Step(name, "missing", now=near[0] if near else "")


def grown(
    recorded: Sequence[Recorded],
    seen: Mapping[str, Profile],
    number: int,
    *,
    refused: Collection[str] = (),
    proposals: Mapping[str, str] = MappingProxyType({}),
    strict: bool = False,
) -> tuple[Recorded, ...]:
    """Return what is to be written down of the columns of a load that was taken in; `refused` ones are not known.

    Where a source is `strict`, values of another kind were rejected and do not make the column another.
    """
    known, kinds = {one.name for one in recorded if one.known}, kinds_of(recorded)
    names, were = {one.name for one in recorded}, {(one.name, one.kind): one for one in recorded}
    found = []
    for name, profile in seen.items():
        if name not in known and known and not profile.filled:
            continue  # nothing is known of it yet
        if name not in names:
            if len(names) >= MOST:
                continue
            names.add(name)
        kind = _kept(kinds.get(name), profile) if strict else profile.kind
        was = were.get((name, kind or ""), Recorded(name, kind or "", number, number, 0))
        values, proposal = was.values + profile.filled, proposals.get(name, was.proposal)
        found.append(Recorded(name, was.kind, was.first_run, number, values, name not in refused, proposal))
    return tuple(found)


def _kept(was: Kind | None, profile: Profile) -> Kind | None:
    """Return the kind of those values that a column of a recorded kind may have."""
    fits = [kind for kind in profile.kinds if step(was, kind) != "changed"]  # type: ignore[arg-type]  # as counted
    return kind_over(fits)  # type: ignore[arg-type]


def held(recorded: Sequence[Recorded], columns: Sequence[str], mode: Change) -> tuple[Check, ...]:
    """Return what holds a source's untyped columns to the kinds that are recorded of them, where it asks for that."""
    if mode != "quarantine":
        return ()
    kinds = kinds_of(recorded)
    return tuple(_held(column, kinds[column]) for column in columns if column in kinds and kinds[column] in HELD)


def _held(column: str, kind: Kind) -> Check:
    shape: FieldType = HELD[kind]
    right = f"{column} must be {_RIGHT[kind]}, as it was in all loads before; "
    right += "declare its type in `contract`, or `schema: {changed_types: record}`"
    return Check(column, "type", "matches", SHAPES[shape], right, vital=True)


def barred(columns: Sequence[str]) -> tuple[Check, ...]:
    """Return what quarantines every row that fills a column which nobody declared."""
    right = "is a column that nobody declared; declare it, or `schema: {new_columns: record}`"
    # A pattern that no value matches: only an absent one passes.
    return tuple(Check(name, "new_column", "matches", "(?!)", f"{name} {right}", vital=True) for name in columns)
