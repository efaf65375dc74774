"""What the declarations, as they are written now, would have said of the rows of a span; nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from infra.runtime import Runtime
from ingestion.again.feed import ARRIVED, Again, replayed
from ingestion.again.raw import Raw, raw_of
from ingestion.again.span import Span
from ingestion.config import Source
from ingestion.errors import NothingCame
from ingestion.intake import Terms
from ingestion.periods import EXPIRED
from ingestion.read import UNSTORED
from ingestion.tables import QUARANTINE, VERDICTS

_EXAMPLES: Final = 3
_TAKEN: Final = "taken in"
_THEN, _NOW = ("then", "then_field", "then_rule"), ("now", "now_field", "now_rule")
_GROUP: Final = ("source", *_THEN, *_NOW)
_PLACE: Final = ("source", "base", "position")


class Against(Again):
    """The rows of a span held to today's declarations, beside what was said of them when they came."""

    def counted(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows by what was said then and would be said now, and the soft faults of those that pass now.

        A row that a replay or a fix took in later counts as what it was first.
        """
        with self._reading():
            rows = self._kept(self._referred(self._rows()))
            judged = self._kept(self._beside(rows))
            groups = judged.groupBy(*_GROUP).agg(f.count("*").alias("rows")).orderBy(*_GROUP).collect()
            places = self._places(judged)
            notes = rows.where("status = 'accepted'").select("source", f.explode("notes").alias("note"))
            soft = notes.groupBy("source", "note").agg(f.count("*").alias("rows")).orderBy("source", "note").collect()
        told = [{**row.asDict(), "places": places.get(tuple(row)[: len(_GROUP)], [])} for row in groups]
        return told, [row.asDict() for row in soft]

    def _beside(self, rows: DataFrame) -> DataFrame:
        now = f.when(f.col("status") == "accepted", _TAKEN).otherwise(f.col("status"))
        wrong = {name: f.when(now == "quarantined", f.col(f"broken.{name}")) for name in ("field", "rule")}
        moments = f.concat(f.array(ARRIVED), "reread")
        held = rows.select(
            *("source", f.regexp_extract("file", "[^/]*$", 0).alias("base"), "position", "key_token", ARRIVED),
            *(now.alias("now"), wrong["field"].alias("now_field"), wrong["rule"].alias("now_rule")),
            moments.alias("moments"),
        )
        joined = held.join(self._rejected_then(held), list(_PLACE), "left").join(
            self._unstored_then(), ["source", "key_token", ARRIVED], "left"
        )
        then = f.when(f.col("then_rule").isNotNull(), "quarantined").otherwise(f.coalesce("unstored", f.lit(_TAKEN)))
        return joined.select(*_PLACE, then.alias("then"), "then_field", "then_rule", *_NOW)

    def _rejected_then(self, held: DataFrame) -> DataFrame:
        """Return for each place the first rejection that it had at one of the moments when its file was read."""
        entries = self._mine(QUARANTINE).select(
            "source", f.col("file").alias("base"), "position", "field", "rule", "received_at", "batch"
        )
        mine = held.select(*_PLACE, "moments").join(entries, list(_PLACE))
        first = f.min_by(f.struct("field", "rule"), f.struct("batch", "field", "rule")).alias("told")
        found = mine.where(f.array_contains("moments", f.col("received_at"))).groupBy(*_PLACE).agg(first)
        return found.select(*_PLACE, f.col("told.field").alias("then_field"), f.col("told.rule").alias("then_rule"))

    def _unstored_then(self) -> DataFrame:
        told = self._mine(VERDICTS).where(f.col("verdict").isin(*UNSTORED, EXPIRED))
        named = told.groupBy("source", f.col("token").alias("key_token"), f.col("received_at").alias(ARRIVED))
        return named.agg(f.min("verdict").alias("unstored"))

    def _places(self, judged: DataFrame) -> dict[tuple[Any, ...], list[str]]:
        """Return the first places of the rows of which something else would be said."""
        order = Window.partitionBy(*_GROUP).orderBy("base", "position")
        numbered = judged.where(_differs()).withColumn("nth", f.row_number().over(order))
        found: dict[tuple[Any, ...], list[str]] = {}
        for row in numbered.where(f.col("nth") <= _EXAMPLES).orderBy(*_GROUP, "nth").collect():
            key = tuple(row[name] for name in _GROUP)
            found.setdefault(key, []).append(f"{row['source']}:{row['base']}:{row['position']}")
        return found


def _differs() -> Column:
    same = [f.col(then).eqNullSafe(f.col(now)) for then, now in zip(_THEN, _NOW, strict=True)]
    return ~(same[0] & same[1] & same[2])


def against(runtime: Runtime, sources: Sequence[Source], terms: Terms, span: Span) -> dict[str, object]:
    """Return what today's declarations would say of what came in a span, beside what was said, and how much is seen."""
    raws = [raw_of(runtime.workspace, runtime.database, source, span) for source in sources]
    if not any(raw.rows or raw.gone for raw in raws):
        raise NothingCame([raw.source.source for raw in raws], str(span))
    seen = [replayed(runtime, raw, terms) for raw in raws if raw.files]
    told, soft = Against(runtime, seen).counted() if seen else ([], [])
    found = {"seen": [_seen(raw) for raw in raws], "verdicts": told, "soft": soft}
    for line in lines(found):
        runtime.say(line)
    return dict(found)


def _seen(raw: Raw) -> dict[str, Any]:
    return {"source": raw.source.source, "rows": raw.rows, "rows_gone": raw.rows_gone, "said": list(raw.lines())}


def lines(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield for people what can be seen, and what would be said."""
    for source in found["seen"]:
        yield from source["said"]
    for row in found["verdicts"]:
        then, now = (_said(*(row[name] for name in names)) for names in (_THEN, _NOW))
        if then == now:
            yield f"{row['source']}: {row['rows']:,} rows {now}, as then"
        else:
            yield f"{row['source']}: {row['rows']:,} rows {now}, then {then}; {', '.join(row['places'])}"
    for row in found["soft"]:
        yield f"{row['source']}: {row['note']} in {row['rows']:,} rows that are taken in"


def _said(verdict: str, field: str | None, rule: str | None) -> str:
    return verdict if rule is None else f"{verdict} for {f'{field}: ' if field else ''}{rule}"
