"""The scan: every file of every store is decoded and searched, and each decoder is tried on a canary first.

A few megabytes are held at a time, whatever a store's size: files are read piece by piece, and what is compressed is
opened as a stream. Two files at a time are read, for decompression and search let others compute meanwhile.
"""

import filecmp
import os
import struct
import tempfile
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from consent.residue.kinds import DECODERS, EXPECTED
from consent.residue.model import PATH, Hit, Place, PlaceReport, ScanReport
from consent.residue.needles import CANARY, CANARY_KIND, Needles
from consent.residue.source import HEAD, Decoder, Member, Piece, Source, Unread, Unreadable, overlapping
from consent.residue.views import views
from infra.errors import Broken

# A sign of a value may take up to twelve bytes once it is escaped twice.
_ESCAPES: Final = 12
_AT_ONCE: Final = 2
# A database of SQLite is its file and these.
_BESIDE: Final = ("-wal", "-shm", "-journal")
_DEEPEST: Final = 8
# What comes of decoding bytes that were spoilt, whichever rule of their format they break.
_SPOILT: Final = (ArithmeticError, LookupError, TypeError, ValueError, struct.error, RuntimeError)
_LARGEST_INNER: Final = 64 * 2**20
_MOST: Final = 256 * 2**20
_MOST_TIMES: Final = 200


@dataclass(slots=True)
class Found:
    """What the search of one file came to."""

    hits: set[tuple[str, str]] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    decoders: set[str] = field(default_factory=set)
    bytes: int = 0
    canary: bool = False


def scan(
    places: Iterable[Place],
    needles: Needles,
    *,
    decoders: Sequence[Decoder] = DECODERS,
    at_once: int = _AT_ONCE,
    stopwatch: Callable[[], float] = time.monotonic,
) -> ScanReport:
    """Return where, in which stores, anything stands that is looked for, and what could not be read.

    Raise `Broken` where a decoder does not see its canary: the report would say clean of what nobody has seen.
    """
    begun = stopwatch()
    search = Search(needles, decoders)
    with ThreadPoolExecutor(at_once, thread_name_prefix="scan") as threads:
        reports = tuple(_scanned(place, search, threads, at_once) for place in places)
    return ScanReport(
        places=reports, needles=len(needles.patterns), too_short=needles.too_short, seconds=stopwatch() - begun
    )


def _scanned(place: Place, search: "Search", threads: ThreadPoolExecutor, at_once: int) -> PlaceReport:
    hits: list[Hit] = []
    unscanned: list[str] = []
    seen = set(EXPECTED[place.kind])
    search.try_on_canaries(seen)
    files = count = 0
    closed = ["its folder is not there; mount it and run again"] if place.delivered and not place.root.exists() else []
    programs = 0
    waiting = _files(place.root, closed)

    def read(path: Path) -> Found | None:
        return None if place.programs and _is_copy(path, place.programs) else search.file(path)

    while part := list(islice(waiting, 64 * at_once)):
        for path, found in zip(part, threads.map(read, part), strict=True):
            if found is None:
                programs += 1
                continue
            name = path.name if path.parent == place.root.parent else path.relative_to(place.root).as_posix()
            shown = PATH if (kinds := search.named(name)) else name
            hits += (Hit(store=place.store, file=PATH, where="path", spelling=kind) for kind in kinds)
            hits += (Hit(store=place.store, file=shown, where=w, spelling=kind) for w, kind in sorted(found.hits))
            unscanned += (f"{shown}: {why}" for why in found.unread)
            seen |= found.decoders
            files, count = files + 1, count + found.bytes
    search.try_on_canaries(seen)
    left = tuple(sorted({hit for hit in hits if hit.spelling not in place.allowed}, key=repr))
    return PlaceReport(
        store=place.store,
        kind=place.kind,
        files=files,
        bytes=count,
        decoders=tuple(decoder.name for decoder in search.decoders if decoder.name in seen),
        hits=left,
        unscanned=tuple(sorted([*unscanned, *closed])),
        canary_found=True,  # else `Broken` was raised
        programs=programs,
    )


def _is_copy(path: Path, programs: Path) -> bool:
    original = programs / path.name
    try:
        return original.is_file() and not path.is_symlink() and filecmp.cmp(path, original, shallow=False)
    except OSError:  # the search says what is wrong with it
        return False


def _files(root: Path, closed: list[str]) -> Iterator[Path]:
    """Yield the files of a store in order, links among them; pipes hold nothing. What is `closed` is noted."""
    if root.is_file():
        beside = (root.with_name(root.name + ending) for ending in _BESIDE)
        yield from (root, *(path for path in beside if path.is_file()))
        return

    def cannot(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            closed.append(f"a folder cannot be listed ({(error.strerror or 'input or output error').lower()})")

    for folder, folders, names in os.walk(root, onerror=cannot):
        folders.sort()
        linked = [name for name in folders if Path(folder, name).is_symlink()]
        paths = (Path(folder, name) for name in sorted([*names, *linked]))
        yield from (path for path in paths if path.is_symlink() or path.is_file())


class Search:
    """The search of files: which needles, by which decoders. Several threads may use it.

    Nothing that it finds counts before `try_on_canaries` has returned for the decoders that found it.
    """

    def __init__(self, needles: Needles, decoders: Sequence[Decoder]) -> None:
        self.decoders = decoders
        self.too_short = needles.too_short
        self._needles = needles.with_canary()
        self._overlap = max(needles.longest * _ESCAPES, 1024)
        self._tried: set[str] = set()

    def try_on_canaries(self, names: Iterable[str]) -> None:
        """Return where each of these decoders finds its canaries; raise `Broken` for one that is blind."""
        for name in sorted(set(names) - self._tried):
            if not self._sees(name):
                raise Broken(f"the decoder {name} does not see its canary; what a scan with it says is void")
            self._tried.add(name)

    def named(self, name: str) -> tuple[str, ...]:
        """Return the kinds of needle that stand in a file's name."""
        return tuple(
            dict.fromkeys(kind for text in (unquote(name), name) for kind in self._needles.found(text.encode()))
        )

    def file(self, path: Path) -> Found:
        """Return what stands in one file."""
        found = Found()
        if path.is_symlink():
            found.unread.append("a link; what it leads to is searched where it lies, or not at all")
            return found
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # removed since it was listed
            return found
        except OSError as error:
            found.unread.append(f"cannot be opened ({(error.strerror or 'input or output error').lower()})")
            return found
        try:
            source = Source.file(path, descriptor, self._overlap)
            found.bytes = source.size
            self._source(source, found, "", 0, [_MOST + _MOST_TIMES * source.size])
        except OSError as error:
            found.unread.append(f"cannot be read ({(error.strerror or 'input or output error').lower()})")
        finally:
            os.close(descriptor)
        return found

    def _sees(self, name: str) -> bool:
        """Say whether a decoder finds the canaries that are hidden for it."""
        decoder = next((one for one in self.decoders if one.name == name), None)
        if decoder is None:
            return False
        with tempfile.TemporaryDirectory(prefix="canary-") as folder:
            canaries = _canaries(decoder)
            for file, raw in canaries.items():
                path = Path(folder, file)
                path.write_bytes(raw)
                found = self.file(path)
                if not found.canary or name not in found.decoders:
                    return False
                path.unlink()
        return bool(canaries)

    def _source(self, source: Source, found: Found, inside: str, depth: int, left: list[int]) -> None:
        decoder = self._decoder(source)
        if decoder is None or not decoder.plain:
            for piece in source.pieces(f"{inside}bytes"):
                self._piece(piece, found, opened=decoder is None)
        if decoder is None:
            found.unread.append(f"{inside}no decoder for this kind of file")
            return
        found.decoders.add(decoder.name)
        try:
            for content in decoder.contents(source):
                if isinstance(content, Piece):
                    self._piece(Piece(inside + content.where, content.data), found)
                elif isinstance(content, Unread):
                    found.unread.append(inside + content.why)
                elif depth >= _DEEPEST:
                    found.unread.append(f"{inside}packed deeper than {_DEEPEST} times")
                else:
                    named = self.named(content.name)
                    found.hits.update((f"{inside}a member's name", kind) for kind in named)
                    shown = f"{inside}{PATH if named else content.name}: "
                    self._member(content, found, shown, depth + 1, left)
        except Unreadable as problem:
            found.unread.append(f"{inside}{problem}")
        except _SPOILT:
            found.unread.append(f"{inside}{decoder.name}: not the bytes that this kind of file has")

    def _member(self, member: Member, found: Found, inside: str, depth: int, left: list[int]) -> None:
        """Search a file within a file: as it streams by where it is plain, else held as a whole."""
        chunks = _bounded(member.chunks, left)
        head: list[bytes] = []
        for chunk in chunks:
            head.append(chunk)
            if sum(map(len, head)) >= HEAD:
                break
        first = Source.of(member.name, b"".join(head), self._overlap)
        decoder = self._decoder(first)
        if decoder is not None and decoder.plain:
            found.decoders.add(decoder.name)
        if (decoder is None and member.plain) or (decoder is not None and decoder.plain):
            for data in overlapping(_chained(head, chunks), self._overlap):
                self._piece(Piece(f"{inside}{decoder.name if decoder else 'bytes'}", data), found)
            return
        whole, size = head, first.size
        for chunk in chunks:
            size += len(chunk)
            if size > _LARGEST_INNER:
                found.unread.append(f"{inside}too large to be opened within another file")
                for data in overlapping(_chained([*whole, chunk], chunks), self._overlap):
                    self._piece(Piece(f"{inside}bytes", data), found)
                return
            whole.append(chunk)
        self._source(Source.of(member.name, b"".join(whole), self._overlap), found, inside, depth, left)

    def _piece(self, piece: Piece, found: Found, *, opened: bool = True) -> None:
        """Search some bytes, and where they were decoded also what they say once their escapes are opened."""
        seen = set(self._kinds_of(piece.where, piece.data, found))
        for view, data in views(piece.data) if opened else ():
            # What stands there as it is need not be told once more of each reading.
            seen.update(self._kinds_of(f"{piece.where}, {view}", data, found, seen))

    def _kinds_of(
        self, where: str, data: bytes | memoryview, found: Found, known: Container[str] = ()
    ) -> tuple[str, ...]:
        kinds = self._needles.kinds(data)
        found.canary = found.canary or CANARY_KIND in kinds
        found.hits.update((where, kind) for kind in kinds if kind != CANARY_KIND and kind not in known)
        return kinds

    def _decoder(self, source: Source) -> Decoder | None:
        return next((decoder for decoder in self.decoders if decoder.recognises(source)), None)


@cache
def _canaries(decoder: Decoder) -> Mapping[str, bytes]:
    return decoder.canaries(CANARY)


def _chained(head: Sequence[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from head
    yield from rest


def _bounded(chunks: Iterator[bytes], left: list[int]) -> Iterator[bytes]:
    """Yield the chunks until a file has expanded beyond all measure."""
    for chunk in chunks:
        left[0] -= len(chunk)
        if left[0] < 0:
            raise Unreadable("expands beyond all measure; the rest was not read")
        yield chunk
