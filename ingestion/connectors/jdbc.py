"""Rows of any system with a JDBC driver, read by Spark: what changed by the cursor column, in parts if these are told.

Spark writes them as JSON beside the landing, and from there they land as one file. Rows that the cursor cannot place,
for they have none or one in the future, are read whenever they changed. There is no snapshot: what changes while a load
reads comes with this one or the next.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import DataType

from infra.workspace import Workspace
from ingestion.connectors.declared import Jdbc
from ingestion.connectors.port import Cursor, Landing
from ingestion.connectors.sparked import as_json, lines
from ingestion.errors import ConnectorMalformed
from ingestion.survey import missing_column

_FETCH: Final = "2000"


def land(
    landing: Landing,
    declared: Jdbc,
    columns: Sequence[str],
    spark: SparkSession,
    workspace: Workspace,
    at: datetime,
) -> None:
    """Land what changed since the last load."""
    aside = workspace.landing_path / ".spark" / landing.source
    try:
        if declared.jar and not (workspace.root / declared.jar).is_file():
            right = "put the driver there, or mend connector.jar (relative to the workspace)"
            raise ConnectorMalformed(landing.source, f"{declared.jar} is not there", right)
        if declared.jar:
            spark.sql(f"ADD JAR '{(workspace.root / declared.jar).as_posix()}'")
        table = _Table(spark, landing.source, declared)
        table.check(columns)
        landing.columns(table.columns)
        before = landing.cursor
        until = landing.intend(lambda: table.reached(before, at))
        if until is None:
            return
        with lines(table.rows(landing.cursor, until), aside) as found:
            rows = landing.write(found)
        landing.commit()
        landing.say(f"{rows:,} rows landed")
    except (PySparkException, Py4JJavaError) as error:
        raise _told(landing.source, error) from None


def _told(source: str, error: PySparkException | Py4JJavaError) -> ConnectorMalformed:
    """Return what went wrong by its kind alone: the words of drivers hold addresses, secrets and values."""
    kind = type(error).__name__
    if isinstance(error, Py4JJavaError):
        thrown = error.java_exception
        while thrown.getCause() is not None:
            thrown = thrown.getCause()
        kind = str(thrown.getClass().getName())
    elif error.getCondition():
        kind = str(error.getCondition())
    right = "see whether the system answers, and mend connector.url, driver, jar, table, query, cursor or split"
    return ConnectorMalformed(source, f"JDBC failed ({kind})", right)


class _Table:
    """A table or query behind JDBC."""

    def __init__(self, spark: SparkSession, source: str, declared: Jdbc) -> None:
        self._spark, self._source, self._declared = spark, source, declared
        self._from = f"({declared.query}) t" if declared.query else str(declared.table)
        schema = self._read(self._from).schema
        self.columns = schema.names
        self._kinds = {field.name: field.dataType for field in schema.fields}

    @property
    def _kind(self) -> DataType:
        return self._kinds[str(self._declared.cursor)]

    def _read(self, table: str, **options: Any) -> DataFrame:
        declared = self._declared
        secrets = {"user": declared.user, "password": declared.password and declared.password.get_secret_value()}
        reader = self._spark.read.format("jdbc").options(
            url=declared.url.get_secret_value(), driver=declared.driver, dbtable=table, fetchsize=_FETCH
        )
        return reader.options(**{name: text for name, text in {**secrets, **options}.items() if text}).load()

    def check(self, named: Sequence[str]) -> None:
        """Raise where a column that the source names is not there."""
        own = [name for name in (self._declared.cursor, self._declared.split) if name]
        for column in (*own, *(name.split(".")[0] for name in named)):
            if column not in self.columns:
                raise ConnectorMalformed(self._source, *missing_column(self._source, column, self.columns, named))

    def reached(self, before: Cursor, at: datetime) -> Cursor:
        """Return the highest value of the cursor now with a digest of the rows at it, None if both are as before."""
        rows, now = self._read(self._from), at.isoformat()
        top = self._end(rows.where(~self._odd(now)), f.max) if self._declared.cursor else None
        border = rows.where(self._odd(now) | self._since(top)) if self._declared.cursor else rows
        content = f.xxhash64(as_json(border)).cast("decimal(20,0)")
        count, total = border.agg(f.count("*"), f.sum(content).cast("string")).collect()[0]
        mark = [top, count, total]
        if before is not None and before["mark"] == mark:
            return None
        bounds: list[str | None] = []
        if before is None and self._declared.split:
            bounds = [self._end(rows, end, self._declared.split) for end in (f.min, f.max)]
        return {"mark": mark, "now": now, "bounds": bounds if bounds and bounds[0] != bounds[1] else []}

    def _end(self, rows: DataFrame, end: Callable[[str], Column], column: str | None = None) -> str | None:
        """Return the lowest or highest value of a column as text."""
        found: str | None = rows.agg(end(f"`{column or self._declared.cursor}`").cast("string")).collect()[0][0]
        return found

    @property
    def _column(self) -> Column:
        return f.col(f"`{self._declared.cursor}`")

    def _odd(self, now: str) -> Column:
        """Say of rows whether their cursor tells no order: there is none, or it is still to come."""
        if self._kind.typeName() in ("timestamp", "timestamp_ntz", "date"):
            ahead = self._column > f.lit(datetime.fromisoformat(now)).cast(self._kind)
            return self._column.isNull() | ahead
        return self._column.isNull()

    def _since(self, reached: str | None) -> Column:
        return f.lit(True) if reached is None else self._column >= f.lit(reached).cast(self._kind)

    def rows(self, before: Cursor, until: Cursor) -> DataFrame:
        """Return the rows of a load, in the order of the cursor."""
        options: dict[str, Any] = {}
        if until["bounds"]:
            low, high = until["bounds"]
            parts = {"partitionColumn": self._declared.split, "numPartitions": self._declared.parts}
            options = {**parts, "lowerBound": low, "upperBound": high}
        rows, top = self._read(self._from, **options), until["mark"][0]
        if self._declared.cursor is None:
            return rows
        upto = f.lit(False) if top is None else self._column <= f.lit(top).cast(self._kind)
        since = self._since(before["mark"][0] if before else None)
        return rows.where(self._odd(until["now"]) | (since & upto)).sortWithinPartitions(self._column)
