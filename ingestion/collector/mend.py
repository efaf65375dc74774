"""One bad spot of one event shall not cost the others: a body that no JSON reader takes, with its spots marked.

`NaN`, a lone surrogate, a bare control character, bytes that are no UTF-8 and nesting without end are made text that
every reader takes, and a mark is put beside each, which tells afterwards which event it was. Time and memory are
linear in the body. What is broken otherwise stays broken.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

# What each mark's letter says was wrong.
RULES: Final = {
    b"n": "not_a_number",
    b"s": "lone_surrogate",
    b"c": "control_character",
    b"u": "not_utf8",
    b"d": "too_deep",
}
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_SUSPECT = re.compile(rb"[\x00-\x1f\x80-\xff]|\\u[dD]")
_ESCAPE = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_CONTROL = re.compile(rb"[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Mended:
    """A body that can be read, and what its marks look like."""

    text: bytes
    mark: bytes

    def told(self, part: bytes) -> tuple[bytes, str | None]:
        """Return a part of the text without its marks, and what the first of them says."""
        if self.mark not in part:
            return part, None
        found = re.search(re.escape(self.mark) + b"([nscud])", part)
        clean = re.sub(re.escape(self.mark) + b"[nscud]", b"", part)
        return clean, None if found is None else RULES[found[1]]


def mended(text: bytes, levels: int) -> Mended:
    """Return the text with its bad spots as text of their own; containers below so many levels become text too."""
    # A digest of the text does not stand in the text; a name that somebody knows might.
    mark = hashlib.sha256(text).hexdigest()[:32].encode()
    parts: list[bytes] = []
    done = depth = deep_from = 0
    for found in _TOKEN.finditer(text):
        token, begin, end = found[0], found.start(), found.end()
        if token in b"{[":
            depth += 1
            if depth == levels + 1:
                deep_from = begin
        elif token in b"}]":
            if depth == levels + 1:
                parts += [text[done:deep_from], _quoted(text[deep_from:end], mark)]
                done = end
            depth -= 1
        elif depth <= levels:
            put = _string(token, mark) if token[0] == ord('"') else b'"%bn%b"' % (mark, token)
            if put is not token:
                parts += [text[done:begin], put]
                done = end
    parts.append(text[done:])
    return Mended(b"".join(parts), mark)


def depth(text: bytes, bound: int) -> int:
    """Return how deep JSON is nested; up to the bound a number of brackets is told for it, which is quicker."""
    brackets = text.count(b"{") + text.count(b"[")
    if brackets <= bound:
        return brackets
    deepest = level = 0
    for found in _TOKEN.finditer(text):
        if found[0] in b"{[":
            level += 1
            deepest = max(deepest, level)
        elif found[0] in b"}]":
            level -= 1
    return deepest


def surely_flat(text: bytes, longest: int, bound: int) -> bool:
    """Say whether surely no part of so many bytes is nested deeper than the bound, wherever in the text it begins.

    Whatever is nested deeper has more opening brackets than the bound, the last of them no farther from the first
    than the part is long.
    """
    # The bit apart, the two brackets are one; no other byte becomes it.
    (places,) = np.nonzero((np.frombuffer(text, np.uint8) | 0x20) == ord("{"))
    return len(places) <= bound or bool((places[bound:] - places[:-bound]).min() >= longest)


def _quoted(text: bytes, mark: bytes) -> bytes:
    return msgspec.json.encode(mark.decode() + "d" + text.decode("utf-8", "replace"))


def _string(token: bytes, mark: bytes) -> bytes:
    if not _SUSPECT.search(token):
        return token
    inner, wrong = token[1:-1], b""
    try:
        inner.decode()
    except UnicodeDecodeError:
        inner, wrong = inner.decode("utf-8", "replace").encode(), b"u"
    if _CONTROL.search(inner):
        inner, wrong = _CONTROL.sub(lambda found: b"\\u%04x" % found[0][0], inner), b"c"
    single = any(found["lone"] for found in _ESCAPE.finditer(inner))
    if single:
        # The escape stays to be seen, as the six characters that it was written with.
        inner, wrong = _ESCAPE.sub(lambda found: b"\\" + found[0] if found["lone"] else found[0], inner), b"s"
    return b'"%b%b%b"' % (mark, wrong, inner) if wrong else token
