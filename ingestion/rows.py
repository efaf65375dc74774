"""Raw rows as frames: every format comes in with file, position, its columns as text, and the people that it names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import and_
from pathlib import Path
from typing import Final, cast

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import DataType, DoubleType, FloatType, StringType, StructField, StructType, TimestampType

from ingestion.arrays import array_batches
from ingestion.config import Source
from ingestion.connectors.collected import log_batches
from ingestion.connectors.debezium import change_batches
from ingestion.connectors.declared import TREES, Files
from ingestion.identify import Naming, day_column
from ingestion.judge import Reading
from ingestion.lines import ndjson_batches
from ingestion.model import SourceFile
from ingestion.read import csv_batches
from ingestion.tracking.column import read_columns

_FRONT: Final = "file string, position bigint, lines int, fault string, payload string"
_IDENTIFIED: Final = (
    "identifiers array<struct<type:string,value:string,token:string>>, subject string, subject_kind string, "
    "subject_value string, subject_token string, known boolean, anonymous_id string, suppressed boolean, "
    "dropped array<string>, aside array<struct<type:string,value:string>>, key_token string"
)
_WHOLE: Final = 1e15

# Keeps a frame that is used more than once, and marks it to be sent to every task if it is small.
Keep = Callable[[DataFrame], DataFrame]
Task = Callable[[], Iterator[pa.RecordBatch]]


def columns_of(source: Source, files: Sequence[SourceFile]) -> tuple[str, ...]:
    """Return the columns of all the files together; of JSON, the paths that the declaration names."""
    if source.connector.format in TREES:
        return read_columns(source)
    return tuple(dict.fromkeys(column for file in files for column in file.columns))


def natives_of(source: Source, files: Sequence[SourceFile]) -> dict[str, str]:
    """Return the named columns whose type vouches for something, the same in every file."""
    kinds = {name: {file.natives.get(name, "") for file in files} for name in source.columns()}
    return {name: found.pop() for name, found in kinds.items() if len(found) == 1 and "" not in found}


def raw_rows(
    spark: SparkSession, root: Path, reading: Reading, files: Sequence[SourceFile], naming: Naming, keep: Keep
) -> DataFrame:
    """Return the rows of a source's files with its columns as `r0`, `r1`... and what their identifiers name."""
    where = reading.source.connector
    if where.format == "parquet":
        return _named(_parquet(spark, root, reading, files), naming, keep)
    tasks = list(_tasks(root, reading, files))
    schema = raw_schema_of(reading.columns, naming)
    # One task a file or stretch: the task's number travels, the readers fetch the bytes themselves.
    numbers = spark.range(0, len(tasks), 1, max(len(tasks), 1))
    return numbers.mapInArrow(_reader(tasks, naming), schema)


def raw_schema_of(columns: Sequence[str], naming: Naming) -> str:
    """Return the shape of raw rows that are named, as Spark DDL."""
    texts = [*(f"r{index}" for index in range(len(columns))), *(day_column(name) for name in naming.dates)]
    return ", ".join([_FRONT, *(f"{name} string" for name in texts), _IDENTIFIED])


def _reader(tasks: Sequence[Task], naming: Naming) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def raw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from tasks[number]()

    return lambda batches: naming.identified(raw(batches))


def _tasks(root: Path, reading: Reading, files: Sequence[SourceFile]) -> Iterator[Task]:
    """Yield what reads the rows of each file, or of each stretch of it."""
    where, columns = reading.source.connector, reading.columns
    batches = {"log": log_batches, "debezium": change_batches}.get(where.format, ndjson_batches)
    for file in files:
        path = root / file.path
        if isinstance(where, Files) and where.format == "csv":
            read = partial(csv_batches, path, file.path, columns, where.encoding, where.delimiter)
            yield from (partial(read, stretch) for stretch in file.stretches or (None,))
        elif isinstance(where, Files) and where.format == "json":
            yield partial(array_batches, path, file.path, where.steps(), columns)
        else:
            yield from (partial(batches, path, stretch, columns) for stretch in file.stretches)


def _named(rows: DataFrame, naming: Naming, keep: Keep) -> DataFrame:
    """Return rows that the JVM read, named: each combination of raw identifiers goes through Python once."""
    named = [column for _, column in naming.columns]
    columns = list(dict.fromkeys([*named, *naming.keys, *naming.told, *naming.dates]))
    days = [StructField(day_column(name), StringType()) for name in naming.dates]
    made = [*days, *cast("StructType", StructType.fromDDL(_IDENTIFIED)).fields]
    if not columns:
        return rows.withColumns({field.name: _nothing(field) for field in made})
    aside = {column: f"_{column}" for column in columns}
    inner = replace(
        naming,
        columns=tuple((kind, aside[column]) for kind, column in naming.columns),
        keys=tuple(aside[column] for column in naming.keys),
        told=tuple(aside[column] for column in naming.told),
        dates=tuple(aside[column] for column in naming.dates),
    )
    schema = StructType([*(StructField(name, StringType()) for name in aside.values()), *made])
    raw = rows.select(*(f.col(column).alias(name) for column, name in aside.items())).distinct()
    same = reduce(and_, (f.col(column).eqNullSafe(f.col(name)) for column, name in aside.items()))
    return rows.join(keep(raw.mapInArrow(inner.identified, schema)), same, "left").drop(*aside.values())


def _nothing(field: StructField) -> Column:
    """Return what a row without identifiers has in an identified column."""
    empty: Mapping[str, Column] = {
        "identifiers": f.array(),
        "dropped": f.array(),
        "aside": f.array(),
        "known": f.lit(False),
        "suppressed": f.lit(False),
    }
    return empty.get(field.name, f.lit(None)).cast(field.dataType)


def _parquet(spark: SparkSession, root: Path, reading: Reading, files: Sequence[SourceFile]) -> DataFrame:
    shapes: dict[str, list[SourceFile]] = {}
    for file in files:
        shapes.setdefault(file.shape, []).append(file)
    return reduce(DataFrame.unionByName, (_alike(spark, root, reading, group) for group in shapes.values()))


def _alike(spark: SparkSession, root: Path, reading: Reading, files: Sequence[SourceFile]) -> DataFrame:
    """Return the rows of Parquet files that have the same columns of the same types."""
    frame = spark.read.parquet(*(str(root / file.path) for file in files))
    types = {field.name: field.dataType for field in frame.schema.fields}
    texts = [
        (_text(f.col(f"`{name}`"), types[name]) if name in types else f.lit(None).cast("string")).alias(f"r{index}")
        for index, name in enumerate(reading.columns)
    ]
    natives = [f.col(f"`{name}`").alias(f"n{reading.columns.index(name)}") for name in reading.natives]
    return frame.select(
        _path(root).alias("file"),
        (f.col("_metadata.row_index") + 1).alias("position"),
        f.lit(1).alias("lines"),
        f.lit(None).cast("string").alias("fault"),
        f.lit(None).cast("string").alias("payload"),
        *texts,
        *natives,
    )


def _path(root: Path) -> Column:
    """Return the path of a row's file under the workspace; Spark tells it as an address, escaped where it must."""
    uri, folder = f.col("_metadata.file_path"), f"{root}/"
    decoded = f.url_decode(f.replace(uri, f.lit("+"), f.lit("%2B")))
    path = f.when(uri.contains("%"), decoded).otherwise(uri)
    return f.substr(path, f.locate(folder, path) + len(folder))


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
