"""The events of the log as the lake will have them, row by row and without an engine: what the online path reads.

The rules are those of a run: the reader of the log (`ingestion.connectors.collected`), the contract and the tracking
plan (`ingestion.check`, `ingestion.tracking`), the names of people (`ingestion.identify`). What is put together here,
`ingestion.transforms` says in Spark, and a test holds both equal over the same segment. What only the lake can tell
(repetitions within a window, references, personal data that nobody declared) is left to the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from consent.suppression import KeptOut
from infra.identifiers import IdentifierType
from infra.log.segments import Damage
from ingestion.check import Check, Judgement, checks, judgement, moment, trimmed
from ingestion.config import RECEIVED, Source, is_open, property_name
from ingestion.connectors.collected import row_of, rows_held
from ingestion.identify import Naming, naming_of
from ingestion.read import Batch, paths_of
from ingestion.tracking.column import PLAN, read_columns

# What is withheld from the online path where a run would screen it first.
_SCREENED: Final = ("quarantine", "redact")
_REFUSED: Final = ("false", "no", "0", "f", "n")


@dataclass(frozen=True, slots=True)
class Named:
    """An identifier of an event in its one spelling, with the token that stands for it."""

    type: str
    value: str = field(repr=False)
    token: str


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event that will be taken in, as a row of `events` tells it; `subject` is the key of its subject's record.

    `place` says where it stood: which of the entries that were read together, and which event of that entry.
    """

    place: tuple[int, int]
    source: str
    message_id: str = field(repr=False)
    type: str
    name: str | None
    occurred_at: datetime
    received_at: datetime
    subject: str | None = field(repr=False)
    subject_token: str | None
    known: bool
    anonymous_id: str | None = field(repr=False)
    identifiers: tuple[Named, ...]
    attributes: Mapping[str, str] = field(repr=False)
    properties: Mapping[str, str] = field(repr=False)
    order_id: str | None = None
    product_id: str | None = None
    quantity: float | None = None
    amount: float | None = None
    channel: str | None = None


class Reader:
    """Reads entries of one source's log; it holds no state but what was declared and who is kept out."""

    def __init__(self, source: Source, naming: Naming, promised: Sequence[Check], zone: str) -> None:
        self._source, self._naming, self._promised, self._zone = source, naming, tuple(promised), zone
        self._columns = read_columns(source)
        self._paths, self._places = paths_of(self._columns), list(range(len(self._columns)))
        screened = bool(source.free_text) or source.on_personal_data in _SCREENED
        self._shown = () if screened else source.properties

    @classmethod
    def of(cls, source: Source, terms: "Terms", at: datetime) -> "Reader":
        """Return the reader of a source; `at` is what `today` and `now` mean in its contract."""
        zone = source.time_zone or terms.zone
        promised = checks(source, at, {})
        named = naming_of(
            source, read_columns(source), promised, terms.kinds, terms.key,
            region=source.region or terms.region, zone=zone, today=at.date(),
            restricted=terms.restricted, kept_out=terms.kept_out, told=(),
        )  # fmt: skip
        return cls(source, named, promised, zone)

    def read(self, entries: Sequence[bytes | Damage]) -> list[LiveEvent]:
        """Return the events that will be taken in, in the order of the log; what a run rejects is left out.

        Left out is also what may not be stored, and whose consent gate is shut.
        """
        batch, where = Batch("", self._columns), list[tuple[int, int]]()
        for number, found in enumerate(entries):
            for turn, held in enumerate(rows_held(found)):
                batch.add(len(where), 1, *row_of(held, self._columns, self._paths))
                where.append((number, turn))
        if not where:
            return []
        rows = self._naming.identified([batch.flushed(self._places)])
        told = (self._event(row, where[row["position"]]) for part in rows for row in part.to_pylist())
        return [event for event in told if event is not None]

    def _event(self, row: Mapping[str, Any], place: tuple[int, int]) -> LiveEvent | None:
        if row["fault"] is not None or row["suppressed"]:
            return None
        values = self._values(row)
        gate = self._source.consent_gate
        if gate is not None and (values.get(gate) or "").lower() in _REFUSED:
            return None
        judged = judgement(self._promised, values, self._zone)
        if judged.fault is not None or _rejected(values.get(PLAN)):
            return None
        for fault in judged.dropped:
            values[fault.column] = None
        key = "|".join(v for c in self._source.key if (v := values.get(c)) is not None)
        return self._told(row, values, key, _flags(judged, values.get(PLAN)), place)

    def _values(self, row: Mapping[str, Any]) -> dict[str, str | None]:
        values = {name: trimmed(row[f"r{place}"]) for place, name in enumerate(self._columns)}
        for name in self._source.dates():
            values[name] = row.get(f"d{self._columns.index(name)}") or values[name]
        return values

    def _told(
        self,
        row: Mapping[str, Any],
        values: Mapping[str, str | None],
        key: str,
        flags: Sequence[str],
        place: tuple[int, int],
    ) -> LiveEvent:
        source, order = self._source, self._source.order
        event, received = source.event, values.get(RECEIVED)
        at = moment(values[source.occurred_at or ""] or "", self._zone)
        fields = {name: v for name, column in source.fields.items() if (v := values.get(column)) is not None}
        aside = {one["type"]: one["value"] for one in row["aside"] or () if one["type"] not in fields}
        return LiveEvent(
            place=place,
            source=source.source,
            message_id=key,
            type=_said(values, event.type if event else None) or "",
            name=_said(values, event.name if event else None),
            occurred_at=at,
            received_at=moment(received, "UTC") if received else at,
            subject=row["subject"],
            subject_token=row["subject_token"],
            known=bool(row["known"]),
            anonymous_id=row["anonymous_id"],
            identifiers=tuple(Named(i["type"], i["value"], i["token"]) for i in row["identifiers"] or ()),
            attributes={**fields, **aside},
            properties=self._properties(values) | _flagged(flags),
            order_id=_said(values, order.order_id),
            product_id=_said(values, order.product_id),
            quantity=_number(_said(values, order.quantity)),
            amount=_number(_said(values, order.amount)),
            channel=_said(values, source.channel),
        )

    def _properties(self, values: Mapping[str, str | None]) -> dict[str, str]:
        named = {property_name(c): values.get(c) for c in self._shown if not is_open(c)}
        told = {name: value for name, value in named.items() if value is not None}
        for column in filter(is_open, self._shown):
            front, text = property_name(column).removesuffix("*"), values.get(column)
            gone = self._dropped(column.removesuffix("*"), values)
            for name, value in (orjson.loads(text) if text else {}).items():
                if value is not None and name not in gone:
                    told.setdefault(front + name, value if isinstance(value, str) else _json(value))
        return told

    def _dropped(self, front: str, values: Mapping[str, str | None]) -> set[str]:
        """Return the entries of an object that are left out because a value in them was dropped."""
        mine = {c.column for c in self._promised if c.action == "drop_field" and c.column.startswith(front)}
        return {name.removeprefix(front).partition(".")[0] for name in mine if values.get(name) is None}


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all sources: identifier types and their keys, who may not be stored, where the house stands."""

    kinds: Mapping[str, IdentifierType]
    key: bytes = field(repr=False)
    region: str
    zone: str
    restricted: frozenset[str] = field(default=frozenset(), repr=False)
    kept_out: KeptOut = field(default_factory=KeptOut, repr=False)


def _said(values: Mapping[str, str | None], name: str | None) -> str | None:
    if name is None:
        return None
    return name[1:] if name.startswith("=") else values.get(name)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _flags(judged: Judgement, planned: str | None) -> list[str]:
    mine = [f"field {fault.column}: {fault.rule}" for fault in judged.flagged]
    return mine + (orjson.loads(planned)["flags"] if planned else [])


def _flagged(flags: Sequence[str]) -> dict[str, str]:
    return {"_flagged": ", ".join(flags)} if flags else {}


def _rejected(told: str | None) -> bool:
    return told is not None and orjson.loads(told)["fault"] is not None
