"""What became of one row or event, asked for by its own key: in the lake, or still in the log on its way there.

Everything is told by the tables that keep it: an accepted row by its facts, a rejected one by the quarantine, one that
was not stored or came again by `verdicts`, under a token. So a verdict lasts as long as what it speaks of.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc
from sqlalchemy import Engine

from consent.tables import CONSENT_INBOX
from infra import shelf
from infra.identifiers import record_token
from infra.tables import Table
from infra.workspace import Workspace
from ingestion.check import trimmed
from ingestion.config import Source, load_sources
from ingestion.connectors.collected import waiting
from ingestion.connectors.declared import Collector
from ingestion.errors import UnknownSource
from ingestion.periods import BECAUSE, EXPIRED
from ingestion.quarantine.payload import parsed, text_at
from ingestion.store import taken_paths
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS, REPEATED, VERDICTS

# Where the facts of each kind of source lie, and the column that holds a row's own key.
_FACTS: Final[Mapping[str, tuple[Table, str]]] = {
    "person": (RECORDS, "key"),
    "event": (EVENTS, "message_id"),
    "catalogue": (CATALOGUE, "key"),
    "consent": (CONSENT_INBOX, "event_id"),
}
_LAKE, _LOG = "lake", "log"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict on a key: what was decided, when the row came, by which run, where it is now.

    `table` is where an accepted or rejected row lies; `because` is the quarantine's sentence; `batch` is None for what
    no run has taken in yet. `first` is the key of the event that a duplicate repeats under a key of its own.
    """

    source: str
    verdict: str
    where: str
    received_at: datetime | None
    batch: int | None
    table: str | None = None
    because: str | None = None
    record_key: str | None = None
    first: str | None = None


def verdicts(workspace: Workspace, database: Engine, key: str, source: str | None = None) -> tuple[Verdict, ...]:
    """Return all verdicts on a key, of one source or of all, the oldest first; empty for a key that never came."""
    declared = {one.source: one for one in load_sources(workspace)}
    if source is not None and source not in declared:
        raise UnknownSource(source, tuple(declared))
    key = trimmed(key) or ""  # as the lake has it
    found: list[Verdict] = []
    for one in declared.values() if source is None else (declared[source],):
        token = record_token(workspace.token_key(), one.source, key)
        found += _facts(workspace.lake_path, one, key)
        found += _rejected(workspace.lake_path, one, (key, token))
        found += _untold(workspace.lake_path, one, token)
        if isinstance(one.connector, Collector):
            folder = workspace.log_path / one.source
            found += _on_its_way(workspace, one, folder, taken_paths(database, one.source), key)
    return tuple(sorted(found, key=lambda v: (v.batch is None, v.batch or 0, str(v.received_at or ""), v.verdict)))


def _facts(lake: Path, source: Source, key: str) -> Iterator[Verdict]:
    table, column = _FACTS[source.record]
    rows = _rows(lake, table, (pc.field("source") == source.source) & (pc.field(column) == key))
    for row in rows:
        named = row.get("record_key")
        yield Verdict(source.source, "accepted", _LAKE, row["received_at"], row["batch"], table.name, record_key=named)


def _rejected(lake: Path, source: Source, keys: Collection[str]) -> Iterator[Verdict]:
    """Yield the rejections of a key; of an event that was too large to be kept, its token stands in the key's place."""
    for row in _rows(lake, QUARANTINE, pc.field("source") == source.source):
        if _key_of(row["payload"], source) in keys:
            because = ": ".join(filter(None, (row["field"], row["rule"], row["reason"])))
            yield Verdict(
                source.source, "quarantined", _LAKE, row["received_at"], row["batch"], QUARANTINE.name, because
            )


def _key_of(payload: str, source: Source) -> str | None:
    """Return the key of a rejected row, or None where it cannot be told any more."""
    tree = parsed(payload)
    parts = [trimmed(text_at(tree, column)) or "" for column in source.key] if tree is not None else []
    return "|".join(parts) if any(parts) else None


def _untold(lake: Path, source: Source, token: str) -> Iterator[Verdict]:
    mine = (pc.field("source") == source.source) & (pc.field("token") == token)
    first = (
        {row["received_at"]: row["first"] for row in _rows(lake, REPEATED, mine)} if source.record == "event" else {}
    )
    for row in _rows(lake, VERDICTS, mine):
        if row["verdict"] != "quarantined":  # told by the quarantine, with its reason
            of = first.get(row["received_at"]) if row["verdict"] == "duplicate" else None
            why = BECAUSE if row["verdict"] == EXPIRED else None
            yield Verdict(source.source, row["verdict"], _LAKE, row["received_at"], row["batch"], because=why, first=of)


def _on_its_way(
    workspace: Workspace, source: Source, folder: Path, taken: Collection[str], key: str
) -> Iterator[Verdict]:
    token = record_token(workspace.token_key(), source.source, key)
    for entry in waiting(workspace.root, folder, taken, key, token):
        because = ": ".join(filter(None, entry.fault)) if entry.fault else None
        yield Verdict(source.source, entry.verdict, _LOG, entry.received_at, None, because=because)


def _rows(lake: Path, table: Table, wanted: pc.Expression) -> Sequence[Mapping[str, Any]]:
    if not shelf.exists(lake, table):
        return ()
    rows: Sequence[Mapping[str, Any]] = shelf.lookup(lake, table, wanted).to_pylist()
    return rows
