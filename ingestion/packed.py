"""Files opened as what is in them: a name that ends in .gz, .bz2, .xz or .zst tells how the file is packed."""

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyarrow as pa

PACKED: Final = (".gz", ".bz2", ".xz", ".zst")
# What the libraries raise where a packed file is damaged or ends too early. (pyarrow's is an OSError, as gzip's.)
DAMAGED: Final = (EOFError, zlib.error, lzma.LZMAError)


def is_packed(path: Path) -> bool:
    """Say whether a file has to be unpacked to be read; there is no jumping to a place in one."""
    return path.suffix.lower() in PACKED


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading what is in it; damage shows while it is read, as one of `DAMAGED` or `OSError`."""
    match path.suffix.lower():
        case ".gz":
            return cast("BinaryIO", gzip.open(path))
        case ".bz2":
            return cast("BinaryIO", bz2.open(path))
        case ".xz":
            return cast("BinaryIO", lzma.open(path))
        case ".zst":
            return cast("BinaryIO", io.BufferedReader(pa.input_stream(str(path), compression="zstd"), 1 << 20))
        case _:
            return path.open("rb")


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file as text; bytes of another encoding come out as surrogates, so that only their rows suffer."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors="surrogateescape", newline="")
