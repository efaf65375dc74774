"""What became of a row or event, with the profile that it went into: over HTTP and on the command line."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from identity.explanation import testimony
from infra.errors import Missing
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.verdict import Verdict, verdicts

SCOPE = "admin"


class NothingCame(Missing):
    """A key under which no row and no event ever came."""

    def __init__(self) -> None:
        super().__init__(
            "nothing came under this key; name an event by its message id, a row by source:key, and a file's rows "
            "after they were ingested"
        )


@dataclass(frozen=True, slots=True)
class Registry:
    """`Verdicts` over the lake and the log of a workspace."""

    workspace: Workspace
    database: Engine

    def of(self, key: str) -> list[dict[str, Any]]:
        """Return every verdict on a message id or on `source:key`, the oldest first; raise `NothingCame` for none."""
        source, colon, own = key.partition(":")
        found: tuple[Verdict, ...] = ()
        if colon and source in {one.source for one in load_sources(self.workspace)}:
            found = verdicts(self.workspace, self.database, own, source)
        if not found:
            # A message id may have a colon, too, and begin as a source is called.
            found = verdicts(self.workspace, self.database, key)
        if not found:
            raise NothingCame
        return [_told(self.workspace.lake_path, one) for one in found]


def _told(lake: Path, one: Verdict) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(one).items() if name not in {"batch", "record_key"}}
    return {**facts, "run": one.batch, "profile_id": _profile(lake, one.record_key)}


def _profile(lake: Path, record_key: str | None) -> str | None:
    """Return whose a record is, or None before it was resolved."""
    try:
        return testimony.profile_of(lake, record_key) if record_key else None
    except Missing:
        return None
