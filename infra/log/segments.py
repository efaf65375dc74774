"""How a segment of the spool is written and read, and what of a torn one is kept: rules on bytes, nothing else.

A line is `{"c":"<crc32 of the body, 8 hex digits>","e":<body>}` and a newline, so that a segment is NDJSON that any
tool reads. The newline belongs to its line: what lacks it, or whose digest differs, is damaged and never given out.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

OPEN, SEALED = ".open", ".ndjson"
_NAME = re.compile(r"(\d{13})-[0-9a-f]{8}(\.open|\.ndjson)")
_SOURCE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MARK, _MIDDLE, _END = b'{"c":"', b'","e":', b"}\n"
_HEAD = re.compile(rb'\{"c":"[0-9a-f]{8}","e":')
_BODY = len(_MARK) + 8 + len(_MIDDLE)
OVERHEAD = _BODY + len(_END)  # bytes of a line beside its body
# Only an event made to look like lines has more heads than this; a damaged one of them is given up as a whole.
_TRIES = 256


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in a segment that cannot be read: where it begins and how many bytes it has, not what they say."""

    at: int
    length: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What of a segment is kept after a crash: so many bytes, with so many lines, and so many damaged within."""

    keep: int
    lines: int
    damaged: int


def is_source(name: str) -> bool:
    """Say whether a source may have this name, which becomes the name of a folder."""
    return _SOURCE.fullmatch(name) is not None


def segment_name(moment: int, suffix: str, after: int) -> str:
    """Return the name of a new segment, without its ending: later in order than all before it, whatever the clock says.

    `moment` is in milliseconds, `after` is the moment of the newest name known (0 for none).
    """
    return f"{max(moment, after + 1):013d}-{suffix}"


def moment_of(name: str) -> int | None:
    """Return the moment that a segment's file name carries, or None if no segment is named so."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def line(body: bytes) -> bytes:
    """Return the line that keeps a body."""
    return b'{"c":"%08x","e":%b}\n' % (crc32(body), body)


def body_of(text: bytes) -> bytes | None:
    """Return the body that a line keeps, or None if this is no line to the last bit."""
    if text[:6] != _MARK or text[14:_BODY] != _MIDDLE or text[-2:] != _END:
        return None
    body = text[_BODY:-2]
    return body if text[6:14] == b"%08x" % crc32(body) else None


def read_lines(pieces: Iterable[bytes]) -> Iterator[bytes | Damage]:
    """Yield for each line of a segment its body, or a mark where it is damaged; damage costs only the lines it hit.

    `pieces` is the segment cut after each newline, as an open binary file iterates. A newline that was lost merges two
    pieces into one, and the second line is found again within it; one that came about cuts a line in two, and both
    halves are one damage.
    """
    damage: Damage | None = None
    for at, text, body in _parts(pieces):
        if body is not None:
            if damage:
                yield damage
                damage = None
            yield body
        elif damage and not text.startswith(_MARK):
            damage = Damage(damage.at, damage.length + len(text))
        else:
            if damage:
                yield damage
            damage = Damage(at, len(text))
    if damage:
        yield damage


def recovered(pieces: Iterable[bytes]) -> Recovery:
    """Return what to keep of a segment that its writer left open: all up to the last whole line.

    What comes after it is a torn tail: it was never made durable, so nobody was told that it had been. Damage that
    whole lines follow is something else: it stays where it is, for the reader to report.
    """
    keep = lines = damaged = since = 0
    for found in read_lines(_measured(pieces, ends := [0])):
        if isinstance(found, Damage):
            since += 1
        else:
            keep, lines, damaged, since = ends[0], lines + 1, damaged + since, 0
    return Recovery(keep, lines, damaged)


def _measured(pieces: Iterable[bytes], ends: list[int]) -> Iterator[bytes]:
    """Yield the pieces and note where the newest one ends: a whole line is always the last of its piece."""
    for piece in pieces:
        ends[0] += len(piece)
        yield piece


def _parts(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Yield where each part of a segment begins, its text, and its body if it is a whole line."""
    at = 0
    for piece in pieces:
        body = body_of(piece)
        cut = 0 if body is not None else _next_line(piece)
        if cut:
            yield at, piece[:cut], None
        if cut < len(piece):
            yield at + cut, piece[cut:], body if body is not None else body_of(piece[cut:])
        at += len(piece)


def _next_line(piece: bytes) -> int:
    """Return where, in a piece that is no line, a whole line begins that ends with it; its length if nowhere.

    An event may hold an object that looks like a line up to the end of the event. It cannot be one: it lies within the
    event's own braces, whose closing ones it would have to end with. Therefore the line must be JSON too.
    """
    if piece.endswith(_END):
        for tried, head in enumerate(_HEAD.finditer(piece, 1)):
            if tried >= _TRIES:
                break
            if body_of(piece[head.start() :]) is not None and _is_json(piece[head.start() :]):
                return head.start()
    return len(piece)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
