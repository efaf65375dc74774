"""Retention by purpose: records that a purpose may not use any longer, though others may keep them."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.model import Policy
from consent.retention import columns
from consent.retention.config import load_retention
from identity.activity import last_activity
from infra.runtime import Runtime
from ingestion.tables import RECORDS


def withheld(runtime: Runtime, policy: Policy) -> DataFrame | None:
    """Return (record_key, purpose): what a build leaves out of a purpose, with all that happened at the record.

    A record counts by its newest version. None where no rule names a purpose.
    """
    rules = [rule for rule in load_retention(runtime.workspace) if rule.table == RECORDS.name]
    if not any(rule.purpose for rule in rules):
        return None
    newest = (
        runtime.lake.read(RECORDS)
        .groupBy("record_key", "source")
        .agg(f.max(f.least("observed_at", "received_at")).alias("occurred"), f.max("received_at").alias("received"))
    )
    if any(rule.counted_from == "last_activity" for rule in rules):
        newest = newest.join(last_activity(runtime.lake)[0], "record_key", "left")
    else:
        newest = newest.withColumn("last_at", f.col("occurred"))
    ended = columns.withheld(
        rules,
        RECORDS.name,
        list(policy.purposes),
        runtime.run.started_at,
        {"occurred": f.col("occurred"), "received": f.col("received"), "last_activity": f.col("last_at")},
    )
    return newest.select("record_key", f.explode(ended).alias("purpose"))
