"""Rows that Spark reads on their way into the landing: written as JSON beside it, and read from there line by line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import DataType, DoubleType, FloatType

_SPELLED: Final = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSxxx",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}
_WHOLE: Final = 1e15


def as_json(frame: DataFrame) -> Column:
    """Return the rows of a frame as JSON, spelled as rows of others are: whole numbers gain no `.0`."""
    return f.to_json(f.struct(*(_spelled(one.name, one.dataType) for one in frame.schema.fields)), _SPELLED)


def _spelled(name: str, kind: DataType) -> Column:
    column = f.col(f"`{name}`")
    if not isinstance(kind, FloatType | DoubleType):
        return column
    whole = (column == f.floor(column)) & (f.abs(column) < _WHOLE)
    return f.when(whole, column.cast("bigint").cast("string")).otherwise(column.cast("string")).alias(name)


@contextmanager
def lines(frame: DataFrame, folder: Path) -> Iterator[Iterator[bytes]]:
    """Let Spark write a frame as JSON into a folder, and hand out its lines in the frame's order."""
    rmtree(folder, ignore_errors=True)  # what a killed load had begun
    try:
        frame.select(as_json(frame).alias("value")).write.text(str(folder))
        yield _lines(folder)
    finally:
        rmtree(folder, ignore_errors=True)


def _lines(folder: Path) -> Iterator[bytes]:
    for file in sorted(folder.glob("part-*")):
        with file.open("rb") as stream:
            yield from (line for line in stream if line.strip())
