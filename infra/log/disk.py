"""The spool's disk half: lines made durable in rounds, segments sealed, failures survived. One thread calls it.

What a failed round wrote is taken back: each segment that it touched is cut to what was durable before, sealed, and
never written again, for after a failed fsync the system may say "durable" of what it has thrown away. Where the disk
lets nobody cut, whole lines of a failed round may stay: their senders, who heard "no", send them again.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.clock import Clock
from infra.log.files import Files
from infra.log.folder import PROBE, acquire, recover_held, settle, source_folder, sources
from infra.log.pressure import Measured
from infra.log.segments import OPEN, SEALED, moment_of, segment_name
from infra.settings import SpoolSettings

_RETRY = 0.2  # seconds between attempts to get a failing disk to work
_MEASURE = 1.0  # seconds between looks at what the lake has taken, at least
_SHARE = 50  # looking takes at most this part of the time
_PROBE = bytes(1 << 16)


@dataclass(slots=True)
class _Segment:
    """A segment that is written: how long it is, and how much of it is durable."""

    path: Path
    handle: int
    since: float
    written: int = 0
    durable: int = 0


class Disk:
    """The folder of the spool, held for writing. What a dead writer left is sealed first (`leftovers`)."""

    def __init__(
        self,
        spool: Path,
        settings: SpoolSettings,
        *,
        clock: Clock,
        suffix: Callable[[], str],
        ticks: Callable[[], float],
        files: Files,
    ) -> None:
        self._spool, self._settings, self._files = spool, settings, files
        self._clock, self._suffix, self._ticks = clock, suffix, ticks
        self._lock = acquire(spool, clock(), files=files)
        self._open: dict[str, _Segment] = {}
        self._unsealed: dict[Path, int | None] = {}  # given up, and how much of each is durable (None: not known)
        self._suspect: set[str] = set()  # sources whose folder must prove that it can be written
        self._named: set[str] = set()  # sources whose folder has a durable name
        self._sealed: dict[str, dict[str, int]] = {}
        self._sealed_bytes = 0
        self._newest: dict[str, int] = {}
        self._trouble, self._free, self._fsync_seconds = "", 0, 0.0
        self._next_try = self._next_look = 0.0
        try:
            files.fsync_folder(spool.parent)
            self.leftovers = recover_held(spool, files)
            for path in self.leftovers.stuck:
                self._unsealed[path] = None
                self._suspect.add(path.parent.name)
            self._look()
        except OSError:
            files.close(self._lock)
            raise

    def measured(self) -> Measured:
        """Return what is known of the disk now, without asking it."""
        opened = sum(segment.written for segment in self._open.values())
        waiting = self._sealed_bytes + opened + sum(durable or 0 for durable in self._unsealed.values())
        return Measured(self._trouble, waiting, self._free, self._fsync_seconds)

    def commit(self, lines: Mapping[str, Sequence[bytes]]) -> bool:
        """Return whether all lines of the round are durable; if not, none of it counts and the trouble is noted.

        One write and one fsync for each source. A segment's name is durable before anything in it is.
        """
        try:
            touched = [self._written(source, b"".join(parts)) for source, parts in lines.items()]
            began = self._ticks()
            for segment in touched:
                self._files.fsync(segment.handle)
            self._fsync_seconds = self._ticks() - began
        except OSError as error:
            self._give_up(lines, error)
            return False
        for segment in touched:
            segment.durable = segment.written
        if self._fsync_seconds > self._settings.slow:
            self._suspect |= set(lines)
        return True

    def tend(self, *, closing: bool = False) -> None:
        """Do what is due: try a failing disk, look what the lake has taken, seal what is full or old (or all)."""
        now = self._ticks()
        if self._ails():
            if closing or now >= self._next_try:
                self._mend()
        elif now >= self._next_look:
            try:
                self._look()
            except OSError as error:
                self._note(error)
        for source, segment in list(self._open.items()):
            if closing or (segment.written and self._due(segment) <= now):
                self._seal(source)

    def rest(self) -> float:
        """Return for how many seconds nothing will be due."""
        due = [self._due(segment) for segment in self._open.values() if segment.written]
        due.append(self._next_try if self._ails() else self._next_look)
        return max(0.0, min(due) - self._ticks())

    def close(self) -> None:
        """Seal what can be sealed and let the spool go."""
        self.tend(closing=True)
        self._files.close(self._lock)

    def _ails(self) -> bool:
        return bool(self._suspect or self._unsealed or self._trouble)

    def _due(self, segment: _Segment) -> float:
        return 0.0 if segment.written >= self._settings.segment else segment.since + self._settings.seal_after

    def _written(self, source: str, data: bytes) -> _Segment:
        segment = self._open.get(source)
        if segment and segment.written and segment.written + len(data) > self._settings.segment:
            self._seal(source)
        segment = self._segment(source)
        if not segment.written:
            segment.since = self._ticks()
        self._files.write(segment.handle, data)
        segment.written += len(data)
        return segment

    def _segment(self, source: str) -> _Segment:
        """Return the open segment of a source; its name is durable."""
        if source in self._open:
            return self._open[source]
        folder = source_folder(self._spool, source)
        if source not in self._named:
            self._files.make(folder)
            self._files.fsync_folder(self._spool)
            self._named.add(source)
        name = segment_name(round(self._clock().timestamp() * 1000), self._suffix(), self._newest.get(source, 0))
        path = folder / (name + OPEN)
        segment = _Segment(path, self._files.create(path), self._ticks())
        self._newest[source] = moment_of(path.name) or 0
        try:
            self._files.fsync_folder(folder)
        except OSError:
            self._abandon(segment)  # nothing may be durable under a name that is not
            raise
        self._open[source] = segment
        return segment

    def _seal(self, source: str) -> None:
        segment = self._open.pop(source)
        try:
            self._files.close(segment.handle)
            if segment.durable:
                sealed = segment.path.with_suffix(SEALED)
                self._files.rename(segment.path, sealed)
                self._files.fsync_folder(sealed.parent)
                self._sealed.setdefault(source, {})[sealed.name] = segment.durable
                self._sealed_bytes += segment.durable
            else:
                self._files.remove(segment.path)
        except OSError as error:
            self._unsealed[segment.path] = segment.durable
            self._suspect.add(source)
            self._note(error)

    def _give_up(self, lines: Mapping[str, Sequence[bytes]], error: OSError) -> None:
        for source in lines:
            self._suspect.add(source)
            if segment := self._open.pop(source, None):
                self._abandon(segment)
        self._note(error)

    def _abandon(self, segment: _Segment) -> None:
        with suppress(OSError):
            self._files.close(segment.handle)
        self._unsealed[segment.path] = segment.durable

    def _note(self, error: OSError) -> None:
        self._trouble = os.strerror(error.errno) if error.errno else "the system gave no reason"
        self._next_try = self._ticks() + _RETRY

    def _mend(self) -> None:
        """Seal what was given up, and take the log for whole again when every suspect folder takes a durable write."""
        for path, durable in list(self._unsealed.items()):
            with suppress(OSError):
                settle(path, durable, self._files)
                del self._unsealed[path]
        self._next_try, slowest = self._ticks() + _RETRY, 0.0
        try:
            for source in sorted(self._suspect):
                slowest = max(slowest, self._probe(source))
            self._look()
        except OSError as error:
            self._note(error)
            return
        self._trouble, self._fsync_seconds = "", slowest
        if slowest <= self._settings.slow:
            self._suspect.clear()

    def _probe(self, source: str) -> float:
        """Return how long a few bytes took to become durable beside a source's segments; its next one is open then."""
        folder = source_folder(self._spool, source)
        probe = folder / PROBE
        self._files.make(folder)
        self._files.remove(probe)
        handle = self._files.create(probe)
        try:
            began = self._ticks()
            self._files.write(handle, _PROBE)
            self._files.fsync(handle)
            took = self._ticks() - began
        finally:
            self._files.close(handle)
            self._files.remove(probe)
        self._segment(source)
        return took

    def _look(self) -> None:
        """Look what is sealed and what is free; only names are listed, for there may be very many."""
        began = self._ticks()
        for source in sources(self._spool, self._files):
            folder, known = self._spool / source, self._sealed.get(source, {})
            names = self._files.names(folder)
            if source not in self._newest:
                self._newest[source] = max((moment_of(name) or 0 for name in names), default=0)
            self._sealed[source] = {
                name: known[name] if name in known else self._size(folder / name)
                for name in names
                if name in known or (name.endswith(SEALED) and moment_of(name) is not None)
            }
        self._sealed_bytes = sum(sum(sizes.values()) for sizes in self._sealed.values())
        self._free = self._files.free(self._spool)
        now = self._ticks()
        self._next_look = now + max(_MEASURE, _SHARE * (now - began))

    def _size(self, path: Path) -> int:
        try:
            return self._files.size(path)
        except FileNotFoundError:  # forgotten by the lake's writer in this moment
            return 0
