"""Changes of a Delta table: the table as it is at first, then what each new version says that it changed.

Without a change feed the files that a version added are read: rows in them that did not change are duplicates, and
deletions are not seen.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from infra.workspace import Workspace
from ingestion.connectors.declared import Delta
from ingestion.connectors.port import Cursor, Landing
from ingestion.connectors.sparked import lines
from ingestion.errors import ChangesGone, ConnectorMalformed

_VECTORS: Final = "deletionVectors"
_FEED: Final = "delta.enableChangeDataFeed"
# In this order, so that a row that is deleted and written in one version is there afterwards.
_GONE: Final = ("delete",)
_THERE: Final = ("insert", "update_postimage")


def land(landing: Landing, declared: Delta, workspace: Workspace, spark: SparkSession | None = None) -> None:
    """Land the changes since the last load.

    Where rows are deleted by vectors beside the files, only Spark tells the changes right.
    """
    root = workspace.root
    table = _opened(landing.source, declared, root, None)
    before = landing.cursor
    identity, newest = str(table.metadata().id), int(table.version())
    if before and (before["table"] != identity or before["version"] > newest):
        raise ChangesGone(landing.source, f"{declared.path} is another table than the one that was read before")
    fresh = not before or before["version"] < newest
    until = landing.intend(lambda: {"table": identity, "version": newest, "at": _written(table)} if fresh else None)
    if until is None:
        return
    aside = workspace.landing_path / ".spark" / landing.source
    landing.columns(field.name for field in table.schema().fields)
    feed = table.metadata().configuration.get(_FEED, "").lower() == "true"
    if before and not feed:
        landing.say(f"the table keeps no change feed: deletions are not seen; {_FEED} = true would show them")
    if spark is not None and _VECTORS in (table.protocol().reader_features or ()):
        try:
            with lines(_by_spark(spark, _where(declared, root), before, until, feed=feed), aside) as found:
                rows = landing.write(found)
        except (PySparkException, Py4JJavaError) as error:
            raise _gone(landing.source, declared, None, error) from None
    else:
        rows = landing.write(_rows(landing.source, declared, root, before, until, feed=feed))
    landing.commit()
    landing.say(f"{rows:,} changes landed, up to version {until['version']}")


def _where(declared: Delta, root: Path) -> str:
    return declared.path if "://" in declared.path else str(root / declared.path)


def _by_spark(spark: SparkSession, where: str, before: Cursor, until: Cursor, *, feed: bool) -> DataFrame:
    """Return the changes in their order, what is deleted in a version before what is written in it."""
    reader = spark.read.format("delta")
    if before is None or not feed:
        frame = reader.option("versionAsOf", until["version"]).load(where)
        facts = {"_change_type": f.lit("insert"), "_commit_version": f.lit(until["version"])}
        return frame.withColumns({**facts, "_commit_timestamp": f.lit(until["at"])})
    changes = reader.options(
        readChangeFeed=True, startingVersion=before["version"] + 1, endingVersion=until["version"]
    ).load(where)
    told = changes.where(f.col("_change_type").isin(*_GONE, *_THERE))
    return told.orderBy("_commit_version", ~f.col("_change_type").isin(*_GONE))


def _opened(source: str, declared: Delta, root: Path, version: int | None) -> DeltaTable:
    storage = {name: secret.get_secret_value() for name, secret in declared.storage.items()}
    try:
        return DeltaTable(_where(declared, root), version=version, storage_options=storage or None)
    except TableNotFoundError:
        right = "write where its folder with _delta_log lies, from the workspace or as an address"
        raise ConnectorMalformed(source, f"{declared.path} is no Delta table", right) from None
    except (DeltaError, OSError, ValueError) as error:
        raise _gone(source, declared, version, error) from None


def _gone(source: str, declared: Delta, version: int | None, error: Exception) -> ChangesGone:
    # The words of the error may hold the table's values in its statistics.
    named = "the table" if version is None else f"version {version}"
    what = "its log or files are gone, as after VACUUM, or need a reader that knows more"
    return ChangesGone(source, f"{named} of {declared.path} cannot be read ({type(error).__name__}): {what}")


def _rows(
    source: str, declared: Delta, root: Path, before: Cursor, until: Cursor, *, feed: bool
) -> Iterator[dict[str, Any]]:
    if before is None:
        yield from _snapshot(source, declared, root, until)
        return
    table = _opened(source, declared, root, until["version"])
    for version in range(before["version"] + 1, until["version"] + 1):
        for kinds in (_GONE, _THERE) if feed else (_THERE,):
            yield from _changes(source, declared, table, version, kinds)


def _snapshot(source: str, declared: Delta, root: Path, until: Cursor) -> Iterator[dict[str, Any]]:
    version = until["version"]
    table = _opened(source, declared, root, version)
    facts = {"_change_type": "insert", "_commit_version": until["version"], "_commit_timestamp": until["at"]}
    try:
        stream = QueryBuilder().register("rows", table).execute("SELECT * FROM rows")
        for batch in pa.RecordBatchReader.from_stream(stream):
            yield from ({**row, **facts} for row in batch.to_pylist())
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise _gone(source, declared, version, error) from None


def _changes(
    source: str, declared: Delta, table: DeltaTable, version: int, kinds: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    try:
        stream = table.load_cdf(starting_version=version, ending_version=version)
        for batch in pa.RecordBatchReader.from_stream(stream):
            for row in batch.to_pylist():
                if row["_change_type"] in kinds:
                    yield {**row, "_commit_timestamp": _aware(row["_commit_timestamp"])}
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise _gone(source, declared, version, error) from None


def _written(table: DeltaTable) -> str | None:
    """Return when the newest version was written."""
    told = table.history(1)
    return datetime.fromtimestamp(told[0]["timestamp"] / 1000, UTC).isoformat() if told else None


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
