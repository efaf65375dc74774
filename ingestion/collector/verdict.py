"""What a sender hears of each of its events. A write key is public, so it learns nothing about people by it.

Suppressed, filtered by consent and seen before all read as accepted; the whole verdict needs another key.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ingestion.collector.door import Fault

_json = msgspec.json.Encoder()
_OPENING: Final = b'{"success":true,"events":['
_CLOSING: Final = b"]}"
_BEFORE: Final = b'{"messageId":'
_ACCEPTED: Final = b',"verdict":"accepted"}'
_BETWEEN: Final = _ACCEPTED + b"," + _BEFORE


def answer(message_ids: Sequence[bytes], refused: Mapping[int, Fault]) -> bytes:
    """Return the body of a 200: every event of the request with its verdict, in the order sent.

    Ids are JSON already. `refused` has the faults by place: events that break a rule at the door are kept, and can
    be mended and replayed; all others read as accepted.
    """
    if not refused and message_ids:
        return b"".join((_OPENING, _BEFORE, _BETWEEN.join(message_ids), _ACCEPTED, _CLOSING))
    verdicts = [
        _BEFORE + message_id + (_because(refused[place]) if place in refused else _ACCEPTED)
        for place, message_id in enumerate(message_ids)
    ]
    return _OPENING + b",".join(verdicts) + _CLOSING


def _because(fault: Fault) -> bytes:
    said = _json.encode({"field": fault.field, "rule": fault.rule, "message": fault.message})
    return b',"verdict":"quarantined","because":%b}' % said
