"""The engine on a cluster: Spark joins and shuffles, DuckDB weighs inside its Python workers. Nothing passes the driver.

The steps' SQL is run as it stands; weights and postings are made by the same DuckDB SQL as on one machine, a batch of
rows at a time, so that both engines give the same to the bit.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from identity import transforms
from identity.config import IdentityConfig, rules
from identity.engine.postings import limited_value, postings_sql
from identity.matching import scoring
from identity.matching.registry import MatchModel
from identity.tables import RECORD_FEATURES
from infra.arrow import schema
from infra.errors import Broken
from infra.tables import Table

OpenBase = Callable[[Table], DataFrame]
"""Opens a lake table as it was before the run."""

# Columns that are never null in any step's table: Spark turns `NOT IN` into a plain anti-join only where it knows that.
_NEVER_NULL = {"record_key": "''", "profile_id": "''", "component": "''", "id": "''", "rule": "0L", "block": "0L"}
_MAY_BE_NULL = {"told", "events_now"}
_PAIRS_AT_ONCE = 50_000
_POSTING = "rule bigint, block bigint, record_key string, seen_from bigint, seen_to bigint"
_WEIGHED = (
    "left_key string, right_key string, rule_mask bigint, weight_micro bigint, conflict_micro bigint, kind string, "
    "reasons array<struct<comparison:string,level:string,weight_micro:bigint>>"
)


class Distributed:
    """Tables are Parquet in the folder `work`, which all workers reach."""

    def __init__(self, spark: SparkSession, config: IdentityConfig, open_base: OpenBase, work: str) -> None:
        self._spark = spark
        self._config = config
        self._open = open_base
        self._work = work
        self._weigher: _Weigher | None = None
        self._made = 0
        self._names: set[str] = set()
        self._paths: dict[str, str] = {}

    def weigh_by(self, model: MatchModel, frequencies: pa.Table) -> None:
        """Say what pairs are weighed with: a model and its frozen frequencies, which go to every worker."""
        self._weigher = _Weigher(model, self._config, frequencies)

    def make(self, name: str, query: str) -> None:
        """Make the table `name` from a query, in place of one that has the name."""
        self.put(name, self._spark.sql(query))

    def add(self, name: str, query: str) -> None:
        """Add the rows of a query, which has the columns of the table `name`, to that table."""
        # files are never added to: a step that is tried again would add twice
        self.put(name, self._spark.table(name).unionByName(self._spark.sql(query)))

    def put(self, name: str, frame: DataFrame) -> None:
        """Make the table `name` from a frame."""
        # written out and read back: a plan that grew through all steps would not fit into the driver
        self._made += 1
        path = f"{self._work}/{self._made:04d}-{name}"
        self._paths[name] = path
        frame.write.mode("overwrite").parquet(path)
        self.keep(name, self._spark.read.schema(frame.schema).parquet(path))

    def keep(self, name: str, files: DataFrame) -> None:
        """Make the table `name` from a frame over files that stay as they are."""
        if name not in _MAY_BE_NULL:
            files = files.select(*[_sure(column) for column in files.columns])
        files.createOrReplaceTempView(name)
        self._names.add(name)

    def frame(self, name: str) -> DataFrame:
        """Return a table as a frame."""
        return self._spark.table(name)

    def files(self, name: str) -> str:
        """Return where the Parquet files of a table lie that was made, for engines that read them themselves."""
        return f"{self._paths[name]}/*.parquet"

    def drop(self, *names: str) -> None:
        """Let go of tables that no later step reads; their files go with the work folder."""
        for name in names:
            self._spark.catalog.dropTempView(name)
            self._names.discard(name)

    def close(self) -> None:
        """Let go of all tables."""
        self.drop(*sorted(self._names))

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        return self._spark.table(name).count()

    def base(self, table: Table, columns: Sequence[str] | None = None) -> str:
        """Return a name for a lake table as it was before this run."""
        name = f"base_{table.name}"
        found = self._open(table)
        (found.select(*columns) if columns is not None else found).createOrReplaceTempView(name)
        self._names.add(name)
        return name

    def limited(self, column: str) -> str:
        """Return SQL for the `type:first:last:token` of the identifiers in a column that a person may have only so many of."""
        types = ", ".join(f"'{name}'" for name, kind in self._config.identifiers.items() if kind.limit)
        if not types:
            return "CAST(array() AS ARRAY<STRING>)"
        return f"transform(filter({column}, i -> i.type IN ({types})), i -> {limited_value(self._config)})"

    def post(self, records: str, into: str) -> None:
        """Make `into` (`postings.SIGHTING`) from records: every key that candidates are looked for by."""
        query, declared = postings_sql(self._config, "records"), schema(RECORD_FEATURES)

        def posted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            connection = scoring.connect(threads=1)
            for batch in batches:
                connection.register("arrived", pa.Table.from_batches([batch]).select(declared.names).cast(declared))
                connection.execute("CREATE OR REPLACE TABLE records AS SELECT * FROM arrived")
                yield from connection.sql(query).to_arrow_table().to_batches()

        self.put(into, self._spark.table(records).mapInArrow(posted, _POSTING))

    def weigh(self, pairs: str, into: str, above: int | None = None) -> None:
        """Make `into` from pairs (left_key, right_key, rule_mask) of records in `features`: see `scoring.weigh`.

        With `above` only pairs that weigh more micro-bits than that are kept.
        """
        names = schema(RECORD_FEATURES).names
        whole = self._spark.table("features").select("record_key", f.struct(*names).alias("record"))
        left = whole.select(f.col("record_key").alias("left_key"), f.col("record").alias("l"))
        right = whole.select(f.col("record_key").alias("right_key"), f.col("record").alias("r"))
        both = self._spark.table(pairs).join(left, "left_key").join(right, "right_key")
        if self._weigher is None:
            raise Broken("pairs are to be weighed before it was said by what")
        found = both.select("left_key", "right_key", "rule_mask", "l", "r").mapInArrow(self._weigher, _WEIGHED)
        self.put(into, found if above is None else found.where(f.col("weight_micro") > above))

    def components(self, nodes: str, edges: str, into: str) -> None:
        """Make `into` (record_key, component): connected components, each named by its smallest key.

        Alternating large and small stars (Kiveris et al., Connected Components in MapReduce and Beyond, SoCC 2014):
        every round halves what is between a record and its smallest, and ends when a round changes nothing.
        """
        self.make(
            "star", f"SELECT greatest(left_key, right_key) AS above, least(left_key, right_key) AS below FROM {edges}"
        )
        before = None
        while before != (before := self._spread()):
            pass
        self.make(
            into,
            f"SELECT n.record_key AS record_key, coalesce(s.below, n.record_key) AS component FROM {nodes} n "
            "LEFT JOIN star s ON s.above = n.record_key",
        )

    def _spread(self) -> tuple[int, str]:
        """Do one round of both stars; return what tells one state of `star` from another."""
        self.make(
            "star",
            "WITH ray AS (SELECT above AS hub, below AS tip FROM star UNION SELECT below, above FROM star), "
            "hub AS (SELECT hub, least(hub, min(tip)) AS lowest FROM ray GROUP BY hub) "
            "SELECT DISTINCT r.tip AS above, h.lowest AS below FROM ray r JOIN hub h ON h.hub = r.hub "
            "WHERE r.tip > r.hub AND r.tip <> h.lowest",
        )
        self.make(
            "star",
            "WITH hub AS (SELECT above AS hub, min(below) AS lowest FROM star GROUP BY above) "
            "SELECT s.below AS above, h.lowest AS below FROM star s JOIN hub h ON h.hub = s.above WHERE s.below <> h.lowest "
            "UNION SELECT hub, lowest FROM hub",
        )
        told = self._spark.sql(
            "SELECT count(*) AS n, coalesce(sum(CAST(xxhash64(above, below) AS DECIMAL(38, 0))), 0) AS s FROM star"
        )
        row = told.first()
        return (int(row["n"]), str(row["s"])) if row else (0, "")

    def settle(self, parts: str, into: str) -> None:
        """Make `into` (`components.SETTLED`) from parts (`components.PART`): every piece settled alone."""
        buckets = transforms.buckets(self.count(parts))
        self.put(into, transforms.persons(self._spark.table(parts), rules(self._config), buckets))


def _sure(column: str) -> Column:
    if column not in _NEVER_NULL:
        return f.col(column)
    return f.coalesce(f.col(column), f.expr(_NEVER_NULL[column])).alias(column)


class _Weigher:
    """Weighs the pairs of a partition in a DuckDB of its own; both records of a pair come with it."""

    def __init__(self, model: MatchModel, config: IdentityConfig, frequencies: pa.Table) -> None:
        self._model = model
        self._config = config
        self._frequencies = frequencies

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        connection = scoring.connect(threads=1)
        connection.register("frozen", self._frequencies)
        connection.execute("CREATE TABLE frequencies AS SELECT * FROM frozen ORDER BY ALL")
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            if sum(one.num_rows for one in held) >= _PAIRS_AT_ONCE:
                yield from self._weighed(connection, held)
                held = []
        if held:
            yield from self._weighed(connection, held)

    def _weighed(self, connection: duckdb.DuckDBPyConnection, held: list[pa.RecordBatch]) -> list[Any]:
        rows = pa.Table.from_batches(held)
        declared = schema(RECORD_FEATURES)
        sides = [
            pa.Table.from_struct_array(rows.column(side).combine_chunks()).select(declared.names).cast(declared)
            for side in ("l", "r")
        ]
        connection.register("pair_rows", rows.select(["left_key", "right_key", "rule_mask"]))
        connection.register("record_rows", pa.concat_tables(sides))
        connection.execute("CREATE OR REPLACE TABLE pairs AS SELECT * FROM pair_rows ORDER BY ALL")
        connection.execute(
            "CREATE OR REPLACE TABLE features AS SELECT * FROM record_rows "
            "QUALIFY row_number() OVER (PARTITION BY record_key) = 1 ORDER BY record_key"
        )
        scoring.weigh(connection, self._model, self._config, "pairs", "weighed_pairs")
        names = [part.split()[0] for part in _WEIGHED.partition(" reasons")[0].strip(", ").split(", ")]
        chosen = connection.sql(f"SELECT {', '.join(names)}, reasons FROM weighed_pairs").to_arrow_table()
        return list(chosen.to_batches())
