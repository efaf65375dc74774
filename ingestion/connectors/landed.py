"""What connectors landed: NDJSON files of a source that never change, kept in order until the lake has their rows."""

import base64
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from infra.ids import content_digest
from infra.log.files import SYSTEM, Files
from infra.log.segments import SEALED
from ingestion.connectors.aside import KEPT, waiting_files
from ingestion.connectors.port import Cursor
from ingestion.cursors import Cursors
from ingestion.model import SourceFile
from ingestion.survey import lines_of

_CHUNK: Final = 1 << 20
_WHOLE: Final = 1e15


def landed(root: Path, folder: Path, taken: Collection[str]) -> tuple[SourceFile, ...]:
    """Return the landed files of a source that are not taken in, the oldest first.

    They never change, so a name and a size stand for the content.
    """
    return tuple(surveyed(path, name) for name, path in waiting_files(root, folder).items() if name not in taken)


def surveyed(path: Path, name: str) -> SourceFile:
    """Return a landed file with its lines counted."""
    size = path.stat().st_size
    return replace(lines_of(path, name), path=name, size=size, sha256=f"landed with {size} bytes")


class Landed:
    """The landing of one source: its files in a folder, its cursor in the books.

    A file's name is made of the moment when its load was intended and a digest of its range: the same for the same
    load, and never that of another.
    """

    def __init__(
        self,
        landing: Path,
        source: str,
        cursors: Cursors,
        *,
        at: datetime,
        say: Callable[[str], None],
        again: str | None = None,
        files: Files = SYSTEM,
    ) -> None:
        self._landing, self._folder, self._files = landing, landing / source, files
        self.source, self._cursors, self._at, self._say = source, cursors, at, say
        self._again, self._last = again, 0

    @property
    def cursor(self) -> Cursor:
        """What was last committed; nothing, where the declaration asks to begin again."""
        return self._valid(self._cursors.read(self.source).cursor)

    def _valid(self, kept: Any) -> Cursor:
        """Return a cursor that was kept with the word that it was begun under."""
        return kept["at"] if kept is not None and kept["again"] == self._again else None

    def intend(self, until: Callable[[], Cursor]) -> Cursor:
        """Return what a killed load had intended, or intend anew."""
        known = self._cursors.read(self.source)
        if (intended := self._valid(known.intent)) is not None:
            return intended
        fresh = until()
        if fresh is not None:
            moment = max(round(self._at.timestamp() * 1000), known.moment + 1)
            self._cursors.intend(self.source, {"again": self._again, "at": fresh}, moment)
        return fresh

    def write(self, rows: Iterable[Mapping[str, Any] | bytes], part: int = 0) -> int:
        """Write a file under another name, sync it, rename it and sync the folder; no rows make no file."""
        known = self._cursors.read(self.source)
        digest = content_digest([self.source, known.cursor, known.intent])[:8]
        name = f"{known.moment + part:013d}-{digest}{SEALED}"
        self._last = max(self._last, known.moment + part)
        if (self._folder / name).exists() or (self._landing / KEPT / self.source / name).exists():
            return 0
        self._files.make(self._folder)
        begun = self._folder / f"{name}.part"  # what a killed load had begun is begun anew
        self._files.remove(begun)
        count = self._filled(begun, rows)
        if count:
            self._files.rename(begun, self._folder / name)
            self._files.fsync_folder(self._folder)
        else:
            self._files.remove(begun)
        return count

    def _filled(self, path: Path, rows: Iterable[Mapping[str, Any] | bytes]) -> int:
        count, held = 0, bytearray()
        handle = self._files.create(path)
        try:
            for count, row in enumerate(rows, 1):  # noqa: B007 - the last number is how many there were
                held += _line(row)
                if len(held) >= _CHUNK:
                    self._files.write(handle, bytes(held))
                    held.clear()
            self._files.write(handle, bytes(held))
            self._files.fsync(handle)
        finally:
            self._files.close(handle)
        return count

    def commit(self) -> None:
        """Move the cursor; the next load's files come after those of this one."""
        self._cursors.commit(self.source, self._last)

    def columns(self, names: Iterable[str]) -> None:
        """Tell and keep the columns that are new."""
        now, before = sorted(set(names)), self._cursors.columns(self.source)
        new = [name for name in now if before is not None and name not in before]
        if new:
            self.say(f"new columns: {', '.join(new)}; map them in its YAML if they are wanted")
        if before is None or new:
            self._cursors.remember(self.source, sorted({*now, *(before or ())}))

    def say(self, what: str) -> None:
        """Tell it under the source's name."""
        self._say(f"{self.source}: {what}")


def _line(row: Mapping[str, Any] | bytes) -> bytes:
    """Return a row as one line. What JSON keeps in strings has no bare newline, so those between them are blanks."""
    if isinstance(row, bytes):
        return row.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
    return (
        json.dumps(_plain(row), ensure_ascii=False, separators=(",", ":"), default=_spelled).encode(
            "utf-8", "surrogatepass"
        )
        + b"\n"
    )


def _plain(value: Any) -> Any:
    """Return a tree whose numbers are spelled as a text source would: whole ones without `.0`, none that JSON lacks."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        if value.is_integer() and abs(value) < _WHOLE:
            return int(value)
        return value if value - value == 0 else str(value)
    return value


def _spelled(value: Any) -> Any:
    """Return what JSON has no word for as the text that ingestion reads."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    raise TypeError(f"a row holds {type(value).__name__}, which has no spelling; make it text")
