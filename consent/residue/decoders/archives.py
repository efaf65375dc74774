"""Archives: zip, which also carries the state of streams and arrays of models, and tar. Each member is decoded."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from consent.residue.source import CHUNK, Content, Decoder, Member, Source, Unread, Unreadable, halves

_ENCRYPTED: Final = 0x1
_USTAR: Final = 257


class Reading(io.RawIOBase):
    """A source as a file that can be read anywhere."""

    def __init__(self, source: Source) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from here."""
        part = self._source.read(self._at, len(buffer))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def _chunks(opened: IO[bytes]) -> Iterator[bytes]:
    with opened:
        while chunk := opened.read(CHUNK):
            yield chunk


def _zipped(source: Source) -> Iterator[Content]:
    try:
        with zipfile.ZipFile(Reading(source)) as archive:
            for entry in archive.infolist():
                if entry.flag_bits & _ENCRYPTED:
                    yield Unread("an encrypted member of the archive")
                elif not entry.is_dir():
                    yield Member(entry.filename, _unzipped(archive, entry))
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError):
        raise Unreadable("not the whole zip archive that it began as") from None


def _unzipped(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        yield from _chunks(archive.open(entry))
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, RuntimeError, zlib.error):
        raise Unreadable("a member of the archive that cannot be opened") from None


def _untarred(source: Source) -> Iterator[Content]:
    try:
        with tarfile.open(fileobj=Reading(source), mode="r:") as archive:
            for entry in archive:
                opened = archive.extractfile(entry) if entry.isfile() else None
                if opened is not None:
                    yield Member(entry.name, _chunks(opened))
    except (tarfile.TarError, OSError, EOFError):
        raise Unreadable("not the whole tar archive that it began as") from None


def _zip_canary(value: str) -> Mapping[str, bytes]:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", f"{halves(value)} {value}\n" * 3)
    return {"canary.zip": sink.getvalue()}


def _tar_canary(value: str) -> Mapping[str, bytes]:
    sink = io.BytesIO()
    inner = _zip_canary(value)["canary.zip"]
    with tarfile.open(fileobj=sink, mode="w") as archive:
        entry = tarfile.TarInfo("canary.zip")
        entry.size = len(inner)
        archive.addfile(entry, io.BytesIO(inner))
    return {"canary.tar": sink.getvalue()}


ZIP: Final = Decoder("zip", lambda source: source.head.startswith((b"PK\x03\x04", b"PK\x05\x06")), _zipped, _zip_canary)
TAR: Final = Decoder("tar", lambda source: source.read(_USTAR, 5) == b"ustar", _untarred, _tar_canary)
