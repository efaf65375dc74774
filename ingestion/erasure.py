"""Erasure of a person's facts: records, events, what was rejected or told of them, and the files they came in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
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
from infra.identifiers import load_identifier_types, record_token
from infra.runtime import Runtime
from infra.tables import Table
from ingestion.erased_files import Files
from ingestion.spelled import Spelled
from ingestion.tables import (
    CATALOGUE,
    EVENTS,
    LANDED,
    QUARANTINE,
    RECORDS,
    RECOVERED,
    REPEATED,
    TABLES,
    VERDICTS,
)

_EVENT: Final = ("source", "message_id")
_REJECTED: Final = ("source", "content_hash")
_TOLD: Final = ("source", "token")
_OWN: Final = ("source", "key")
_PLACE: Final = ("source", "epoch", "part", "place")
_DATABASE: Final = (
    "ingested_file", "run_file", "run_account", "run_note", "run_flow", "source_cursor", "source_load", "source_column",
    "run_ingested", "quarantine_fix", "quarantine_revealed",
)  # fmt: skip
_WITHOUT: Final[Mapping[str, str]] = {
    CATALOGUE.name: "things that are no people: products, campaigns",
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
            "files": len(self._files.holding(self._spelled(subject))),
        }
        return Plan(store=self.name, rows=rows, stays=self._files.stays())

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Take the person out of the facts; what is gone is named by work tables, so that it can be done again."""
        events, rejected = self._events(subject), self._rejected(subject)
        named = self._named(subject, events)
        told = self._told(named)
        firsts = events.select("source", f.col("message_id").alias("first"))
        self._erase(QUARANTINE, "rejected", rejected, _REJECTED)
        self._erase(RECOVERED, "rejected", rejected, _REJECTED)
        self._erase(RECOVERED, "named", named, _OWN)
        self._erase(VERDICTS, "told", told, _TOLD)
        self._erase(REPEATED, "told", told, _TOLD)
        self._erase(REPEATED, "events", firsts, ("source", "first"))
        self._erase(LANDED, "landed", self._landed(subject), _PLACE)
        self._erase(EVENTS, "events", events, _EVENT)
        self._erase(RECORDS, "records", self._keys(subject), ("record_key",))
        return {"files": self._files.delete(self._spelled(subject))}

    def purge(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Rewrite files that hold deleted rows."""
        upkeep.purge(self._lake, TABLES)

    def expire(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Delete files that no version needs."""
        upkeep.expire(self._lake, TABLES, self._hours)

    def _spelled(self, subject: Subject) -> Spelled:
        workspace = self._runtime.workspace
        return Spelled.of(subject.values, load_identifier_types(workspace), workspace.settings.region)

    def _keys(self, subject: Subject) -> DataFrame:
        return self._made("records", self._frame([(key,) for key in subject.record_keys], "record_key string"))

    def _events(self, subject: Subject) -> DataFrame:
        """Return which events are the person's: by their record, by an identifier, or by whose browser it was then."""
        keys = f.broadcast(self._keys(subject))
        tokens = f.broadcast(self._frame([(token,) for token in subject.tokens], "token string"))
        stretches = [
            (s.source, s.anonymous_id, s.from_at.astimezone(UTC), s.to_at.astimezone(UTC)) for s in subject.stretches
        ]
        shape = "source string, anonymous_id string, from_at timestamp, to_at timestamp"
        owned = f.broadcast(self._frame(stretches, shape))
        events = self._lake.read(EVENTS)
        columns = [*_EVENT, "anonymous_id"]
        named = events.select(*columns, f.explode(f.col("identifiers.token")).alias("token"))
        at = events.where(f.col("record_key").isNull()).select(*columns, "occurred_at")
        within = (f.col("occurred_at") >= f.col("from_at")) & (f.col("occurred_at") < f.col("to_at"))
        found = events.join(keys, "record_key", "left_semi").select(*columns)
        found = found.union(named.join(tokens, "token", "left_semi").select(*columns))
        found = found.union(at.join(owned, ["source", "anonymous_id"]).where(within).select(*columns))
        gone = self._made("events", found.distinct())
        self._made("cookies", gone.where(f.col("anonymous_id").isNotNull()).select("source", "anonymous_id").distinct())
        return gone.select(*_EVENT).distinct()

    def _rejected(self, subject: Subject) -> DataFrame:
        rows = self._lake.read(QUARANTINE).select(*_REJECTED, "payload")
        return self._made("rejected", _naming(rows, "payload", self._spelled(subject)).select(*_REJECTED).distinct())

    def _landed(self, subject: Subject) -> DataFrame:
        rows = self._lake.read(LANDED).select(*_PLACE, "body")
        return self._made("landed", _naming(rows, "body", self._spelled(subject)).select(*_PLACE).distinct())

    def _named(self, subject: Subject, events: DataFrame) -> DataFrame:
        """Return source and own key of each row of the person's."""
        known = self._frame(list(subject.source_keys), "source string, key string")
        return self._made("named", known.unionByName(events.select("source", f.col("message_id").alias("key"))))

    def _told(self, named: DataFrame) -> DataFrame:
        """Return source and token of each row of the person's, as verdicts name rows."""
        key = self._runtime.workspace.token_key()

        def tokened(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                rows = zip(*(batch.column(name).to_pylist() for name in _OWN), strict=True)
                tokens = [record_token(key, source, one) for source, one in rows]
                yield pa.RecordBatch.from_arrays(
                    [batch.column("source"), pa.array(tokens, pa.string())], names=list(_TOLD)
                )

        return self._made("told", named.mapInArrow(tokened, "source string, token string").distinct())

    def _frame(self, rows: list[Any], shape: str) -> DataFrame:
        return self._lake.spark.createDataFrame(rows, shape)

    def _made(self, name: str, frame: DataFrame) -> DataFrame:
        """Return a work table as it was first made: once rows are gone it could not be made again."""
        path = self._folder / name
        if not (path / "_SUCCESS").exists():
            frame.coalesce(1).write.mode("overwrite").parquet(str(path))
        return self._lake.spark.read.schema(frame.schema).parquet(str(path))

    def _erase(self, table: Table, name: str, gone: DataFrame, keys: Sequence[str]) -> None:
        """Take what a work table names out of a table; where it names nothing, no merge is worth its commit."""
        if sum(pq.read_metadata(file).num_rows for file in (self._folder / name).glob("*.parquet")):
            upkeep.erase(self._lake, table, gone, keys)


def _count(lake: Path, table: Table, wanted: pc.Expression) -> int:
    return shelf.lookup(lake, table, wanted, columns=[table.keys[0]]).num_rows if shelf.exists(lake, table) else 0


def _naming(rows: DataFrame, column: str, spelled: Spelled) -> DataFrame:
    """Return the rows whose text names the person in any spelling."""

    def held(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            hits = [spelled.named(text or "") for text in batch.column(column).to_pylist()]
            yield batch.filter(pa.array(hits, pa.bool_()))

    return rows.mapInArrow(held, rows.schema)
