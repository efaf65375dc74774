"""Pages of what happened: a cursor names the place after the last item seen, not how many came before it.

Between two pages new events may come and old ones go: nothing is told twice for it, and nothing is left out.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from api.http.errors import CursorUnreadable
from api.http.ports import Json

_DIGEST_BYTES, _NUMBER_BYTES = 8, 4
_HEAD_BYTES = _DIGEST_BYTES + _NUMBER_BYTES


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, and the cursor of those after them; None where there are none."""

    items: Sequence[Json]
    following: str | None


def page(items: Sequence[Json], limit: int, cursor: str | None, *, oldest_first: bool = False) -> Page:
    """Return the items after a cursor; raise `CursorUnreadable` for one that no page of ours gave out.

    Items come in the order of their moments. A cursor holds the moment of the last one seen and a digest of it. Where
    that item is gone, the page begins with what lies beyond its moment.
    """
    start = 0 if cursor is None else _after(items, cursor, oldest_first=oldest_first)
    end = start + limit
    return Page(items[start:end], _cursor(items, end - 1) if end < len(items) else None)


def _after(items: Sequence[Json], cursor: str, *, oldest_first: bool) -> int:
    moment, digest, number = _read(cursor)
    # Two things may be told in the very same words; then the cursor says which of them was the last.
    same = [place for place, item in enumerate(items) if str(item["at"]) == moment and digest_of(item) == digest]
    if same:
        return same[min(number, len(same)) - 1] + 1
    gone = _order(moment)
    for place, item in enumerate(items):
        if (_order(str(item["at"])) > gone) if oldest_first else (_order(str(item["at"])) < gone):
            return place
    return len(items)


def _order(moment: str) -> str:
    """Return what moments are in order by: a fraction of a second is told only where there is one, before the Z."""
    return moment.removesuffix("Z")


def _cursor(items: Sequence[Json], place: int) -> str:
    last = items[place]
    number = sum(one == last for one in items[: place + 1])
    raw = digest_of(last) + number.to_bytes(_NUMBER_BYTES, "big") + str(last["at"]).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read(cursor: str) -> tuple[str, bytes, int]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, number, moment = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:_HEAD_BYTES], raw[_HEAD_BYTES:].decode("ascii")
    except (binascii.Error, ValueError):
        raise CursorUnreadable from None
    if not moment or not any(number):
        raise CursorUnreadable
    return moment, digest, int.from_bytes(number, "big")


def digest_of(item: Json) -> bytes:
    """Return eight bytes that tell one thing that happened from another."""
    return hashlib.blake2b(orjson.dumps(item, option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST_BYTES).digest()
