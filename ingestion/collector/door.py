"""The rules at the door for one event: what is wrong with it, as the first rule that it breaks.

They are said twice. `fine` says yes where an ordinary event surely breaks none, from its shape alone; `fault` is the
rule itself, over the event as a tree. A property test holds that nothing is fine which has a fault.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ingestion.collector.wire import EVENT_BYTES, LEVELS, TYPES, Shape

MESSAGE_ID: Final = 100
GROUP_ID: Final = 500
# Fields that may come as numbers and are text from here on.
IDS: Final = ("userId", "anonymousId", "groupId", "previousId")
# Six characters that stand for NUL, unless the backslash is itself an escaped one.
_REAL_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

MESSAGES: Final[Mapping[str, str]] = {
    "not_an_object": "the event is not an object; send {...}",
    "too_large": f"the event has more than {EVENT_BYTES:,} bytes with its batch's context; send less with it",
    "not_a_number": "NaN and Infinity are no JSON; send null, or leave the field out",
    "lone_surrogate": "half a surrogate pair is no character; send whole characters",
    "control_character": "a bare control character is no JSON; escape it",
    "not_utf8": "the bytes are no UTF-8; send UTF-8",
    "too_deep": f"the event is nested deeper than {LEVELS} levels; send it flatter",
    "nul": "the character NUL has no place in an event; leave it out",
    "unknown_type": f"the type is none of {', '.join(TYPES)}",
    "no_user_anon_id": "neither userId nor anonymousId is there; send one of them",
    "missing": "the field is missing or empty; an event of this type needs it",
    "not_text": "the field is neither text nor a number; send text",
    "too_long": f"the id is too long; {MESSAGE_ID} characters for a messageId, {GROUP_ID} for a groupId",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """The rule that an event breaks, and the field where; the field is empty where it is the event as a whole."""

    field: str
    rule: str

    @property
    def message(self) -> str:
        """What was wrong and what would be right, without a value."""
        return MESSAGES[self.rule]


def fine(shape: Shape, kind: str | None) -> bool:
    """Say whether an ordinary event surely breaks no rule of its fields, and wishes for nothing."""
    type_ = shape.type or kind
    user, message_id = shape.userId, shape.messageId
    named = user and not user.isspace()
    if not named and not (shape.anonymousId and not shape.anonymousId.isspace()):
        return False
    if message_id is not None and len(message_id) > MESSAGE_ID:
        return False
    if shape.context is not None and shape.context.direct:
        return False
    if type_ == "track":
        return bool(shape.event and not shape.event.isspace())
    if type_ == "group":
        group = shape.groupId
        return bool(group and not group.isspace() and len(group) <= GROUP_ID)
    return (type_ in TYPES) if type_ != "alias" else bool(named)


def tree(raw: bytes) -> Any:
    """Return an event as a tree, its numbers as the text that they were written with."""
    return json.loads(raw, parse_float=str, parse_int=str)


def fault(event: Any, raw: bytes, kind: str | None) -> Fault | None:
    """Return what is wrong with an event, or None; `kind` is the type that its path gives it if it has none."""
    if not isinstance(event, dict):
        return Fault("", "not_an_object")
    type_ = typed(event, kind)
    if type_ not in TYPES:
        return Fault("type", "unknown_type")
    for name in ("messageId", *IDS):
        if not isinstance(event.get(name), str | None):
            return Fault(name, "not_text")
    return _needed(event, type_) or _within(event, type_) or (Fault("", "nul") if _REAL_NUL.search(raw) else None)


def typed(event: Mapping[str, Any], kind: str | None) -> Any:
    """Return an event's own type, else the one that its path gives it."""
    own = event.get("type")
    return kind if own is None or own == "" else own


def text(event: Mapping[str, Any], name: str) -> str | None:
    """Return a field of an event as text, or None where it is absent, blank or no text."""
    value = event.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _needed(event: Mapping[str, Any], type_: str) -> Fault | None:
    if text(event, "userId") is None and text(event, "anonymousId") is None:
        return Fault("userId", "no_user_anon_id")
    needs = {"track": "event", "group": "groupId", "alias": "userId"}.get(type_)
    if needs is None or text(event, needs) is not None:
        return None
    return Fault(needs, "missing" if isinstance(event.get(needs), str | None) else "not_text")


def _within(event: Mapping[str, Any], type_: str) -> Fault | None:
    if len(event.get("messageId") or "") > MESSAGE_ID:
        return Fault("messageId", "too_long")
    if type_ == "group" and len(event["groupId"]) > GROUP_ID:
        return Fault("groupId", "too_long")
    return None
