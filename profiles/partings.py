"""What a build keeps and tells of merges and splits: refusals that outlive them, and the purposes that they cost."""

from collections import Counter
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.clearing import clearings
from infra import shelf
from infra.runtime import Runtime
from profiles.feed import Facts
from profiles.tables import BORROWED_REFUSALS, CONSENT_CHANGES, PROFILE_CONSENT, PROFILE_GRAPH
from profiles.transforms import borrowed

_CLEARED = "record_key string, sid string, at timestamp"


@dataclass(frozen=True, slots=True)
class Parting:
    """The merges and splits between the last build and this one, as the decision must know them."""

    runtime: Runtime
    facts: Facts
    held: DataFrame
    words: DataFrame
    carried: DataFrame

    @classmethod
    def of(cls, runtime: Runtime, facts: Facts, held: DataFrame, carried: DataFrame) -> "Parting":
        """Return what this build finds: `held` against each person by now, and what their records `carry`."""
        return cls(runtime, facts, held, borrowed.denying(facts.ledger), carried.select("profile_id", "token"))

    def keep(self) -> DataFrame:
        """Write down which records keep refusals of sids that left their person, and return them."""
        runtime, membership = self.runtime, self.facts.membership
        rows = [(one.record_key, one.sid, one.at) for one in clearings(runtime.database)]
        found = borrowed.borrowed(
            runtime.lake.read_base(BORROWED_REFUSALS),
            borrowed.held_before(runtime.lake.read_base(PROFILE_GRAPH), self.words),
            borrowed.held_by(self.carried, membership),
            self.words,
            membership,
            runtime.lake.spark.createDataFrame(rows, _CLEARED),
            f.lit(runtime.run.started_at),
            runtime.run.number,
        )
        runtime.lake.overwrite(BORROWED_REFUSALS, found)
        return runtime.lake.read(BORROWED_REFUSALS)

    def holders(self, kept: DataFrame) -> DataFrame:
        """Return everybody's holders, the refusals that they keep among them."""
        sids = self.words.select("token", "sid").distinct()
        return self.held.unionByName(borrowed.holders(kept, self.held, sids))

    def ledger(self, kept: DataFrame) -> DataFrame:
        """Return the ledger with what bears on those who keep refusals."""
        return borrowed.ledger(self.facts.ledger, kept)

    def tell(self) -> None:
        """Write down, once the build has decided, which purposes merges and splits cost or opened, and say how many."""
        lake, facts, number = self.runtime.lake, self.facts, self.runtime.run.number
        graph = lake.read_base(PROFILE_GRAPH)
        moved = borrowed.moved(graph, facts.membership)
        changed = borrowed.changes(moved, lake.read_base(PROFILE_CONSENT), lake.read(PROFILE_CONSENT))
        blamed = borrowed.blamed(changed, self.held, borrowed.against_before(graph), self.words)
        told = borrowed.bridged(blamed, graph, facts.membership, facts.edges)
        lake.append(CONSENT_CHANGES, told.withColumn("batch", f.lit(number).cast("bigint")))
        counts: Counter[tuple[str, bool, str]] = Counter()
        columns = ["batch", "kind", "allowed", "purpose"]
        for batch in shelf.batches(self.runtime.workspace.lake_path, CONSENT_CHANGES, columns=columns):
            rows = (row for row in batch.to_pylist() if row["batch"] == number)
            counts.update((row["kind"], row["allowed"], row["purpose"]) for row in rows)
        for (kind, allowed, purpose), many in sorted(counts.items()):
            self.runtime.say(
                f"consent at {kind}: {purpose} {'gained' if allowed else 'lost'} by {many:,} (consent changes)"
            )
