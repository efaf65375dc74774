"""From a request's events to entries of the log and verdicts for the sender; nothing is dropped on the way."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from infra.ids import Token
from infra.log.port import Entry
from ingestion.check import BLANKS
from ingestion.collector import entry, verdict
from ingestion.collector.door import Fault, fault, fine, text, tree
from ingestion.collector.mend import depth, mended, surely_flat
from ingestion.collector.wire import EVENT_BYTES, LEVELS, Parcel, Shape, item_sent_at, shape_of

Barred = Literal["suppressed", "consent_filtered"]

_json = msgspec.json.Encoder()
_TOO_LARGE: Final = Fault("", "too_large")
_FRAME: Final = len(entry.body(b"", b"", b""))


@dataclass(frozen=True, slots=True)
class Receipt:
    """When and how a request came: `ip` is the sender's address, kept only where an event asks for it."""

    received_at: str
    gpc: bool = False
    ip: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Intake:
    """What it takes to take events in.

    `person` returns what stands for a person's id (its kind, its value) in an entry's key, `message` what stands for
    a message id whose event is not kept. `mint` draws an id for an event without one. `barred` says of an event as a
    tree why it may not be stored, or None; it is absent where nobody is restricted, which spares looking.
    """

    person: Callable[[str, str], str]
    message: Callable[[str], Token]
    mint: Callable[[], str]
    barred: Callable[[Mapping[str, Any]], Barred | None] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A request's entries, the body of its answer, and how many events have which verdict.

    There is an entry for each event, or one for all.
    """

    entries: list[Entry]
    answer: bytes
    counts: Mapping[str, int]


def taken(parcel: Parcel, receipt: Receipt, intake: Intake, *, keyed: bool = True) -> Taken:
    """Return what becomes of the events of a request: an entry and a verdict for each, in the order sent.

    Where the log asks for no keys, events none of which needs a word of its own are one entry together.
    """
    return _Desk(parcel, receipt, intake, keyed=keyed).taken()


class _Desk:
    """One request in the making."""

    def __init__(self, parcel: Parcel, receipt: Receipt, intake: Intake, *, keyed: bool) -> None:
        self.parcel, self.receipt, self.intake = parcel, receipt, intake
        self.person = intake.person if keyed else _nobody
        self.together = not keyed and len(parcel.raws) > 1
        common = entry.one_line(entry.shared(parcel.context, parcel.integrations))
        self.begin = entry.opening(
            receipt.received_at, kind=parcel.kind, sent_at=parcel.sent_at, gpc=receipt.gpc, common=common
        )
        self.room = EVENT_BYTES - len(parcel.context) - len(parcel.integrations)
        self.entries: list[Entry] = []
        self.message_ids: list[bytes] = []
        self.refused: dict[int, Fault] = {}
        self.counts: Counter[str] = Counter()

    def taken(self) -> Taken:
        parcel = self.parcel
        if parcel.suspect or self.intake.barred is not None or b'"direct"' in parcel.context:
            self._plainly()
        elif self.together and self._together(parcel.shapes or ()):
            pass
        elif parcel.shapes is None:
            self._quickly([shape_of(bytes(raw)) for raw in parcel.raws])
        else:
            self._quickly(parcel.shapes)
        answer = verdict.answer(self.message_ids, self.refused)
        return Taken(self.entries, answer, {name: count for name, count in self.counts.items() if count})

    def _together(self, shapes: Sequence[Shape | None]) -> bool:
        """Take in all events as one entry, or say that it cannot be: each must be fine, with an id of its own."""
        raws, kind, message_ids = self.parcel.raws, self.parcel.kind, []
        for shape in shapes:
            if shape is None or not fine(shape, kind):
                return False
            given = shape.messageId
            if not given or given.isspace():
                return False
            message_ids.append(_json.encode(given))
        longest = max(map(len, raws))
        if len(message_ids) < len(raws) or longest > self.room:
            return False
        text = b",".join(raws)
        if not surely_flat(text, longest, LEVELS):
            return False
        self.entries.append(Entry("", entry.body_of_all(self.begin, text)))
        self.message_ids = message_ids
        self.counts["accepted"] = len(raws)
        return True

    def _plainly(self) -> None:
        """Take in each event by the plain rules."""
        broken = self.parcel.broken or (None,) * len(self.parcel.raws)
        for raw, rule in zip(self.parcel.raws, broken, strict=True):
            self._one(bytes(raw), rule)

    def _quickly(self, shapes: Sequence[Shape | None]) -> None:
        """Take in each event by its shape where that is enough. The collector's speed hangs on this loop."""
        begin, kind = self.begin, self.parcel.kind
        # The entry's own brackets come on top of the event's; in doubt the plain rules look.
        brackets = LEVELS + begin.count(b"{") + begin.count(b"[")
        room = self.room + len(begin) + _FRAME
        encode, person, mint = _json.encode, self.person, self.intake.mint
        entries, message_ids, before = self.entries, self.message_ids, self.counts.total()
        for raw, shape in zip(self.parcel.raws, shapes, strict=True):
            if shape is None or not fine(shape, kind):
                self._one(bytes(raw), None)
                continue
            given = shape.messageId
            message_id = encode(given if given and not given.isspace() else mint())
            body = entry.body(begin, message_id, raw)
            if len(body) - len(message_id) > room or body.count(b"{") + body.count(b"[") > brackets:
                self._one(bytes(raw), None)
                continue
            user = shape.userId
            if user and not user.isspace():
                key = person("userId", user)
            else:
                key = person("anonymousId", shape.anonymousId or "")
            entries.append(Entry(key, body))
            message_ids.append(message_id)
        self.counts["accepted"] += len(shapes) - (self.counts.total() - before)

    def _one(self, event: bytes, broken: str | None) -> None:
        """Take in one event by the plain rules."""
        # Mending makes an event longer than it was sent: what is quoted has each of its quotes escaped.
        if len(event) > (self.room if broken is None else 2 * self.room):
            self._too_large(event)
            return
        if depth(event, LEVELS) > LEVELS:
            event, broken = _flat(event)
        said = tree(event)
        wrong = fault(said, event, self.parcel.kind)
        if broken is not None and (wrong is None or wrong.rule != "not_an_object"):
            wrong = Fault("", broken)
        fields: Mapping[str, Any] = said if isinstance(said, dict) else {}
        message_id = text(fields, "messageId") or self.intake.mint()
        barred = None if self.intake.barred is None else self.intake.barred(self._whole(fields))
        if barred is not None:
            token = self.intake.message(message_id.strip(BLANKS))
            self.entries.append(Entry("", entry.unstored(self.receipt.received_at, barred, token)))
            self._count(message_id, barred)
            return
        body = entry.body_told(
            self.begin,
            _json.encode(message_id),
            entry.one_line(event),
            fault=None if wrong is None else (wrong.field, wrong.rule),
            sent_at=item_sent_at(event) if self.parcel.sent_at is None else None,
            ip=self.receipt.ip if self._wants_address(fields) else None,
        )
        self.entries.append(Entry(self._key(fields), body))
        if wrong is None:
            self._count(message_id, "accepted")
        else:
            self._refuse(message_id, wrong)

    def _too_large(self, event: bytes) -> None:
        message_id = text(_fields(event), "messageId") or self.intake.mint()
        token = self.intake.message(message_id.strip(BLANKS))
        self.entries.append(Entry("", entry.unstored(self.receipt.received_at, "too_large", token)))
        self._refuse(message_id, _TOO_LARGE)

    def _count(self, message_id: str, counted: str) -> None:
        self.message_ids.append(_json.encode(message_id))
        self.counts[counted] += 1

    def _refuse(self, message_id: str, wrong: Fault) -> None:
        self.refused[len(self.message_ids)] = wrong
        self._count(message_id, "quarantined")

    def _key(self, fields: Mapping[str, Any]) -> str:
        for name in ("userId", "anonymousId"):
            value = text(fields, name)
            if value is not None:
                return self.person(name, value)
        return ""

    def _whole(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        # An identifier may stand in what the batch says for all.
        return entry.merged({"r": self.receipt.received_at, "m": "", "b": self._common(), "e": fields})

    def _common(self) -> dict[str, Any]:
        common = entry.shared(self.parcel.context, self.parcel.integrations)
        return dict(tree(common)) if common else {}

    def _wants_address(self, fields: Mapping[str, Any]) -> bool:
        context = {**self._common().get("context", {}), **_object(fields.get("context"))}
        return context.get("direct") is True and context.get("ip") is None


def _nobody(_kind: str, _value: str) -> str:
    return ""


def _fields(event: bytes) -> Mapping[str, Any]:
    flat = _flat(event)[0] if depth(event, LEVELS) > LEVELS else event
    return _object(tree(flat))


def _flat(event: bytes) -> tuple[bytes, str | None]:
    found = mended(event, LEVELS)
    return found.told(found.text)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
