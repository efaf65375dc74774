"""Which rows of the facts are some people's, as work tables: for their erasure, or to keep them where a law says so."""

from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.erasure.ports import Subject
from infra.identifiers import load_identifier_types, record_token
from infra.runtime import Runtime
from ingestion.spelled import Spelled
from ingestion.tables import EVENTS, LANDED, QUARANTINE

EVENT: Final = ("source", "message_id")
REJECTED: Final = ("source", "content_hash")
TOLD: Final = ("source", "token")
OWN: Final = ("source", "key")
PLACE: Final = ("source", "epoch", "part", "place")


class Theirs:
    """Rows of a subject, found once: each frame is written below a folder, for once rows are gone nobody finds them."""

    def __init__(self, runtime: Runtime, folder: Path, subject: Subject) -> None:
        self._runtime, self._lake, self._folder, self._subject = runtime, runtime.lake, folder, subject

    def spelled(self) -> Spelled:
        """Return what finds the subject in a text, in any spelling."""
        workspace = self._runtime.workspace
        return Spelled.of(self._subject.values, load_identifier_types(workspace), workspace.settings.region)

    def records(self) -> DataFrame:
        """Return the keys of the subject's records."""
        return self._made("records", self._frame([(key,) for key in self._subject.record_keys], "record_key string"))

    def events(self) -> DataFrame:
        """Return which events are the person's: by their record, by an identifier, or by whose browser it was then."""
        keys = f.broadcast(self.records())
        tokens = f.broadcast(self._frame([(token,) for token in self._subject.tokens], "token string"))
        stretches = [
            (s.source, s.anonymous_id, s.from_at.astimezone(UTC), s.to_at.astimezone(UTC))
            for s in self._subject.stretches
        ]
        shape = "source string, anonymous_id string, from_at timestamp, to_at timestamp"
        owned = f.broadcast(self._frame(stretches, shape))
        events = self._lake.read(EVENTS)
        columns = [*EVENT, "anonymous_id"]
        named = events.select(*columns, f.explode(f.col("identifiers.token")).alias("token"))
        at = events.where(f.col("record_key").isNull()).select(*columns, "occurred_at")
        within = (f.col("occurred_at") >= f.col("from_at")) & (f.col("occurred_at") < f.col("to_at"))
        found = events.join(keys, "record_key", "left_semi").select(*columns)
        found = found.union(named.join(tokens, "token", "left_semi").select(*columns))
        found = found.union(at.join(owned, ["source", "anonymous_id"]).where(within).select(*columns))
        gone = self._made("events", found.distinct())
        self._made("cookies", gone.where(f.col("anonymous_id").isNotNull()).select("source", "anonymous_id").distinct())
        return gone.select(*EVENT).distinct()

    def rejected(self) -> DataFrame:
        """Return which rows of the quarantine name the subject."""
        rows = self._lake.read(QUARANTINE).select(*REJECTED, "payload")
        return self._made("rejected", _naming(rows, "payload", self.spelled()).select(*REJECTED).distinct())

    def landed(self) -> DataFrame:
        """Return which entries of the event log, as Kafka held them, name the subject."""
        rows = self._lake.read(LANDED).select(*PLACE, "body")
        return self._made("landed", _naming(rows, "body", self.spelled()).select(*PLACE).distinct())

    def named(self) -> DataFrame:
        """Return source and own key of each row of the person's."""
        known = self._frame(list(self._subject.source_keys), "source string, key string")
        return self._made("named", known.unionByName(self.events().select("source", f.col("message_id").alias("key"))))

    def told(self) -> DataFrame:
        """Return source and token of each row of the person's, as verdicts name rows."""
        key = self._runtime.workspace.token_key()

        def tokened(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                rows = zip(*(batch.column(name).to_pylist() for name in OWN), strict=True)
                tokens = [record_token(key, source, one) for source, one in rows]
                yield pa.RecordBatch.from_arrays(
                    [batch.column("source"), pa.array(tokens, pa.string())], names=list(TOLD)
                )

        return self._made("told", self.named().mapInArrow(tokened, "source string, token string").distinct())

    def _frame(self, rows: list[Any], shape: str) -> DataFrame:
        return self._lake.spark.createDataFrame(rows, shape)

    def _made(self, name: str, frame: DataFrame) -> DataFrame:
        """Return a work table as it was first made: once rows are gone it could not be made again."""
        path = self._folder / name
        if not (path / "_SUCCESS").exists():
            frame.coalesce(1).write.mode("overwrite").parquet(str(path))
        return self._lake.spark.read.schema(frame.schema).parquet(str(path))


def _naming(rows: DataFrame, column: str, spelled: Spelled) -> DataFrame:
    """Return the rows whose text names the person in any spelling."""

    def held(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            hits = [spelled.named(text or "") for text in batch.column(column).to_pylist()]
            yield batch.filter(pa.array(hits, pa.bool_()))

    return rows.mapInArrow(held, rows.schema)
