"""How a shadow differs from the workspace that it shadows, within the span that was replayed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from infra.lake import Lake
from ingestion.again.history import came
from ingestion.again.shadow import FACTS
from ingestion.again.span import Span
from ingestion.config import Source
from ingestion.facts import inbox_content
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS, RECOVERED
from ingestion.transforms import content_hash


@dataclass(frozen=True, slots=True)
class Difference:
    """One source here and there: keys that only one of both has, those that say something else, other record keys."""

    source: str
    keys_there: int
    keys_here: int
    only_there: int
    only_here: int
    changed: int
    other_record_keys: int

    def line(self) -> str:
        """Say it to people."""
        return (
            f"{self.source}: {self.keys_here:,} keys are taken in, {self.keys_there:,} in the original: "
            f"{self.only_here:,} only here, {self.only_there:,} only there, {self.changed:,} say something else"
        )


@dataclass(frozen=True, slots=True)
class Rejections:
    """Rejected rows of one source for one reason, here and there."""

    source: str
    field: str | None
    rule: str
    there: int
    here: int

    def line(self) -> str:
        """Say it to people."""
        what = f"{self.field}: {self.rule}" if self.field else self.rule
        return f"{self.source}: quarantined for {what}: {self.here:,} here, {self.there:,} in the original"


def compared(shadow: Lake, origin: Lake, sources: Sequence[Source], span: Span) -> dict[str, list[dict[str, Any]]]:
    """Return the differences for machines."""
    differences = [_difference(shadow, origin, source, span) for source in sources]
    rejections = list(_rejections(shadow, origin, [source.source for source in sources], span))
    return {"differences": [asdict(one) for one in differences], "quarantined": [asdict(one) for one in rejections]}


def lines(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield the differences for people."""
    yield from (Difference(**one).line() for one in found["differences"])
    yield from (Rejections(**one).line() for one in found["quarantined"])


def _difference(shadow: Lake, origin: Lake, source: Source, span: Span) -> Difference:
    there = _newest(_facts(origin, source, origin.read_base(RECOVERED), span)).withColumn("t", f.lit(1))
    here = _newest(_facts(shadow, source, shadow.empty(RECOVERED), None)).withColumn("h", f.lit(1))
    left, right = there.alias("l"), here.alias("r")
    joined = left.join(right, f.col("l.key") == f.col("r.key"), "full")
    differs = {name: ~f.col(f"l.{name}").eqNullSafe(f.col(f"r.{name}")) for name in ("content_hash", "record_key")}
    in_both = f.col("t").isNotNull() & f.col("h").isNotNull()
    row = joined.agg(
        f.count("t").alias("keys_there"),
        f.count("h").alias("keys_here"),
        f.count_if(f.col("h").isNull()).alias("only_there"),
        f.count_if(f.col("t").isNull()).alias("only_here"),
        f.count_if(in_both & differs["content_hash"]).alias("changed"),
        f.count_if(in_both & differs["record_key"]).alias("other_record_keys"),
    ).first()
    return Difference(source.source, **(row.asDict() if row else {}))


def _facts(lake: Lake, source: Source, recovered: DataFrame, span: Span | None) -> DataFrame:
    table, key = FACTS[source.record]
    facts = (lake.read_base(table) if span else lake.read(table)).where(f.col("source") == source.source)
    if table is RECORDS:
        facts = facts.where("kind = 'person'")
    arrived = came(facts, recovered, key)
    if span is not None:
        arrived = arrived.where((f.col("came") >= f.lit(span.since)) & (f.col("came") < f.lit(span.until)))
    if table not in (RECORDS, EVENTS, CATALOGUE):
        arrived = inbox_content(arrived).withColumns(
            {"content_hash": content_hash("consent"), "observed_at": f.col("at")}
        )
    at = f.col("observed_at") if "observed_at" in arrived.columns else f.lit(None).cast("timestamp")
    order = next((f.col(name) for name in ("sequence", "version") if name in arrived.columns), f.lit(0))
    record = f.col("record_key") if "record_key" in arrived.columns else f.lit(None).cast("string")
    return arrived.select(
        f.col(key).alias("key"), "content_hash", record.alias("record_key"), at.alias("at"), order.alias("o")
    )


def _newest(facts: DataFrame) -> DataFrame:
    """Return what each key says at last."""
    told = f.max_by(f.struct("content_hash", "record_key"), f.struct("at", "o")).alias("told")
    return facts.groupBy("key").agg(told).select("key", "told.content_hash", "told.record_key")


def _rejections(shadow: Lake, origin: Lake, names: Sequence[str], span: Span) -> Iterator[Rejections]:
    mine = f.col("source").isin(list(names))
    within = (f.col("received_at") >= f.lit(span.since)) & (f.col("received_at") < f.lit(span.until))
    there = origin.read_base(QUARANTINE).where(mine & within).withColumn("here", f.lit(0))
    here = shadow.read(QUARANTINE).where(mine).withColumn("here", f.lit(1))
    counted = (
        there.unionByName(here)
        .groupBy("source", "field", "rule")
        .agg(f.count_if(f.col("here") == 0).alias("there"), f.count_if(f.col("here") == 1).alias("here"))
        .orderBy("source", "field", "rule")
    )
    yield from (Rejections(**row.asDict()) for row in counted.collect())
