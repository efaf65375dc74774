"""A replay into a shadow: its lake holds what the span's rows come to today, and nothing else, run after run."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.tables import CONSENT_INBOX
from infra.runtime import Runtime
from infra.tables import Table
from ingestion.again.feed import ARRIVED, Again, Replayed
from ingestion.again.history import came
from ingestion.again.kept import LAKE, lake_rows, without_restricted
from ingestion.connectors.streamed import landed_rows
from ingestion.feed import PART
from ingestion.flow import Seen
from ingestion.intake import Intake
from ingestion.model import COUNTS, Account
from ingestion.rows import raw_rows
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS, RECOVERED, REPEATED, VERDICTS
from ingestion.transforms import current_records

# Where the facts of each kind of source lie, and under which key.
FACTS: Final[Mapping[str, tuple[Table, str]]] = {
    "person": (RECORDS, "key"),
    "event": (EVENTS, "message_id"),
    "catalogue": (CATALOGUE, "key"),
    "consent": (CONSENT_INBOX, "event_id"),
}
_TABLES: Final = (QUARANTINE, VERDICTS, RECORDS, CATALOGUE, CONSENT_INBOX, EVENTS, RECOVERED, REPEATED)


class Shadow(Again):
    """The rows of a span out of another workspace; record keys are the ones that they have there."""

    def __init__(
        self, runtime: Runtime, sources: Sequence[Replayed], seen: Runtime, restricted: Collection[str]
    ) -> None:
        super().__init__(runtime, sources)
        self._there_run, self._origin, self._restricted = seen, seen.lake, restricted
        self._intakes = [one.intake for one in sources if one.raw.files or one.raw.gone]
        self._put_already: set[str] = set()

    def _mine(self, table: Table) -> DataFrame:
        """Return nothing: what an earlier replay left here is replaced, not built upon."""
        return self._lake.empty(table)

    def _referable(self, table: Table) -> DataFrame:
        """Return the keys of the workspace that is shadowed: only a part of them comes here."""
        return self._origin.read_base(table)

    def _there(self, table: Table) -> DataFrame:
        """Return a table's rows of the sources in the workspace that is shadowed."""
        return self._origin.read_base(table).where(f.col("source").isin([i.source.source for i in self._intakes]))

    def _read(self, intake: Intake) -> DataFrame:
        root, reading, fresh = self._there_run.workspace.root, intake.reading, intake.taken.fresh
        if intake.landed:
            return landed_rows(self._origin, intake.source.source, fresh, reading.columns, intake.naming)
        return raw_rows(self._lake.spark, root, reading, fresh, intake.naming, self._keep)

    def _source_rows(self, intake: Intake) -> DataFrame:
        raw = super()._source_rows(intake) if intake.taken.fresh else None
        if not self._raws[intake.source.source].gone:
            return raw if raw is not None else self._lake_rows(intake)
        kept = self._lake_rows(intake)
        if raw is None:
            return kept
        # What a raw row tells is not told by the lake.
        place = ["source", "key", ARRIVED]
        there = raw.select(*place).distinct()
        return raw.unionByName(kept.join(there, place, "left_anti"), allowMissingColumns=True)

    def _lake_rows(self, intake: Intake) -> DataFrame:
        source, span = intake.source, self._raws[intake.source.source].span
        table, key = FACTS[source.record]
        mine = self._there(table).where(f.col("source") == source.source)
        if table is RECORDS:
            mine = mine.where("kind = 'person'")
        arrived = came(mine, self._there(RECOVERED), key)
        within = arrived.where((f.col("came") >= f.lit(span.since)) & (f.col("came") < f.lit(span.until)))
        rows = lake_rows(within, table, source, intake.reading.jurisdiction)
        return without_restricted(rows, source, self._restricted, self._there_run.workspace.token_key())

    def _accounts(self, judged: DataFrame) -> tuple[Account, ...]:
        """Return the fate of every row; those out of the lake are accounted for as one file of each source."""
        accounts = super()._accounts(judged)
        counted = (
            judged.where(f.col("file") == LAKE)
            .groupBy("source")
            .agg(
                f.count("*").alias("read"),
                f.count_if("changed").alias("changed"),
                f.count_if(self._enters_verdicts()).alias("untold"),
                *(
                    f.count_if(f.col("verdict") == name).alias(name)
                    for name in COUNTS
                    if name not in ("read", "changed")
                ),
            )
        )
        found = {row["source"]: row.asDict() for row in counted.collect()}
        kept = []
        for name, raw in self._raws.items():
            if raw.gone:
                counts = found.get(name, {"source": name, "untold": 0})
                self._seen[name] = self._seen.get(name, Seen()) + Seen(untold=counts.pop("untold"))
                kept.append(Account(file=LAKE, **counts))
        return (*accounts, *kept)

    def _judged(self, rows: DataFrame, found: DataFrame) -> DataFrame:
        judged = super()._judged(rows, found)
        persons = self._there(RECORDS).where("kind = 'person'")
        keys = persons.select("source", "key", f.col("record_key").alias("its_key")).dropDuplicates(["source", "key"])
        joined = judged.join(keys, ["source", "key"], "left")
        return joined.withColumn("known_key", f.coalesce("its_key", "known_key")).drop("its_key")

    def _known_subjects(self, judged: DataFrame) -> DataFrame:  # noqa: ARG002 - all are known, whatever was judged
        """Return the subjects as far as their keys go; of a source whose raw rows are gone, with what they told."""
        gone = [name for name, raw in self._raws.items() if raw.gone]
        told = f.col("source").isin(gone)
        known = current_records(self._there(RECORDS).where("kind = 'subject'"))
        return known.withColumns(
            {
                "attributes": f.map_filter("attributes", lambda _key, _value: told),
                "identifiers": f.filter("identifiers", lambda _one: told),
                "observed_at": f.when(told, f.col("observed_at")),
                "content_hash": f.lit(None).cast("string"),
            }
        )

    def _put(self, table: Table, frame: DataFrame) -> None:
        self._lake.overwrite(table, frame, PART)
        self._put_already.add(table.name)

    def _write(self, judged: DataFrame) -> None:
        super()._write(judged)
        for table in _TABLES:
            if table.name not in self._put_already:
                self._put(table, self._lake.empty(table))
