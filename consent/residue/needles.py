"""Values to look for in bytes, in every spelling that systems commonly give them, all in one pass."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple, Self

from consent.residue.engine import Engine
from consent.residue.spellings import LEAST, LEAST_DIGITS, Spelled, of_id, of_token, of_value

# Searched for in copies that were hidden on purpose, to know that whoever searches can see.
CANARY: Final = "canary-of-the-residue-scan@example.org"
CANARY_KIND: Final = "canary"
_MOST: Final = 512
_ASCII_LETTER: Final = re.compile(rb"[A-Za-z]")


class Pattern(NamedTuple):
    """Bytes that are looked for, what kind of spelling they are, and whether A counts as a in them."""

    spelled: bytes
    kind: str
    folded: bool


@dataclass(frozen=True)
class Needles:
    """All spellings of some people's identifiers. It shows none of them, for it ends up in nobody's log."""

    patterns: tuple[Pattern, ...] = field(repr=False)
    too_short: int = 0

    @classmethod
    def of(cls, values: Iterable[str], *, ids: Iterable[str] = (), tokens: Iterable[str] = ()) -> Self:
        """Return the needles for some people's identifier values, the ids they have here, and their keyed tokens.

        Values too short to tell from anything else, or of signs that are no text, are counted and not looked for. Of a
        very long spelling its beginning is.
        """
        values = set(values)
        long_enough = sorted(v for v in values if len(v) >= (LEAST_DIGITS if v.isdigit() else LEAST) and _is_text(v))
        spelled = [one for value in long_enough for one in of_value(value)]
        spelled += [one for value in sorted(set(ids)) for one in of_id(value)]
        spelled += [one for value in sorted(set(tokens)) for one in of_token(value)]
        return cls(_patterns(spelled), len(values) - len(long_enough))

    def with_canary(self) -> Self:
        """Return these needles and the canary's."""
        canary = Pattern(CANARY.encode(), CANARY_KIND, folded=False)
        return type(self)((*self.patterns, canary), self.too_short)

    def found(self, data: bytes | memoryview) -> tuple[str, ...]:
        """Return the kinds of spelling that stand in the data, the plainest first; the canary's is not among them."""
        return tuple(kind for kind in self.kinds(data) if kind != CANARY_KIND)

    def hit(self, data: bytes) -> str | None:
        """Return the plainest kind of spelling that the data hold, or None."""
        return next(iter(self.found(data)), None)

    @cached_property
    def longest(self) -> int:
        """The length of the longest spelling: what two pieces must have in common for none to fall between them."""
        return max((len(pattern.spelled) for pattern in self.patterns), default=1)

    def kinds(self, data: bytes | memoryview) -> tuple[str, ...]:
        """Return the kinds of spelling that stand in the data, the canary's too."""
        if not self.patterns or not len(data):
            return ()
        seen = self._engine.matching(data)
        return tuple(dict.fromkeys(self.patterns[index].kind for index in sorted(seen))) if seen else ()

    @cached_property
    def _engine(self) -> Engine:
        return Engine([(b"".join(b"\\x%02x" % byte for byte in p.spelled), p.folded) for p in self.patterns])


def _patterns(spelled: Iterable[Spelled]) -> tuple[Pattern, ...]:
    """Return each spelling once, under the first kind that has it."""
    found: dict[tuple[bytes, bool], Pattern] = {}
    for kind, raw, folds in spelled:
        folded = folds and _ASCII_LETTER.search(raw) is not None
        bare = (raw.lower() if folded else raw)[:_MOST]
        found.setdefault((bare, folded), Pattern(bare, kind, folded))
    return tuple(found.values())


def _is_text(value: str) -> bool:
    """Say whether a value can be written at all: half of a pair of UTF-16 cannot, anywhere."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
