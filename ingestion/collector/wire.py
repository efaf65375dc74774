"""From the bytes of a request to its events, each as it was sent; or a refusal of the whole request.

Two readings of one text: where nothing is out of the ordinary, one pass tells each event's bytes and a second the few
fields that the rules ask for. All else is left to the plain rules of `door`, one event at a time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ingestion.collector.errors import NoBatch, NotJson, TooManyEvents, TooMuchForAll
from ingestion.collector.mend import Mended, mended

EVENT_BYTES: Final = 32 * 1024
BODY_BYTES: Final = 500 * 1024
BATCH_EVENTS: Final = 2_500
# What a batch says for all its events is kept with each of them; a small body shall not become a large log.
COMMON_BYTES: Final = 4 * 1024 * 1024
# An event of Segment's 10,000 properties has more bytes than an event may have, so their number needs no rule.
LEVELS: Final = 64
TYPES: Final = ("identify", "track", "page", "screen", "group", "alias")

# A body from which on it shows how long it is worked at; and how many bytes an ordinary one has to a bracket at least.
_LONG: Final = 64 * 1024
_DENSE: Final = 20
_BOM = b"\xef\xbb\xbf"
# The object of a request and its list stand around each event.
_AROUND: Final = 2
_MOMENT_BYTES: Final = 64
_PLACE = re.compile(r"\(byte (\d+)\)")
_NOTHING: Final = msgspec.Raw(b"")
_NUL: Final = b"\\u0000"
_SENT_AT: Final = b'"sentAt"'


class _Context(msgspec.Struct, gc=False):
    direct: bool = False


class Shape(msgspec.Struct, gc=False):
    """The fields of an event that the rules ask for, where each is text or absent, as it is in most."""

    type: str | None = None
    messageId: str | None = None  # noqa: N815 - the wire's names
    userId: str | None = None  # noqa: N815
    anonymousId: str | None = None  # noqa: N815
    groupId: str | None = None  # noqa: N815
    previousId: str | None = None  # noqa: N815
    event: str | None = None
    context: _Context | None = None


class _Single(Shape):
    writeKey: msgspec.Raw = _NOTHING  # noqa: N815
    sentAt: msgspec.Raw = _NOTHING  # noqa: N815


class _Batch(msgspec.Struct):
    batch: list[msgspec.Raw]
    writeKey: msgspec.Raw = _NOTHING  # noqa: N815
    sentAt: msgspec.Raw = _NOTHING  # noqa: N815
    context: msgspec.Raw = _NOTHING
    integrations: msgspec.Raw = _NOTHING


class _Shapes(msgspec.Struct):
    batch: list[Shape]


class _Item(msgspec.Struct):
    sentAt: msgspec.Raw = _NOTHING  # noqa: N815


_raw = msgspec.json.Decoder(msgspec.Raw)
_single = msgspec.json.Decoder(_Single)
_shape = msgspec.json.Decoder(Shape)
_batch = msgspec.json.Decoder(_Batch)
_shapes = msgspec.json.Decoder(_Shapes)
_item = msgspec.json.Decoder(_Item)
_text = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one request carries: the events' bytes, their shapes where each is ordinary, and what holds for all.

    `broken` names the rule for each event that had to be mended to be readable; it is empty where none had. `kind`
    is the type that the path gives to an event without one. `suspect` says that the text holds something which an
    event's shape does not tell: each event needs a look of its own.
    """

    raws: Sequence[bytes | msgspec.Raw]
    shapes: Sequence[Shape] | None
    kind: str | None = None
    write_key: str | None = field(default=None, repr=False)
    sent_at: str | None = None
    context: bytes = b""
    integrations: bytes = b""
    broken: Sequence[str | None] = ()
    suspect: bool = False


def read(body: bytes, kind: str | None = None) -> Parcel:
    """Return what a request carries: a batch, or one event of the kind that its path names.

    Raises `NotJson`, `NoBatch`, `TooManyEvents` or `TooMuchForAll`. One event that is no good does not spoil a
    batch, even where its bytes are no JSON, as long as it can be seen where it begins and ends.
    """
    return read_plain(body, kind) or read_mended(body, kind)


def read_plain(body: bytes, kind: str | None) -> Parcel | None:
    """Return what a request carries, or None where it is no plain JSON; this is quick."""
    text = body.removeprefix(_BOM)
    try:
        if not text.isascii():
            text.decode()
        return _parcel(text, kind, None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_mended(body: bytes, kind: str | None) -> Parcel:
    """Return what a request carries after its bad spots were mended; this takes its time."""
    text = body.removeprefix(_BOM)
    again = mended(text, LEVELS if kind else LEVELS + _AROUND)
    try:
        return _parcel(again.text, kind, again)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        place = _PLACE.search(str(error))
        # After mending, places are others than the sender's.
        raise NotJson(int(place[1]) if place and len(again.text) == len(text) else None) from None


def laborious(text: bytes, parcel: Parcel) -> bool:
    """Say whether the events need looking into one by one, many of them: that is better done beside other work."""
    if len(text) <= _LONG:
        return False
    return parcel.suspect or parcel.shapes is None or (text.count(b"{") + text.count(b"[")) * _DENSE > len(text)


def shape_of(raw: bytes) -> Shape | None:
    """Return the shape of one event, or None where it is not ordinary."""
    try:
        return _shape.decode(raw)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None


def item_sent_at(raw: bytes) -> str | None:
    """Return the `sentAt` that an event of a batch carries itself."""
    try:
        return _moment(_item.decode(raw).sentAt)
    except msgspec.ValidationError:
        return None


def _parcel(text: bytes, kind: str | None, mending: Mended | None) -> Parcel:
    return _of_batch(text, mending) if kind is None else _of_one(text, kind, mending)


def _of_one(text: bytes, kind: str, mending: Mended | None) -> Parcel:
    raw, broken = (text.strip(), None) if mending is None else mending.told(text.strip())
    try:
        shape = _single.decode(raw)
    except msgspec.ValidationError:
        _raw.decode(raw)
        return Parcel((raw,), None, kind, broken=(broken,) if broken else (), suspect=True)
    key, sent_at = _string(shape.writeKey), _moment(shape.sentAt)
    suspect = broken is not None or _suspect(raw)
    return Parcel((raw,), (shape,), kind, key, sent_at, broken=(broken,) if broken else (), suspect=suspect)


def _of_batch(text: bytes, mending: Mended | None) -> Parcel:
    try:
        found = _batch.decode(text)
    except msgspec.ValidationError:
        raise NoBatch from None
    if len(found.batch) > BATCH_EVENTS:
        raise TooManyEvents(BATCH_EVENTS)
    key, sent_at = _string(found.writeKey), _moment(found.sentAt)
    context, integrations = bytes(found.context), bytes(found.integrations)
    if len(found.batch) * (len(context) + len(integrations)) > COMMON_BYTES:
        raise TooMuchForAll(COMMON_BYTES)
    if mending is not None:
        (context, first), (integrations, second) = mending.told(context), mending.told(integrations)
        told = [mending.told(bytes(raw)) for raw in found.batch]
        rules = [rule or first or second for _, rule in told]
        return Parcel([raw for raw, _ in told], None, None, key, sent_at, context, integrations, rules, suspect=True)
    try:
        shapes: Sequence[Shape] | None = _shapes.decode(text).batch
    except (msgspec.ValidationError, UnicodeDecodeError):
        shapes = None
    suspect = _suspect(text) or (sent_at is None and _SENT_AT in text)
    return Parcel(found.batch, shapes, None, key, sent_at, context, integrations, suspect=suspect)


def _suspect(text: bytes) -> bool:
    # NUL, and line breaks, which an entry of the log may not have. A single byte is found much sooner than several.
    return (b"\\" in text and _NUL in text) or b"\n" in text or b"\r" in text


def _string(raw: msgspec.Raw) -> str | None:
    try:
        return _text.decode(raw) if bytes(raw) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _moment(raw: msgspec.Raw) -> str | None:
    # What is longer than any moment is none, and is not copied into every entry; what is no text is told as it stands.
    said = bytes(raw)
    if not said or said == b"null" or len(said) > _MOMENT_BYTES:
        return None
    return _string(raw) if said.startswith(b'"') else said.decode()
