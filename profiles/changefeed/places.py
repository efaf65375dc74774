"""Places in the feed, as a cursor that says nothing to anybody but us: behind which row, and in which walk.

Who begins without a place is shown everybody first, as they were told last up to a row (`until`), and then goes on.
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Final, Self

from profiles.changefeed.errors import PlaceUnknown

_FORM: Final = struct.Struct(">8sQQ")
_SEAL: Final = 4
NOT_ANEW: Final = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Behind a row of a feed; while everybody is shown, `until` names the last row that counts for it."""

    feed: bytes
    sequence: int
    until: int = NOT_ANEW

    @property
    def anew(self) -> bool:
        """Whether everybody is being shown."""
        return self.until > self.sequence

    def behind(self, sequence: int) -> "Place":
        """Return the place behind another row of the same walk."""
        return Place(self.feed, sequence, self.until if self.until > sequence else NOT_ANEW)

    def cursor(self) -> str:
        """Return the place as it is given out."""
        raw = _FORM.pack(self.feed, self.sequence, self.until)
        return base64.urlsafe_b64encode(raw + _seal(raw)).decode()

    @classmethod
    def read(cls, cursor: str) -> Self:
        """Return the place that `cursor` gave out; raise `PlaceUnknown` for anything else."""
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise PlaceUnknown from None
        if len(raw) != _FORM.size + _SEAL or raw[_FORM.size :] != _seal(raw[: _FORM.size]):
            raise PlaceUnknown
        return cls(*_FORM.unpack(raw[: _FORM.size]))


def _seal(raw: bytes) -> bytes:
    # Against what was cut or mistyped; who makes one up may come to any row of the feed that their purpose may see.
    return hashlib.blake2b(raw, digest_size=_SEAL, person=b"change place").digest()
