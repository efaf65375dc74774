"""The spool read while it is written: whole lines as they come, from a place that a reader remembers.

A reader that must not miss what is durable and may see a little more: what was written and is not yet fsynced. Whoever
sent that hears "no" if the disk fails, and sends it again under the same id.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from infra.log.segments import OPEN, SEALED, Damage, moment_of, read_lines

# Of one segment at a time; an entry is far smaller.
_AT_ONCE: Final = 4 << 20


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where the next unread byte of a source's log is: the name of its segment, without the ending, and which byte."""

    segment: str
    at: int


@dataclass(frozen=True, slots=True)
class Read:
    """Entries in the order of the log, each with the byte behind it, and the place after them."""

    entries: tuple[tuple[int, bytes | Damage], ...]
    place: Place

    def before(self, until: Place) -> "Read":
        """Return what of it stands before a place of the same segment."""
        return Read(tuple(one for one in self.entries if one[0] <= until.at), until)


def read_on(folders: Iterable[Path], place: Place | None, at_once: int = _AT_ONCE) -> Iterator[Read]:
    """Yield what stands in a source's folders after a place, up to what is written now; without one, all of it.

    `folders` are those of the segments that wait and of those that are kept. What is newer than a segment that is
    still open waits with it, as for every reader.
    """
    for name, path in _segments(folders):
        if place is not None and name < place.segment:
            continue
        at = place.at if place is not None and name == place.segment else 0
        try:
            stream = path.open("rb")
        except FileNotFoundError:  # sealed or put aside in this moment: the next look finds it, and goes on from there
            return
        with stream:
            for read in _pieces(stream, name, at, at_once, sealed=path.suffix == SEALED):
                yield read
                place = read.place
        if path.suffix == OPEN:
            return
        place = max(place or Place(name, 0), Place(name, at))


def _segments(folders: Iterable[Path]) -> list[tuple[str, Path]]:
    found = {
        path.stem: path
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.suffix in (OPEN, SEALED) and moment_of(path.name) is not None
    }
    return sorted(found.items())


def _pieces(stream: BinaryIO, name: str, at: int, at_once: int, *, sealed: bool) -> Iterator[Read]:
    if at >= os.fstat(stream.fileno()).st_size:
        return
    stream.seek(at)
    while lines := _whole(stream.readlines(at_once), sealed=sealed):
        entries = []
        for line in lines:
            at += len(line)
            entries += [(at, found) for found in read_lines([line])]
        yield Read(tuple(entries), Place(name, at))


def _whole(lines: list[bytes], *, sealed: bool) -> list[bytes]:
    """Return the lines that are written to their end; of a sealed segment all, for nothing comes after."""
    return lines if sealed or not lines or lines[-1].endswith(b"\n") else lines[:-1]


def behind(names: Iterable[str]) -> Place | None:
    """Return the place behind the newest of a source's segments, given by their names; None where there is none."""
    newest = max((Path(name).stem for name in names if moment_of(Path(name).name) is not None), default=None)
    return None if newest is None else Place(newest, _END)


# Farther than any segment reaches, and what every store can keep.
_END: Final = 2**53
