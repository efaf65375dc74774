"""The same bytes with their escapes opened, for a value may be written in characters that stand for others."""

import binascii
import html
import re
from collections.abc import Iterator
from functools import cache
from typing import Final
from urllib.parse import unquote_to_bytes

from consent.residue.engine import Engine

_SOFT, _WRAPPED, _ESCAPED, _PERCENT, _ENTITY = range(5)
# Whether a reading would differ at all. Escaped quotes alone do not open anything: no value begins within one.
_SIGNS: Final = (
    rb"=(?:[0-9A-F]{2}|\r?\n)",
    rb"[A-Za-z0-9+/]{60}\r?\n[A-Za-z0-9+/]",
    rb"\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[/'])",
    rb"%[0-9a-fA-F]{2}",
    rb"&(?:#x?[0-9a-fA-F]{1,6}|[a-zA-Z]{2,12});",
)
# Any depth of nesting: JSON in JSON in a log line doubles its backslashes each time.
_UNICODE: Final = re.compile(rb"(?:\\+u[0-9a-fA-F]{4})+")
_BYTE: Final = re.compile(rb"\\+x([0-9a-fA-F]{2})")
_DOUBLED: Final = re.compile(rb"\\{2,}")
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_PLAIN: Final = re.compile(rb"\\+(?=[/\"'\\])")


@cache
def _gate() -> Engine:
    return Engine([(sign, False) for sign in _SIGNS])


def views(data: bytes | memoryview) -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of the readings that differ from the data; one opened escape may show another."""
    signs = _gate().matching(data)
    if not signs:
        return
    data = bytes(data)
    if _SOFT in signs:
        yield "quoted-printable", binascii.a2b_qp(data)
    if _WRAPPED in signs:
        yield "unwrapped", data.translate(None, b"\r\n")
    names: list[str] = []
    if _ESCAPED in signs:
        data = _unescaped(data)
        names.append("unescaped")
        yield names[-1], data
        signs = _gate().matching(data)
    if _PERCENT in signs:
        data = unquote_to_bytes(data)
        names.append("percent-decoded")
        yield ", ".join(names), data
        signs = _gate().matching(data)
    if _ENTITY in signs:
        names.append("entities")
        yield ", ".join(names), html.unescape(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogatepass")


def _unescaped(data: bytes) -> bytes:
    if b"\\u" in data:
        data = _UNICODE.sub(_characters, data) if _hard(data) else _quickly(data)
    if _BYTE.search(data):
        data = _BYTE.sub(lambda match: bytes([int(match[1], 16)]), data)
    return _PLAIN.sub(b"", data)


def _hard(data: bytes) -> bool:
    """Say whether escapes stand beside signs that are written out, or for halves of signs: each is opened alone."""
    return not data.isascii() or _HALF.search(data) is not None


def _quickly(data: bytes) -> bytes:
    if b"\\\\" in data:
        data = _DOUBLED.sub(rb"\\", data)
    try:
        return data.decode("raw_unicode_escape").encode()
    except UnicodeError:  # something looks like an escape and is none
        return _UNICODE.sub(_characters, data)


def _characters(match: re.Match[bytes]) -> bytes:
    units = b"".join(bytes.fromhex(unit[:4].decode()) for unit in match[0].split(b"u")[1:])
    return units.decode("utf-16-be", "replace").encode("utf-8", "replace")
