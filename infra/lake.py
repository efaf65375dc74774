"""Delta through Spark: every write is checked against its declaration and happens once a run, however often tried."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from infra import gains, reads, shelf
from infra.errors import Broken
from infra.tables import Table
from infra.together import together


class Lake:
    """The tables of one workspace as one run sees and writes them."""

    def __init__(self, spark: SparkSession, root: Path, run_number: int, base: Mapping[str, int]) -> None:
        self.spark = spark
        self.root = root
        self._run_number = run_number
        self._base = dict(base)

    def path(self, table: Table) -> str:
        """Return where a table lies."""
        return str(self.root / table.name)

    def ensure(self, tables: Iterable[Table]) -> None:
        """Create the tables that are not there yet, empty and with the properties that keep the log clean."""
        absent = [table for table in tables if not shelf.exists(self.root, table)]
        together(*(partial(self._create, table) for table in absent))

    def _create(self, table: Table) -> None:
        # What a run left that died at a table's first commit is no table to Delta, and stands in the way of one.
        shelf.clear_unborn(self.root, table)
        builder = DeltaTable.createIfNotExists(self.spark).location(self.path(table))
        builder = builder.addColumns(self.schema(table))
        for key, value in table.properties().items():
            builder = builder.property(key, value)
        builder.execute()

    def schema(self, table: Table) -> StructType:
        """Return a table's declaration as a Spark schema."""
        return cast("StructType", StructType.fromDDL(table.ddl()))

    def empty(self, table: Table) -> DataFrame:
        """Return no rows of a table's shape."""
        return self.spark.createDataFrame([], self.schema(table))

    def read(self, table: Table) -> DataFrame:
        """Return a table as it is now, with what this run wrote."""
        reads.note(table.name)
        return self.spark.read.format("delta").load(self.path(table))

    def read_base(self, table: Table) -> DataFrame:
        """Return a table as it was before this run, the same however often the run is resumed."""
        version = self._base.get(table.name)
        if version is None:
            return self.empty(table)
        reads.note(table.name)
        return self.spark.read.format("delta").option("versionAsOf", version).load(self.path(table))

    def based_on(self, base: Mapping[str, int]) -> Self:
        """Return the same lake for a run that builds on other versions."""
        return type(self)(self.spark, self.root, self._run_number, base)

    def settled(self, table: Table, number: int) -> int | None:
        """Return the version that the last run up to `number` left a table in, among those before this run; or None."""
        at = self._base.get(table.name)
        return None if at is None else shelf.written(self.root, table, _app(table, ""), number, at)

    def take_back(self, table: Table, version: int) -> None:
        """Bring a table back to a version, for this run to build on; what this run has written itself stays."""
        if shelf.transaction(self.root, table, _app(table, "")) < self._run_number:
            DeltaTable.forPath(self.spark, self.path(table)).restoreToVersion(version)

    def append(self, table: Table, frame: DataFrame, part: str = "") -> None:
        """Add rows to a table; a second call for the same run and part adds nothing."""
        self._write(table, frame, "append", part)

    def land(self, table: Table, frame: DataFrame, stream: str, number: int) -> None:
        """Add a stream's batch of a number to a table; the same batch of the same stream adds nothing again."""
        self._commit(table, frame, "append", f"{table.name}/{stream}", number)

    def remove(self, table: Table, condition: Column) -> None:
        """Take the rows that a condition names out of a table; to do so again changes nothing."""
        DeltaTable.forPath(self.spark, self.path(table)).delete(condition)

    def overwrite(self, table: Table, frame: DataFrame, part: str = "") -> None:
        """Replace a table's rows; a second call for the same run and part changes nothing."""
        self._write(table, frame, "overwrite", part)

    def replace(self, table: Table, rows: DataFrame, gone: DataFrame, keys: Sequence[str], part: str = "") -> None:
        """Take the rows with the keys in `gone` out and put `rows` in; a second call for the same run changes nothing.

        Two commits: a run that dies between them takes out once more what is out already, and goes on.
        """
        if shelf.transaction(self.root, table, _app(table, part)) >= self._run_number:
            return
        same = " AND ".join(f"held.{key} = gone.{key}" for key in keys)
        held = DeltaTable.forPath(self.spark, self.path(table)).alias("held")
        held.merge(gone.select(*keys).alias("gone"), same).whenMatchedDelete().execute()
        self.append(table, rows, part)

    def _write(self, table: Table, frame: DataFrame, mode: str, part: str) -> None:
        self._commit(table, frame, mode, _app(table, part), self._run_number)

    def _commit(self, table: Table, frame: DataFrame, mode: str, app: str, number: int) -> None:
        writer = checked(frame, self.schema(table), table.name).write.format("delta").mode(mode)
        # what replaces all rows may bring columns that an older Kindred did not declare
        writer = writer.option("mergeSchema", str(mode == "overwrite").lower())
        writer = writer.option("txnAppId", app).option("txnVersion", number)
        writer.save(self.path(table))

    def gained(self, table: Table, part: str, by: Sequence[str]) -> dict[tuple[Any, ...], int]:
        """Return how many rows this run's writes of a part added to a table, by the values of a few columns.

        They are counted in the files themselves, whichever attempt of a resumed run wrote them.
        """
        since = self._base.get(table.name, -1)
        return gains.rows_of(self.root / table.name, _app(table, part), self._run_number, since, by)

    def versions(self, tables: Iterable[Table]) -> dict[str, int]:
        """Return the newest version of each of the tables that exist."""
        return {t.name: shelf.version(self.root, t) for t in tables if shelf.exists(self.root, t)}


def _app(table: Table, part: str) -> str:
    return f"{table.name}/{part}"


def checked(frame: DataFrame, schema: StructType, name: str) -> DataFrame:
    """Return the frame in the declared order; raise `Broken` where names or types are not the declared ones."""
    have = {field.name: field.dataType for field in frame.schema.fields}
    want = {field.name: field.dataType for field in schema.fields}
    wrong = [
        f"{column}: {have[column].simpleString() if column in have else 'absent'} instead of {kind.simpleString()}"
        for column, kind in want.items()
        if column not in have or not same_type(have[column], kind)
    ]
    wrong += [f"{column}: not declared" for column in have if column not in want]
    if wrong:
        raise Broken(f"table {name} does not have its declared shape: {'; '.join(wrong)}")
    return frame.select(*[f.col(column).cast(want[column]) for column in want])


def same_type(left: DataType, right: DataType) -> bool:
    """Say whether two types are alike but for which of their parts may be null."""
    if isinstance(left, StructType) and isinstance(right, StructType):
        return left.names == right.names and all(
            same_type(a.dataType, b.dataType) for a, b in zip(left.fields, right.fields, strict=True)
        )
    if isinstance(left, ArrayType) and isinstance(right, ArrayType):
        return same_type(left.elementType, right.elementType)
    if isinstance(left, MapType) and isinstance(right, MapType):
        return same_type(left.keyType, right.keyType) and same_type(left.valueType, right.valueType)
    return left == right
