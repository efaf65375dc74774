"""The body of an entry of the event log: one event as it was sent, beside what the collector knows of its receipt.

Where the log keeps no order by person, the events of an ordinary request are one entry, with `l`, their list, for `e`
and `m`: each carries its own message id. `unfolded` makes them entries of one event each; all else here is of those.

An entry holds facts alone: `r` received at, `m` message id, `s` sent at, `y` the type that the path gave, `i` the
address that the sender asked for, `b` what the batch says for all its events, `f` the field and rule of its fault, `g`
whether Sec-GPC was set, `e` the event. What follows from them, the corrected moment above all, is worked out when an
entry is read: facts stay, and what is derived from them can be derived again. Of an event that may not be stored, or
is too large to be, an entry holds `r`, the verdict `v` and `k`, a keyed token of its message id.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from infra.ids import Token
from ingestion.collector.door import IDS, text
from ingestion.collector.moments import corrected, moved, written
from ingestion.number import Number

# Verdicts of which nothing but the verdict is kept.
UNSTORED: Final = ("suppressed", "consent_filtered", "too_large")
# What the sender may not say of itself, and what opens the door.
_OURS: Final = ("receivedAt", "writeKey", "clock", "skew")

_LIST: Final = b'{"l":['

_json = msgspec.json.Encoder()


class _Listed(msgspec.Struct, rename={"events": "l"}):
    events: list[msgspec.Raw]


_listed = msgspec.json.Decoder(_Listed)


def opening(received_at: str, *, kind: str | None, sent_at: str | None, gpc: bool, common: bytes) -> bytes:
    """Return how the entries of one request begin, all that they share, up to the message id."""
    parts = [b'{"r":"%b"' % received_at.encode()]
    if kind is not None:
        parts.append(b',"y":"%b"' % kind.encode())
    if sent_at is not None:
        parts.append(b',"s":%b' % _json.encode(sent_at))
    if gpc:
        parts.append(b',"g":true')
    if common:
        parts.append(b',"b":' + common)
    return b"".join(parts)


def shared(context: bytes, integrations: bytes) -> bytes:
    """Return what a batch says for all its events as one object, or nothing where it says nothing."""
    parts = [
        b'"%b":%b' % (name, value)
        for name, value in ((b"context", context), (b"integrations", integrations))
        if value.startswith(b"{")
    ]
    return one_line(b"{" + b",".join(parts) + b"}") if parts else b""


def one_line(raw: bytes) -> bytes:
    """Return JSON without its line breaks: between tokens they mean nothing, and inside text they are escaped."""
    return raw.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in raw or b"\r" in raw else raw


def body(begin: bytes, message_id: bytes, raw: bytes | msgspec.Raw) -> bytes:
    """Return the entry of an event with nothing to be said of it; `message_id` is JSON already."""
    return b'%b,"m":%b,"e":%b}' % (begin, message_id, raw)


def body_of_all(begin: bytes, raws: bytes) -> bytes:
    """Return the entry of a request's events, each with an id of its own; `raws` is their text, with commas between."""
    return b"%b%b],%b}" % (_LIST, raws, begin[1:])


def body_told(
    begin: bytes, message_id: bytes, raw: bytes, *, fault: tuple[str, str] | None, sent_at: str | None, ip: str | None
) -> bytes:
    """Return the entry of an event with a fault, a moment of sending or an address of its own."""
    parts = [begin]
    if fault is not None:
        parts.append(b',"f":%b' % _json.encode(fault))
    if sent_at is not None:
        parts.append(b',"s":%b' % _json.encode(sent_at))
    if ip is not None:
        parts.append(b',"i":%b' % _json.encode(ip))
    return body(b"".join(parts), message_id, raw)


def unstored(received_at: str, verdict: str, message: Token) -> bytes:
    """Return the entry of an event of which only the verdict is kept."""
    return _json.encode({"r": received_at, "v": verdict, "k": message})


def merged(entry: bytes | str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of an entry as readers see it; numbers are the text that they were written with.

    What the batch says for all is put under what the event says itself, key by key of `context` and `integrations`.
    `context.gpc` is true where the browser set Sec-GPC. `timestamp` is the corrected moment, `originalTimestamp` what
    the event said; `clock` says what was wrong with it, or is absent; `skew` keeps the raw moments
    where the sender's clock was wrong. Ids are text. An event that is no object stands under `value`. Of an entry whose
    event was not kept, an empty object comes back: see `UNSTORED`.
    """
    held = opened(entry) if isinstance(entry, bytes | str) else entry
    if "e" not in held:
        return {}
    event = dict(held["e"]) if isinstance(held["e"], dict) else {"value": held["e"]}
    for name in _OURS:
        event.pop(name, None)
    for name, common in held.get("b", {}).items():
        own = event.get(name)
        event[name] = {**common, **own} if isinstance(own, dict) else common if own is None else own
    ours = {name: held[key] for key, name in (("i", "ip"), ("g", "gpc")) if key in held}
    if ours:
        said = event.get("context")
        context = said if isinstance(said, dict) else {} if said is None else {"value": said}
        event["context"] = {**context, **ours}
    if "y" in held and event.get("type") in (None, ""):
        event["type"] = held["y"]
    for name in IDS:
        if name in event and text(event, name) is None and not isinstance(event[name], dict | list | bool):
            del event[name]
    return {**event, **_moments(held, event), "messageId": held["m"]}


def count(entry: bytes) -> int:
    """Return how many events an entry holds, without looking into them."""
    return len(_listed.decode(entry).events) if entry.startswith(_LIST) else 1


def unfolded(entry: bytes) -> list[dict[str, Any]]:
    """Return for each event of an entry the entry, as a tree, that it would be alone."""
    held = opened(entry)
    if not entry.startswith(_LIST):
        return [held]
    events = held.pop("l")
    return [{**held, "m": event["messageId"], "e": event} for event in events]


def opened(entry: bytes | str) -> dict[str, Any]:
    """Return an entry as a tree, its numbers as the text that they were written with."""
    held: dict[str, Any] = json.loads(entry, parse_float=Number, parse_int=Number)
    return held


def _moments(held: Mapping[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    original = event.pop("timestamp", None)
    if original is None:
        # A sender that was itself a collector, and RudderStack's own, call it so.
        original = event.pop("originalTimestamp", None)
    if original is not None and not isinstance(original, str):
        original = json.dumps(original)
    placed = corrected(original, held.get("s"), datetime.fromisoformat(held["r"]))
    found = {"receivedAt": held["r"], "timestamp": written(placed.at)}
    if original is not None:
        found["originalTimestamp"] = original
    if held.get("s") is not None:
        found["sentAt"] = held["s"]
    if placed.note:
        found["clock"] = placed.note
    skew = placed.note or moved(placed, original)
    if skew:
        raw = {"originalTimestamp": original, "sentAt": held.get("s")}
        found["skew"] = {"clock": skew, **{name: value for name, value in raw.items() if value is not None}}
    return found
