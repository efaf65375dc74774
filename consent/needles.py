"""Values to look for in bytes, in every spelling that systems commonly give them."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote

# Shorter values stand in digests and file names by accident, and shorter numbers in sizes and times.
LEAST: Final = 6
_LEAST_DIGITS: Final = 10
# Up to here one search for each spelling is fastest; beyond, one pass over the bytes.
_FEW: Final = 200


@dataclass(frozen=True, slots=True)
class Needles:
    """Spellings by their first bytes, with what kind of spelling each is."""

    spellings: dict[bytes, str]
    heads: dict[bytes, list[bytes]]
    too_short: int

    @classmethod
    def of(cls, values: Iterable[str]) -> Self:
        """Return the needles for some people's identifier values."""
        values = set(values)
        long_enough = sorted(v for v in values if len(v) >= (_LEAST_DIGITS if v.isdigit() else LEAST))
        found: dict[bytes, str] = {}
        for value in long_enough:
            for kind, spelled in spellings(value):
                found.setdefault(spelled, kind)
        heads: dict[bytes, list[bytes]] = {}
        for spelled in found:
            heads.setdefault(spelled[:LEAST], []).append(spelled)
        return cls(found, heads, len(values) - len(long_enough))

    def hit(self, text: bytes) -> str | None:
        """Return the kind of spelling that the text holds, or None."""
        if len(self.spellings) <= _FEW:
            return next((kind for spelled, kind in self.spellings.items() if spelled in text), None)
        for start in range(len(text) - LEAST + 1):
            for spelled in self.heads.get(text[start : start + LEAST], ()):
                if text.startswith(spelled, start):
                    return self.spellings[spelled]
        return None


def spellings(value: str) -> Iterator[tuple[str, bytes]]:
    """Yield the kinds and bytes of a value's spellings: as it is, folded, escaped, encoded, digested."""
    for text in sorted({value, value.casefold(), value.upper()}):
        raw = text.encode()
        yield "raw", raw
        yield "url", quote(text, safe="").encode()
        # Delta escapes a path's percent signs once more.
        yield "url twice", quote(quote(text, safe=""), safe="").encode()
        yield "utf-16", text.encode("utf-16-le")
        yield "base64", base64.b64encode(raw).rstrip(b"=")[:-1]
        for name in ("md5", "sha1", "sha256"):
            yield name, hashlib.new(name, raw, usedforsecurity=False).hexdigest().encode()
    digits = "".join(c for c in value if c.isdigit())
    if "@" not in value and len(digits) >= _LEAST_DIGITS:
        yield "digits", digits.encode()
