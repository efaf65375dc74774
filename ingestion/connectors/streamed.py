"""The event log in Kafka on its way into the lake: what a topic holds is landed as it is, each entry once.

Spark Structured Streaming reads the topic and keeps its place in a checkpoint; each batch is one append under the
batch's own number, so that a batch which comes again adds nothing. Ingestion then takes landed batches in as it takes
in segments of the spool.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from infra import shelf
from infra.kafka import stream
from infra.lake import Lake
from infra.settings import KafkaSettings
from ingestion.connectors.collected import entry_rows
from ingestion.connectors.topics import landing_path
from ingestion.identify import Naming
from ingestion.model import SourceFile
from ingestion.rows import raw_schema_of
from ingestion.tables import LANDED

_PARTITIONS: Final = 1_000  # the most that a topic may have (`infra.settings.KafkaSettings`)
_COLUMNS: Final = ("source", "epoch", "landing")


def drain(lake: Lake, settings: KafkaSettings, source: str, checkpoints: Path, at: datetime) -> None:
    """Land what the topic of a source holds now; raise what its brokers do, in our words.

    An epoch is the life of one checkpoint: a new one begins at batch 0 again, and would else be taken for an old one.
    """
    folder = checkpoints / source
    epoch = len(list(folder.glob("*"))) or 1
    checkpoint = folder / f"{epoch:04d}"

    def land(frame: DataFrame, number: int) -> None:
        rows = frame.select(
            f.lit(source).alias("source"),
            f.lit(epoch).cast("bigint").alias("epoch"),
            f.lit(number).cast("bigint").alias("landing"),
            f.col("partition").cast("bigint").alias("part"),
            f.col("offset").alias("place"),
            f.col("body").cast("string").alias("body"),
            f.lit(at).alias("landed_at"),
        )
        lake.land(LANDED, rows, f"{source}/{epoch}", number)

    stream.drain(lake.spark, settings, source, checkpoint, land)


def landings(lake: Path, source: str, taken: Collection[str]) -> tuple[SourceFile, ...]:
    """Return the landed batches of a source that are not taken in, the oldest first, each as a file of its entries."""
    counted: Counter[tuple[int, int]] = Counter()
    if shelf.exists(lake, LANDED):
        for batch in shelf.batches(lake, LANDED, columns=_COLUMNS):
            mine = pa.Table.from_batches([batch]).filter(pc.field("source") == source)
            for row in mine.group_by(["epoch", "landing"]).aggregate([([], "count_all")]).to_pylist():
                counted[row["epoch"], row["landing"]] += row["count_all"]
    named = {landing_path(source, *which): count for which, count in sorted(counted.items())}
    return tuple(SourceFile(path, 0, f"landed {n}", n) for path, n in named.items() if path not in taken)


def landed_rows(
    lake: Lake, source: str, files: Sequence[SourceFile], columns: Sequence[str], naming: Naming
) -> DataFrame:
    """Return the entries of landed batches as raw rows, named; their position is made of offset and partition."""
    path = f.concat(
        f.lit(f"topic/{source}/"), f.lpad(f.col("epoch").cast("string"), 4, "0"), f.lit("-"),
        f.lpad(f.col("landing").cast("string"), 9, "0"),
    )  # fmt: skip
    wanted = lake.read(LANDED).where(f.col("source") == source).withColumn("file", path)
    mine = wanted.where(f.col("file").isin([file.path for file in files]))
    position = (f.col("place") * _PARTITIONS + f.col("part")).alias("position")

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return naming.identified(entry_rows(batches, columns))

    return mine.select("file", position, "body").mapInArrow(read, raw_schema_of(columns, naming))


def cut(lake: Lake, source: str, untaken: int, before: datetime) -> None:
    """Delete landed entries of before a moment, unless some wait that long to be taken in."""
    if untaken == 0:
        lake.remove(LANDED, (f.col("source") == source) & (f.col("landed_at") < f.lit(before)))
