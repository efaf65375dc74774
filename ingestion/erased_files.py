"""The files that facts came in, for an erasure: what is kept for a replay goes, what waits must be taken in."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, delete, select

from consent.residue.model import Place
from infra.database import writing
from infra.errors import Held
from infra.kafka.trim import trim
from infra.log.folder import sealed
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.connectors.aside import KEPT
from ingestion.connectors.declared import Files as FilesOfOthers
from ingestion.connectors.objects import PART, copies_of, place
from ingestion.connectors.topics import CHECKPOINTS
from ingestion.quarantine.store import FIX, REVEALED
from ingestion.spelled import Spelled
from ingestion.store import taken_paths

_OURS: Final = (("log", "spool"), ("landing", "landing"))


class Files:
    """The event log's segments and the landing of a workspace, and what the database keeps of rejected rows."""

    def __init__(self, workspace: Workspace, database: Engine) -> None:
        self._workspace, self._database = workspace, database

    def places(self) -> tuple[Place, ...]:
        """Return where segments and landed files lie."""
        state = self._workspace.state_path
        return tuple(Place(store=name, kind="spool", root=state / folder) for name, folder in _OURS)

    def stays(self) -> dict[str, str]:
        """Return what is not ours to erase: the sources' own files."""
        sources = (source for source in load_sources(self._workspace) if isinstance(source.connector, FilesOfOthers))
        return {
            f"source {s.source}": "the source's own files, which Kindred only reads; suppression keeps the person out"
            for s in sources
        }

    def holding(self, spelled: Spelled) -> list[Path]:
        """Return the files, waiting or kept, that name the person, and all copies of objects: they may."""
        return [*self._naming(spelled), *(path for _, path, _ in self._copies())]

    def _naming(self, spelled: Spelled) -> list[Path]:
        return [path for path in self._all() if _names(path, spelled)]

    def _copies(self) -> list[tuple[str, Path, bool]]:
        """Return the copies of objects with their sources, and whether the lake has their rows.

        They may be packed or Parquet, where a value is not to be seen. As a copy is brought again if it is needed,
        each counts as one that names the person.
        """
        found = []
        for source in load_sources(self._workspace):
            if isinstance(source.connector, FilesOfOthers) and source.connector.remote:
                taken = taken_paths(self._database, source.source)
                copies = copies_of(self._workspace, source.source)
                found += [(source.source, path, name in taken) for name, path in copies.items()]
                begun = place(self._workspace, source.source).rglob(f"*{PART}")  # by a run that was killed
                found += [(source.source, path, True) for path in begun]
        return found

    def delete(self, spelled: Spelled) -> int:
        """Delete the kept files that name the person, and fixes that do; the lake has all other rows of theirs.

        Raise `Held` where one waits that the lake does not have yet: other people's rows would be lost with it.
        """
        found, copies = self._naming(spelled), self._copies()
        waiting = sorted(
            {path.parent.name for path in found if KEPT not in path.parts}
            | {source for source, _, taken in copies if not taken}
        )
        if waiting:
            raise Held(
                f"what came from {', '.join(waiting)} waits to be taken in and names the person; say "
                f"`kindred ingest {' '.join(waiting)}`, then run the erasure again"
            )
        os.sync()  # what Spark has committed may be in the system's memory only
        gone = [*found, *(path for _, path, _ in copies)]
        for path in gone:
            path.unlink(missing_ok=True)
        self._trim()
        self._fixes(spelled)
        return len(gone)

    def _trim(self) -> None:
        """Let the brokers delete what was landed of each topic: of one person's entries alone they cannot."""
        log = self._workspace.settings.log
        for source in load_sources(self._workspace) if isinstance(log, KafkaSettings) else ():
            epochs = sorted((self._workspace.state_path / CHECKPOINTS / source.source).glob("*"))
            if epochs and isinstance(log, KafkaSettings):
                trim(log, source.source, epochs[-1])

    def _all(self) -> Iterator[Path]:
        for root in (self._workspace.log_path, self._workspace.landing_path):
            for folder in sorted(path for path in root.glob("*") if path.is_dir() and path.name != KEPT):
                yield from (folder / name for name in sealed(folder))
            yield from sorted(path for path in root.glob(f"{KEPT}/*/*") if path.is_file())

    def _fixes(self, spelled: Spelled) -> None:
        """Forget fixes and what was revealed of rows whose words name the person."""
        for table in (FIX, REVEALED):
            with writing(self._database) as connection:
                rows = connection.execute(select(table)).mappings().all()
                gone = [row["id"] for row in rows if any(spelled.named(str(value)) for value in row.values())]
                for one in gone:
                    connection.execute(delete(table).where(table.c.id == one))


def _names(path: Path, spelled: Spelled) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return any(spelled.named(line) for line in lines)
    except FileNotFoundError:  # sealed, or put aside, in between
        return False
