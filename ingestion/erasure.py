"""Erasure of a person's facts: records, events, what was rejected or told of them, and the files they came in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.erasure.ports import Places, Plan, Subject, folder_of
from consent.residue.model import Place
from infra import shelf, upkeep
from infra.runtime import Runtime
from infra.tables import Table
from ingestion.erased_files import Files
from ingestion.tables import (
    CATALOGUE,
    EVENTS,
    LANDED,
    LET_GO,
    QUARANTINE,
    RECORDS,
    RECOVERED,
    REPEATED,
    TABLES,
    VERDICTS,
)
from ingestion.theirs import EVENT, OWN, PLACE, REJECTED, TOLD, Theirs

_DATABASE: Final = (
    "ingested_file", "run_file", "run_account", "run_note", "run_flow", "source_cursor", "source_load", "source_column",
    "run_ingested", "quarantine_fix", "quarantine_revealed",
)  # fmt: skip
_WITHOUT: Final[Mapping[str, str]] = {
    CATALOGUE.name: "things that are no people: products, campaigns",
    LET_GO.name: "keyed digests of rows that went by their age, which lead to nobody and keep the rows away",
    **dict.fromkeys(
        ("ingested_file", "run_file", "run_account", "run_note", "run_flow", "run_ingested"),
        "names of files and numbers of rows",
    ),
    "source_cursor": "how far a connector has read, which is no person",
    "source_load": "numbers and moments of a load, no texts",
    "source_column": "names and kinds of columns",
}


class Facts:
    """`Erasable` by ingestion's tables and files."""

    name = "facts"

    def __init__(self, runtime: Runtime, request_id: str, *, hours: int | None) -> None:
        self._runtime, self._lake, self._hours = runtime, runtime.lake, hours
        self._folder = folder_of(runtime.workspace.state_path, request_id)
        self._files = Files(runtime.workspace, runtime.database)

    def places(self) -> Places:
        """Return the tables of facts, the books, and where files wait and are kept."""
        lake = self._runtime.workspace.lake_path
        tables = tuple(Place(store=f"lake.{t.name}", kind="delta", root=lake / t.name) for t in TABLES)
        return Places(
            tables=TABLES,
            database=_DATABASE,
            state=("spool", "landing", "topics"),
            without=_WITHOUT,
            scanned=(*tables, *self._files.places()),
        )

    def plan(self, subject: Subject) -> Plan:
        """Return how many rows and files hold the person."""
        lake, keys, ids = self._runtime.workspace.lake_path, list(subject.record_keys), list(subject.tokens)
        rows = {
            RECORDS.name: _count(lake, RECORDS, pc.field("record_key").isin(pa.array(keys, pa.string()))),
            EVENTS.name: _count(
                lake,
                EVENTS,
                pc.field("record_key").isin(pa.array(keys, pa.string()))
                | pc.field("subject_token").isin(pa.array(ids, pa.string())),
            ),
            "files": len(self._files.holding(self._theirs(subject).spelled())),
        }
        return Plan(store=self.name, rows=rows, stays=self._files.stays())

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Take the person out of the facts; what is gone is named by work tables, so that it can be done again."""
        theirs = self._theirs(subject)
        events, rejected, named, told = theirs.events(), theirs.rejected(), theirs.named(), theirs.told()
        firsts = events.select("source", f.col("message_id").alias("first"))
        self._erase(QUARANTINE, "rejected", rejected, REJECTED)
        self._erase(RECOVERED, "rejected", rejected, REJECTED)
        self._erase(RECOVERED, "named", named, OWN)
        self._erase(VERDICTS, "told", told, TOLD)
        self._erase(REPEATED, "told", told, TOLD)
        self._erase(REPEATED, "events", firsts, ("source", "first"))
        self._erase(LANDED, "landed", theirs.landed(), PLACE)
        self._erase(EVENTS, "events", events, EVENT)
        self._erase(RECORDS, "records", theirs.records(), ("record_key",))
        return {"files": self._files.delete(theirs.spelled())}

    def purge(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Rewrite files that hold deleted rows."""
        upkeep.purge(self._lake, TABLES)

    def expire(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Delete files that no version needs."""
        upkeep.expire(self._lake, TABLES, self._hours)

    def _theirs(self, subject: Subject) -> Theirs:
        return Theirs(self._runtime, self._folder, subject)

    def _erase(self, table: Table, name: str, gone: DataFrame, keys: Sequence[str]) -> None:
        """Take what a work table names out of a table; where it names nothing, no merge is worth its commit."""
        if sum(pq.read_metadata(file).num_rows for file in (self._folder / name).glob("*.parquet")):
            upkeep.erase(self._lake, table, gone, keys)


def _count(lake: Path, table: Table, wanted: pc.Expression) -> int:
    return shelf.lookup(lake, table, wanted, columns=[table.keys[0]]).num_rows if shelf.exists(lake, table) else 0
