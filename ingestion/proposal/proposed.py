"""One understood file as a proposed source: which keys its declaration has, each with its reason. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from consent.discovery.kinds import KINDS
from infra.dates import Order
from ingestion.proposal.contracts import contract_of
from ingestion.proposal.doubts import doubts_of
from ingestion.proposal.facts import ColumnFacts, is_two_numbers
from ingestion.proposal.meanings import Left
from ingestion.proposal.model import KEPT, Line, Proposed
from ingestion.proposal.sorts import Moment, consent_columns, event_columns, happened_at, observed_at, order_columns
from ingestion.proposal.understood import Known, Understood
from ingestion.proposal.words import file_speaks, roles_of, singular

_MOST_KEPT: Final = 40
_MOST_CHANNELS: Final = 50
_A_GROUP: Final = 0.2
# Of identifiers that one row has, the first names it: what a system gives before what people share.
_ORDER: Final = ("customer", "account", "national_id", "loyalty", "household", "email", "phone")


@dataclass(frozen=True, slots=True)
class _Happening:
    event: Mapping[str, Line] = field(default_factory=dict)
    order: Mapping[str, Line] = field(default_factory=dict)
    channel: str | None = None

    @property
    def columns(self) -> set[str]:
        named = {str(line.value) for line in (*self.event.values(), *self.order.values())}
        return named | ({self.channel} if self.channel else set())


def proposed(one: Understood, known: Known) -> Proposed:
    """Return the source that is proposed for a file."""
    file, record = one.facts, one.sort.record
    moment, lost, order = _when(one)
    identifiers = identifiers_of(one) if record != "catalogue" else {}
    spent = {str(line.value) for lines in identifiers.values() for line in lines}
    happening = _happening(one, frozenset(spent)) if record == "event" else _Happening()
    consent = (consent_columns(file, known.purposes) or {}) if record == "consent" else {}
    of_people = record in ("person", "event")
    fields = {role: Line(m.column, m.because, m.sure) for role, m in one.meant.fields.items() if of_people}
    texts = {m.column: "redact" for m in one.meant.texts if of_people}
    named = spent | happening.columns | {str(line.value) for line in fields.values()} | set(one.key.columns)
    named |= {*consent.values(), *texts, *([moment.column] if moment else [])}
    rest, left = _rest(one, frozenset(named))
    if record in ("person", "catalogue"):
        for column in rest:
            fields[_free_name(column, fields)] = Line(column, KEPT)
    region = next((c.region for c in file.columns if c.region and c.name in spent), None)
    doubts = [*doubts_of(one, moment, lost, order), *_region_doubt(region)]
    return Proposed(
        source=file.name,
        connector=dict(file.connector),
        record=record,
        because=one.sort.because,
        key=Line(one.key.columns, one.key.because, 0.5 if one.key.repeated else 1.0),
        rows=file.rows,
        numbered=one.key.columns[0] if one.key.numbered else None,
        at=Line(moment.column, moment.because) if moment else None,
        date_order=order,
        region=region,
        fields=fields,
        identifiers=identifiers,
        contract=contract_of(file, named | set(rest), order[0] if order else None, moment),
        event=happening.event,
        properties=rest if record == "event" else (),
        order=happening.order,
        channel=happening.channel,
        consent=consent,
        texts=texts,
        doubts=tuple(doubts),
        left=left,
        notes=file.notes,
    )


def _region_doubt(region: tuple[str, str] | None) -> list[str]:
    if region is None or "about as well" not in region[1]:
        return []
    told = f"telephone numbers without a country's code are read as {region[0]}'s: {region[1]}"
    return [f"{told}; say `region` if that is wrong"]


def _when(one: Understood) -> tuple[Moment | None, str | None, tuple[Order, str] | None]:
    """Return the moment of a row, the column that would be it if it could be read, and how days are written."""
    happens = one.sort.record in ("event", "consent")
    moment = happened_at(one.facts) if happens else observed_at(one.facts)
    born = one.meant.fields.get("birth_date") if one.sort.record in ("person", "event") else None
    columns = [one.facts.column(born.column)] if born else []
    columns += [one.facts.column(moment.column)] if moment and moment.dated and happens else []
    order = next((told for column in columns if (told := _order_of(column))), None)
    if moment and moment.dated and not happens:
        return None, moment.column, order
    if moment and moment.dated and order is None:
        order = ("month_first", f"{moment.column} is not in ISO 8601; nothing in it tells the order")
    return moment, None, order


def _order_of(column: ColumnFacts) -> tuple[Order, str] | None:
    if not is_two_numbers(column) or column.order is None:
        return None
    first = "day" if column.order == "day_first" else "month"
    return column.order, f"days beyond the twelfth show that {column.name} is written {first} first"


def identifiers_of(one: Understood) -> dict[str, tuple[Line, ...]]:
    """Return the identifiers by type: what other files say of a column goes before what its name says."""
    spoken_for = {line.value for line in one.codes.values()}
    own = {
        kind: tuple(Line(m.column, m.because, m.sure) for m in held if m.column not in spoken_for)
        for kind, held in one.meant.identifiers.items()
        if kind not in one.codes
    }
    found = {kind: (line,) for kind, line in one.codes.items()} | own
    place = {kind: n for n, kind in enumerate(_ORDER)}
    found = {kind: lines for kind, lines in found.items() if not _is_everybodys(one, kind, lines)}
    ordered = sorted(found, key=lambda kind: place.get(kind, 2 if kind in one.codes else len(place)))
    return {kind: found[kind] for kind in ordered if found[kind]}


def _is_everybodys(one: Understood, kind: str, lines: tuple[Line, ...]) -> bool:
    """Say whether a code that should be one person's stands in so many rows of people that it is a group's."""
    if one.sort.record != "person" or kind not in ("customer", "account", "national_id"):
        return False
    columns = [one.facts.column(str(line.value)) for line in lines]
    return all(column.unlike < _A_GROUP for column in columns)


def _happening(one: Understood, taken: frozenset[str]) -> _Happening:
    """Return what an event is, what was bought, and where."""
    file = one.facts
    kind, name = event_columns(file)
    told = order_columns(file, taken)
    for reference in one.out:
        free = reference.column not in taken and reference.column not in told.values()
        if "product_id" not in told and "thing" in file_speaks(reference.to) and free:
            told["product_id"] = reference.column
    said = file_speaks(file.name)[:1]
    bought = "purchase" in said or ({"amount", "product_id"} & set(told) and len(told) > 1)
    event: dict[str, Line] = {}
    if kind is not None:
        event["type"] = Line(kind.name, f"called so, with {kind.distinct} different words", 0.8)
    elif name is not None and not bought:
        event["type"] = Line(name.name, f"it says what happened, in {name.distinct} different words", 0.8)
    else:
        word = "purchase" if bought else singular(file.name)
        event["type"] = Line(f"={word}", "no column says what happened; a constant does", 0.7)
    if name is not None and event["type"].value != name.name:
        event["name"] = Line(name.name, "called so", 0.8)
    numbers = ("quantity", "amount")
    order = {
        role: Line(column, "called so, and all its values are numbers" if role in numbers else "called so", 0.8)
        for role, column in told.items()
    }
    channels = [c.name for c in file.columns if "channel" in roles_of(c.name) and 0 < c.distinct <= _MOST_CHANNELS]
    return _Happening(event, order, next((name for name in channels if name not in taken), None))


def _rest(one: Understood, named: frozenset[str]) -> tuple[tuple[str, ...], tuple[Left, ...]]:
    """Return the columns that are kept as they are, and those that are left out, each with the reason."""
    left = [Left(name, because) for name, because in one.facts.unusable.items()]
    left += [item for item in one.meant.left if item.column not in named]
    gone = {item.column for item in left}
    rest: list[str] = []
    for column in one.facts.columns:
        if column.name in named or column.name in gone:
            continue
        because = _unwanted(one, column) or (_surplus() if len(rest) >= _MOST_KEPT else "")
        if because:
            left.append(Left(column.name, because))
        else:
            rest.append(column.name)
    return tuple(rest), tuple(left)


def _surplus() -> str:
    return f"more than {_MOST_KEPT} columns have no meaning of their own"


def _unwanted(one: Understood, column: ColumnFacts) -> str:
    """Return why a column that nothing asks for is left out, or an empty text where it may be kept."""
    finding = column.findings[0] if column.findings else None
    if column.filled == 0:
        return "it is always empty"
    if one.sort.record == "consent":
        return "a word of consent has no place for it"
    if finding is not None and finding.sure and (finding.kind in KINDS or one.sort.record == "catalogue"):
        return f"it looks like {finding.kind.replace('_', ' ')} and nothing says whose: {finding.reason}"
    if column.share("prose") > 0.5 and column.unlike > 0.5 and one.sort.record != "catalogue":
        return "free text that nobody asked for; `free_text` would take it in, redacted"
    return "lists or objects as text" if column.share("tree") > 0.5 else ""


def _free_name(column: str, fields: Mapping[str, Line]) -> str:
    name = column.rpartition(".")[2] or column
    while name in fields:
        name = f"{column}_" if name == column else column if column not in fields else f"{name}_"
    return name
