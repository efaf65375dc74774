"""IAB TC strings, read strictly: what is not whole, known and consistent is no consent, and never an exception.

The layout is the IAB Tech Lab's "Consent string and vendor list formats v2" (2.2, and 2.3 with its segment of disclosed
vendors). The public decoder answers anything with something, so it is only what the tests compare this one with.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from consent.signals.bits import Bits, Short

# A string that names every vendor there is, three times over, has some thousands of characters.
LONGEST: Final = 16_384
VERSION: Final = 2
# Policy version 4 came with TCF 2.2, 5 with TCF 2.3; what was said under an older one was said of other purposes.
OLDEST_POLICY: Final = 4
_DISCLOSED_SINCE_POLICY: Final = 5
# From this day on a string without its disclosed vendors is invalid, whatever policy it names.
_DISCLOSED_SINCE: Final = datetime(2026, 3, 1, tzinfo=UTC)
_SEGMENTS: Final = frozenset((1, 2, 3))
_DISCLOSED: Final = 1
_CONSENT_ALLOWED: Final = 1  # a publisher's restriction of this type leaves a purpose to consent; the others forbid it
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,3}")


@dataclass(frozen=True, slots=True)
class Vendors:
    """A set of vendor ids as it was written: one bit each, or ranges. Never unfolded, for ranges may claim a lot."""

    largest: int
    bits: int = 0
    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, vendor: int) -> bool:
        """Say whether a vendor is in the set."""
        if not 1 <= vendor <= self.largest:
            return False
        return bool(self.bits >> (self.largest - vendor) & 1) or any(a <= vendor <= b for a, b in self.ranges)

    @classmethod
    def read(cls, bits: Bits) -> Self:
        """Return the set that comes next; raise where it cannot be whole."""
        largest = bits.number(16)
        if bits.flag():
            return cls(largest, ranges=_ranges(bits, largest))
        return cls(largest, bits.number(largest))


@dataclass(frozen=True, slots=True, kw_only=True)
class TcString:
    """What a whole TC string says, as far as anything here rests on it."""

    updated_at: datetime
    policy: int
    purposes: frozenset[int]
    vendors: Vendors
    disclosed: Vendors | None
    restrictions: tuple[tuple[int, int, tuple[tuple[int, int], ...]], ...]  # (purpose, type, ranges of vendors)

    def consents(self, vendor: int, purposes: frozenset[int]) -> bool:
        """Say whether the person consents to all of the purposes for a vendor that was shown to them."""
        if not purposes or not purposes <= self.purposes or vendor not in self.vendors:
            return False
        needed = self.policy >= _DISCLOSED_SINCE_POLICY or self.updated_at >= _DISCLOSED_SINCE
        if (self.disclosed is None and needed) or (self.disclosed is not None and vendor not in self.disclosed):
            return False
        return not any(
            purpose in purposes and kind != _CONSENT_ALLOWED and any(a <= vendor <= b for a, b in ranges)
            for purpose, kind, ranges in self.restrictions
        )


def decode(text: str) -> TcString | None:
    """Return what a TC string says, or None where it is not whole, too old, of another version or no such string."""
    if len(text) > LONGEST or not _TEXT.fullmatch(text):
        return None
    core, *others = text.split(".")
    try:
        return _decoded(Bits(core), [Bits(other) for other in others])
    except (Short, OverflowError):
        return None


def _decoded(core: Bits, others: list[Bits]) -> TcString | None:
    if core.number(6) != VERSION:
        return None
    core.moment()
    updated_at = core.moment()
    core.number(12 + 12 + 6 + 12 + 12)  # who made it, on which screen, in which language, by which vendor list
    policy = core.number(6)
    if policy < OLDEST_POLICY:
        return None
    core.number(1 + 1 + 12)
    purposes = core.number(24)
    core.number(24 + 1 + 12)
    vendors = Vendors.read(core)
    Vendors.read(core)  # whose legitimate interest was shown; no yes rests on it
    restrictions = tuple(_restriction(core) for _ in range(core.number(12)))
    segments = [(segment.number(3), segment) for segment in others]
    kinds = [kind for kind, _ in segments]
    if not _SEGMENTS.issuperset(kinds) or len(set(kinds)) < len(kinds):
        return None
    return TcString(
        updated_at=updated_at,
        policy=policy,
        purposes=frozenset(n for n in range(1, 25) if purposes >> (24 - n) & 1),
        vendors=vendors,
        disclosed=next((Vendors.read(segment) for kind, segment in segments if kind == _DISCLOSED), None),
        restrictions=restrictions,
    )


def _restriction(bits: Bits) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    purpose, kind = bits.number(6), bits.number(2)
    return purpose, kind, _ranges(bits, 0xFFFF)


def _ranges(bits: Bits, largest: int) -> tuple[tuple[int, int], ...]:
    found = []
    for _ in range(bits.number(12)):
        ranged = bits.flag()
        first = bits.number(16)
        last = bits.number(16) if ranged else first
        if not 1 <= first <= last <= largest:
            raise Short
        found.append((first, last))
    return tuple(found)
