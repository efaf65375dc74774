"""Which kind of record a file's rows are, and when they happened or were so. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consent.discovery.kinds import OUTRIGHT, named_for
from consent.model import ACTIONS, MECHANISMS
from ingestion.config import RecordKind
from ingestion.proposal.facts import ColumnFacts, FileFacts, is_two_numbers
from ingestion.proposal.joins import Reference
from ingestion.proposal.keys import Key
from ingestion.proposal.meanings import Meanings
from ingestion.proposal.words import file_speaks, last_words, place_of, roles_of

_ORDERED: Final = ("order_id", "product_id", "quantity", "amount", "coupon")
_REPEATS: Final = 0.9
_FEW_WORDS: Final = 200
_PERSON_CODES: Final = ("customer", "account", "loyalty")


@dataclass(frozen=True, slots=True)
class Sort:
    """The kind of record, why, how surely, and what it could be instead."""

    record: RecordKind
    because: str
    sure: float
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """The column that says when. `dated`: it holds days that need `date_order` to be read, and loses its clock.

    `faults` are rows without a moment that can be read; they are rejected.
    """

    column: str
    because: str
    dated: bool = False
    other: str | None = None
    faults: int = 0


def order_columns(file: FileFacts, taken: frozenset[str]) -> dict[str, str]:
    """Return the columns that tell what was bought, by what `order` calls them; numbers only where all are such."""
    found: dict[str, str] = {}
    for role in ("order_id", "product_id", "quantity", "amount", "coupon", "campaign"):
        mine = [c for c in file.columns if role in roles_of(c.name) and c.filled and c.name not in taken]
        if role in ("quantity", "amount"):
            mine = [c for c in mine if c.always("number")]
        else:
            mine = [c for c in mine if c.share("prose") < 0.1]
        mine = [c for c in mine if c.name not in found.values()]
        best = min(mine, key=lambda c: (place_of(c.name, role), c.name.count("."), file.columns.index(c)), default=None)
        if best is not None:
            found[role] = best.name
    return found


def event_columns(file: FileFacts) -> tuple[ColumnFacts | None, ColumnFacts | None]:
    """Return the columns that say of what type an event is and what it is called, of few different words each."""
    few = [c for c in file.columns if 0 < c.distinct <= _FEW_WORDS and c.full > 0.9 and c.share("number") < 0.1
           and c.share("moment") < 0.1 and not c.always("boolean")]  # fmt: skip
    kinds = [c for c in few if "event_type" in roles_of(c.name) and "." not in c.name]
    names = [c for c in file.columns if c in few or (c.distinct <= _FEW_WORDS and c.filled and c.name == "event")]
    names = [c for c in names if "event_name" in roles_of(c.name)]
    kind = kinds[0] if kinds else None
    name = min((c for c in names if c is not kind), key=lambda c: place_of(c.name, "event_name"), default=None)
    return kind, name


def happened_at(file: FileFacts) -> Moment | None:
    """Return when a row happened: a moment that every row has, by its name; ISO 8601 before what has to be read."""
    return _moment(file, ("occurred", "created", "date", "updated"), least=0.97, mostly=0.97)


def observed_at(file: FileFacts) -> Moment | None:
    """Return when a row was so: as it was changed, else as it began."""
    roles = ("updated", "created", "occurred", "date")
    told = _moment(file, roles, least=0.5, mostly=0.998)
    return told if told and set(roles[:3]).intersection(roles_of(told.column)) else None


def _moment(file: FileFacts, roles: Sequence[str], least: float, mostly: float) -> Moment | None:
    """Return the likeliest moment. A few values that are none may be: their rows are rejected, and it is told."""
    filled = [c for c in file.columns if c.full >= least and c.filled and not _is_birth(c)]
    dated = [c for c in filled if c.share("moment") >= mostly or _is_dated(c)]

    def rank(column: ColumnFacts) -> tuple[object, ...]:
        named = (_place(column, roles), -round(column.full, 2), -column.share("clocked"), column.name.count("."))
        return (column.share("moment") < mostly, *named, file.columns.index(column))

    ranked = sorted((c for c in dated if _place(c, roles) is not None), key=rank)
    if not ranked:
        return None
    best, *others = ranked
    iso = best.share("moment") >= mostly
    other = next((c.name for c in others if c.always("moment")), None)
    faults = round((1 - best.share("moment")) * best.filled) + (best.rows - best.filled if least > mostly / 2 else 0)
    told = "its values are moments in ISO 8601" if iso else "its values are days"
    return Moment(best.name, f"{told}, and it is called so", not iso, other, faults if iso else 0)


def _is_dated(column: ColumnFacts) -> bool:
    return (
        column.always("moment")
        or (column.always("day") and column.share("integer") < 1)
        or (column.always("day") and bool(roles_of(column.name)))
    )


def _is_birth(column: ColumnFacts) -> bool:
    return named_for(column.name).get("birth_date") == OUTRIGHT


def _place(column: ColumnFacts, roles: Sequence[str]) -> int | None:
    """Return how likely a column's name means the moment that is looked for, 0 the likeliest."""
    said = roles_of(column.name)
    if "not_yet" in said and "occurred" not in said:
        return None
    found = next((place for place, role in enumerate(roles) if role in said), None)
    if found is not None:
        return found
    name = last_words(column.name)
    return len(roles) if name.endswith(("_at", "_date", "_time", "_ts", "_timestamp", "_on", "datum")) else None


def is_ambiguous(column: ColumnFacts) -> bool:
    """Say whether nothing in a column tells which of day and month stands first, where two orders are possible."""
    return is_two_numbers(column) and column.order is None


def sort_of(file: FileFacts, meant: Meanings, key: Key, out: Sequence[Reference], inwards: Sequence[Reference]) -> Sort:
    """Return what kind of record the rows of a file are. `out` are its references, `inwards` those to it."""
    moment = happened_at(file)
    said = file_speaks(file.name)
    ordered = order_columns(file, meant.taken)
    kind, name = event_columns(file)
    person_key = key.single is not None and any(
        named_for(last_words(key.single)).get(code) == OUTRIGHT for code in _PERSON_CODES
    )
    reached = any(kind.partition("_")[0] in ("email", "phone") for kind in meant.identifiers)
    called = bool({"customer", "account", "loyalty"} & set(said[:1]))
    many = _many_rows_each(file, meant, out, key)
    bought = len({"order_id", "product_id", "quantity", "amount"} & set(ordered))
    signs = [
        *(["it tells what was bought"] if bought >= 2 or (bought and "purchase" in said) else []),
        *(["it tells of a coupon"] if "coupon" in ordered else []),
        *(["a column says what happened"] if name or (kind and many) else []),
        *(["one person has many rows"] if many else []),
        *(["the file is called so"] if {"purchase", "happening"} & set(said[:1]) else []),
    ]
    if _speaks_of_consent(file):
        return Sort("consent", "its columns hold words of consent, each with its purpose and moment", 0.9)
    # a place has a name, a street and a town as well
    described = meant.named and (meant.describing >= 2 or reached) and (reached or "thing" not in said[:1])
    person = (
        described
        or (reached and (called or not signs) and "thing" not in said[:1])
        or (person_key and not (moment and signs))
    )
    if person and not (moment and signs and not called and (not described or bought >= 2 or many or name)):
        return _person(meant, moment, signs, said, reached=reached)
    if moment and (signs or ((meant.identifiers or out) and "thing" not in said[:1])):
        because = f"it has a moment ({moment.column})" + (f", and {signs[0]}" if signs else "")
        other = "person" if described else None
        return Sort("event", because, 0.9 if len(signs) > 1 or bought > 1 else 0.75 if signs else 0.6, other)
    if "thing" not in said[:1] and _meant_for_persons(inwards):
        return Sort("person", "other files point to its rows by a code of people", 0.75, "catalogue")
    if moment and not inwards and "thing" not in said:
        return Sort("event", f"it has a moment ({moment.column}) and nothing else tells what it is", 0.5, "catalogue")
    because = "it describes nobody" + ("" if moment else ", and no column says when something happened")
    sure = 0.9 if inwards or "thing" in said else 0.6
    return Sort("catalogue", because, sure, None if sure > 0.8 else "event, if a moment is added")


def _person(
    meant: Meanings, moment: Moment | None, signs: Sequence[str], said: Sequence[str], *, reached: bool
) -> Sort:
    told = [role.replace("_", " ") for role in meant.fields] + [*(m for m in meant.identifiers)]
    because = f"its columns describe a person: {', '.join(told[:5])}" if told else "its key is a code of people"
    sure = 0.95 if meant.describing >= 2 and reached else 0.85 if told else 0.7
    doubtful = bool(moment and signs) or bool({"purchase", "happening"} & set(said[:1]))
    return Sort("person", because, min(sure, 0.7) if doubtful else sure, "event" if doubtful else None)


def _many_rows_each(file: FileFacts, meant: Meanings, out: Sequence[Reference], key: Key) -> bool:
    """Say whether a person has many rows: a code of people, or an address, repeats."""
    codes = [m.column for held in meant.identifiers.values() for m in held] + [r.column for r in out]
    columns = [file.column(name) for name in codes if name not in key.columns]
    return any(c.full > 0.2 and c.unlike < _REPEATS * 0.9 and c.filled > 10 for c in columns)


def _meant_for_persons(inwards: Sequence[Reference]) -> bool:
    names = [last_words(r.column) for r in inwards]
    return any(
        any(named_for(name).get(code) == OUTRIGHT for code in _PERSON_CODES) or "household" in roles_of(name)
        for name in names
    )


def _speaks_of_consent(file: FileFacts) -> bool:
    return consent_columns(file, ()) is not None


def consent_columns(file: FileFacts, purposes: Sequence[str]) -> dict[str, str] | None:
    """Return the columns of a word of consent by what they are for, or None where they are not all there.

    Only the ledger's own words count: what a system means by its own is the privacy officer's to say.
    """
    actions = [c for c in file.columns if c.categories and set(c.categories) <= set(ACTIONS) and c.full == 1]
    aims = [c for c in file.columns if c.categories and "purpose" in roles_of(c.name) and c.full == 1]
    if purposes:
        aims = [c for c in aims if set(c.categories) <= set(purposes)]
    moment = happened_at(file)
    if not actions or not aims or moment is None or moment.dated:
        return None
    found = {"purpose": aims[0].name, "action": actions[0].name}
    for role in ("mechanism", "jurisdiction", "notice", "channel"):
        mine = [c for c in file.columns if role in roles_of(c.name) and c.filled and c.name not in found.values()]
        mine = [c for c in mine if role != "mechanism" or (c.categories and set(c.categories) <= set(MECHANISMS))]
        if mine:
            found[role] = mine[0].name
    expiring = [c.name for c in file.columns if last_words(c.name).startswith("expir") and c.always("moment")]
    return found | ({"expires_at": expiring[0]} if expiring else {})
