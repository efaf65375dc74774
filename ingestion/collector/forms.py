"""Events that do not come as the wire's JSON: a picture's address, and the objects of a stranger's webhook."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from ingestion.collector.errors import NoBatch, NotAnEvent, NotJson, TooManyEvents
from ingestion.collector.wire import BATCH_EVENTS

WEBHOOK_EVENT: Final = "webhook"
_PARAMETERS: Final = 1_000
_STEPS: Final = 8
# What of a stranger's object becomes which field of the event, said in the address as a dotted path.
MAPPED: Final = ("userId", "anonymousId", "messageId", "timestamp")

_objects = msgspec.json.Decoder(list[msgspec.Raw])


def parameters(query: bytes) -> dict[str, str]:
    """Return the parameters of an address, the last of each name; raise `NotAnEvent` where they cannot be read."""
    try:
        return dict(parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_PARAMETERS))
    except ValueError:
        raise NotAnEvent("the address has parameters that cannot be read", "write them as a form would") from None


def pixel_body(asked: Mapping[str, str]) -> bytes:
    """Return the event of a pixel as JSON: `data` holds it in base64, or each parameter is a field (`context.ip`)."""
    if "data" not in asked:
        return json.dumps(_nested(asked), ensure_ascii=False).encode("utf-8", "replace")
    text = asked["data"].replace(" ", "+").translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise NotAnEvent("data is not base64", "send the event's JSON in base64") from None


def webhook_body(body: bytes, asked: Mapping[str, str]) -> bytes:
    """Return a webhook's objects as a batch of track events.

    `event` names them; `userId`, `anonymousId`, `messageId` and `timestamp` may each name the dotted path of the
    object's field that holds it. The object itself becomes `properties`.
    """
    try:
        found = msgspec.json.decode(body, type=msgspec.Raw)
        objects = _objects.decode(body) if bytes(found).lstrip().startswith(b"[") else [found]
        if len(objects) > BATCH_EVENTS:
            raise TooManyEvents(BATCH_EVENTS)
        return b'{"batch":[%b]}' % b",".join(_tracked(bytes(one), asked) for one in objects)
    except msgspec.ValidationError:
        raise NoBatch from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise NotJson(None) from None


def _tracked(raw: bytes, asked: Mapping[str, str]) -> bytes:
    fields: dict[str, Any] = {"type": "track", "event": asked.get("event") or WEBHOOK_EVENT}
    paths = {name: asked[name].split(".") for name in MAPPED if asked.get(name)}
    if paths:
        said = json.loads(raw, parse_float=str, parse_int=str)
        fields |= {name: _at(said, path) for name, path in paths.items()}
    return b'%b,"properties":%b}' % (json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")[:-1], raw)


def _at(node: Any, path: list[str]) -> Any:
    for step in path:
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node


def _nested(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return dotted names as objects in objects; where a name is both a value and an object, the value goes."""
    found: dict[str, Any] = {}
    for name, value in asked.items():
        node = found
        *way, last = name.split(".", _STEPS)
        for step in way:
            below = node.get(step)
            if not isinstance(below, dict):
                below = node[step] = {}
            node = below
        if not isinstance(node.get(last), dict):
            node[last] = value
    return found
