"""Where a CSV file may be cut, so that several tasks read it: behind lines that are surely whole records."""

import codecs
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ingestion.model import Stretch
from ingestion.packed import is_packed

# Encodings in which every quote, delimiter and line's end is the one byte that it is in ASCII, and no part of another.
_PLAIN: Final = frozenset({"utf-8", "utf-8-sig", "ascii", "iso8859-1", "iso8859-15", "cp1250", "cp1251", "cp1252"})
_LINE, _RETURN, _QUOTE = b'\n\r"'


def csv_stretches(path: Path, name: str, encoding: str | None, delimiter: str, size: int) -> tuple[Stretch, ...]:
    """Return a CSV file in stretches of about `size` bytes that may be read each by itself; none where it is one piece.

    What cannot be cut for sure, from the first record of two lines or the first stray quote on, is the last stretch.
    """
    spelled = codecs.lookup(encoding or "utf-8-sig").name
    if is_packed(path) or spelled not in _PLAIN or not delimiter.isascii():
        return ()
    stretches, start, line = [], 0, 1
    with path.open("rb") as stream:
        while chunk := stream.read(size):
            chunk += stream.readline()
            bare = chunk if start or spelled != "utf-8-sig" else chunk.removeprefix(codecs.BOM_UTF8)
            # The header has to stand in the first of them.
            if not _is_whole(bare, ord(delimiter)) or not (start or bare.decode(spelled, "surrogateescape").strip()):
                break
            stretches.append(Stretch(name, start, start + len(chunk), line))
            start, line = start + len(chunk), line + chunk.count(b"\n")
        end = stream.seek(0, 2)
    if start < end:
        stretches.append(Stretch(name, start, end, line))
    return tuple(stretches) if len(stretches) > 1 else ()


def _is_whole(chunk: bytes, delimiter: int) -> bool:
    """Say whether each line of what begins with a record is a record of its own, whatever its fields are.

    Quotes that open stand behind a delimiter or a line's end, or double one that closed; those that close stand
    before one of these. Then inside of quotes is just where their number is odd, and no line may end there.
    """
    if chunk.count(b"\r") != chunk.count(b"\r\n"):
        return False  # ends a line for the reader and none here
    signs = np.frombuffer(chunk, np.uint8)
    quotes = np.flatnonzero(signs == _QUOTE)
    if len(quotes) == 0:
        return True
    if len(quotes) % 2 or chunk.startswith(b'\xef\xbb\xbf"'):
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before = signs[opening[opening > 0] - 1]
    after = signs[closing[closing < len(signs) - 1] + 1]
    if not (_beside(before, delimiter) & _beside(after, delimiter, _RETURN)):
        return False
    return not (np.searchsorted(quotes, np.flatnonzero(signs == _LINE)) % 2).any()


def _beside(signs: "npt.NDArray[np.uint8]", delimiter: int, more: int = _LINE) -> bool:
    """Say whether each sign may stand outside beside a quote, or is a quote itself."""
    return bool(((signs == delimiter) | (signs == _LINE) | (signs == more) | (signs == _QUOTE)).all())
