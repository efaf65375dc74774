"""Raw rows as frames: every format comes in with file, position and its columns as text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import DataType, DoubleType, FloatType, TimestampType

from ingestion.config import Source
from ingestion.model import SourceFile
from ingestion.read import csv_batches, ndjson_batches

_FRONT = "file string, position bigint, lines int, fault string, payload string"
_WHOLE = 1e15


def columns_of(source: Source, files: Sequence[SourceFile]) -> tuple[str, ...]:
    """Return the columns of all the files together; of NDJSON, the paths that the declaration names."""
    if source.connector.format == "ndjson":
        return source.columns()
    return tuple(dict.fromkeys(column for file in files for column in file.columns))


def raw_rows(
    spark: SparkSession, root: Path, source: Source, files: Sequence[SourceFile], columns: Sequence[str]
) -> DataFrame:
    """Return the rows of a source's files with its columns as `r0`, `r1`... in their order."""
    if source.connector.format == "parquet":
        return _parquet(spark, root, files, columns)
    tasks = _csv_tasks(root, source, files, columns)
    if source.connector.format == "ndjson":
        tasks = _ndjson_tasks(root, files, columns)
    schema = ", ".join([_FRONT, *(f"r{index} string" for index in range(len(columns)))])
    # One task a file or stretch: the task's number travels, the readers fetch the bytes themselves.
    numbers = spark.range(0, len(tasks), 1, max(len(tasks), 1))
    return numbers.mapInArrow(_reader(tasks), schema)


Task = Callable[[], Iterator[pa.RecordBatch]]


def _reader(tasks: Sequence[Task]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from tasks[number]()

    return read


def _csv_tasks(root: Path, source: Source, files: Sequence[SourceFile], columns: Sequence[str]) -> list[Task]:
    where = source.connector
    return [
        lambda file=file: csv_batches(root / file.path, file.path, columns, where.encoding, where.delimiter)  # type: ignore[misc]
        for file in files
    ]


def _ndjson_tasks(root: Path, files: Sequence[SourceFile], columns: Sequence[str]) -> list[Task]:
    return [
        lambda stretch=stretch: ndjson_batches(root / stretch.file, stretch, columns)  # type: ignore[misc]
        for file in files
        for stretch in file.stretches
    ]


def _parquet(spark: SparkSession, root: Path, files: Sequence[SourceFile], columns: Sequence[str]) -> DataFrame:
    shapes: dict[str, list[SourceFile]] = {}
    for file in files:
        shapes.setdefault(file.shape, []).append(file)
    return reduce(DataFrame.unionByName, (_alike(spark, root, group, columns) for group in shapes.values()))


def _alike(spark: SparkSession, root: Path, files: Sequence[SourceFile], columns: Sequence[str]) -> DataFrame:
    """Return the rows of Parquet files that have the same columns of the same types."""
    frame = spark.read.parquet(*(str(root / file.path) for file in files))
    types = {field.name: field.dataType for field in frame.schema.fields}
    texts = [
        (_text(f.col(f"`{name}`"), types[name]) if name in types else f.lit(None).cast("string")).alias(f"r{index}")
        for index, name in enumerate(columns)
    ]
    uri = f.url_decode(f.replace(f.col("_metadata.file_path"), f.lit("+"), f.lit("%2B")))
    path = f.regexp_replace(uri, "^file:/+", "/")
    return frame.select(
        f.substr(path, f.lit(len(str(root)) + 2)).alias("file"),
        (f.col("_metadata.row_index") + 1).alias("position"),
        f.lit(1).alias("lines"),
        f.lit(None).cast("string").alias("fault"),
        f.lit(None).cast("string").alias("payload"),
        *texts,
    )


def _text(column: Column, kind: DataType) -> Column:
    """Return a typed value as a text source would have written it."""
    text = column.cast("string")
    if isinstance(kind, TimestampType):
        return f.concat(text, f.lit("Z"))
    if isinstance(kind, FloatType | DoubleType):
        # Whole numbers with a null among them become floating on their way through pandas; ids must not gain ".0".
        whole = (column == f.floor(column)) & (f.abs(column) < _WHOLE)
        return f.when(whole, column.cast("bigint").cast("string")).otherwise(text)
    return text
