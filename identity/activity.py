"""When each person was last active, by any record of theirs; and which ids nobody has when their last record is gone."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from identity.cookies.intervals import event_assignments
from identity.tables import (
    COOKIE_INTERVAL,
    IDENTITY_EVENTS,
    MEMBERSHIP,
    PROFILE_ALIAS,
    PROFILE_INDEX,
    RESOLUTION,
    SUCCESSION,
)
from infra import shelf
from infra.errors import Refused
from infra.lake import Lake
from ingestion.tables import EVENTS, RECORDS
from ingestion.transforms import current_events


class NotResolved(Refused):
    """Facts that no resolution has seen: nobody knows yet whose activity they are."""

    def __init__(self) -> None:
        super().__init__(
            "facts came in since the last resolution, so nobody knows when each person was last active; say `kindred "
            "run` first, then `kindred maintain`"
        )


def last_activity(lake: Lake) -> tuple[DataFrame, DataFrame]:
    """Return (record_key, last_at) and (source, message_id, last_at): when the person of each was last active.

    What is told of the future counts from its arrival. A record of nobody stands for itself, and so does an event.
    """
    _resolved(lake)
    events = event_assignments(current_events(lake.read(EVENTS)), lake.read(COOKIE_INTERVAL)).select(
        "source", "message_id", "record_key", f.least("occurred_at", "received_at").alias("at")
    )
    said = lake.read(RECORDS).select("record_key", f.least("observed_at", "received_at").alias("at"))
    happened = events.where(f.col("record_key").isNotNull()).select("record_key", "at")
    own = said.unionByName(happened).groupBy("record_key").agg(f.max("at").alias("at"))
    person = f.coalesce("profile_id", "record_key").alias("person")
    placed = own.join(lake.read(MEMBERSHIP).select("record_key", "profile_id"), "record_key", "left")
    placed = placed.select("record_key", person, "at")
    newest = placed.groupBy("person").agg(f.max("at").alias("last_at"))
    records = placed.join(newest, "person").select("record_key", "last_at")
    lasting = events.join(records, "record_key", "left")
    return records, lasting.select("source", "message_id", f.coalesce("last_at", "at").alias("last_at"))


def _resolved(lake: Lake) -> None:
    """Raise `NotResolved` where records or events came in after the run that resolved last."""
    newest = f.max("batch").alias("batch")
    row = lake.read(RESOLUTION).agg(newest).first() if shelf.exists(lake.root, RESOLUTION) else None
    seen = -1 if row is None or row["batch"] is None else int(row["batch"])
    for table in (RECORDS, EVENTS):
        if not lake.read(table).where(f.col("batch") > seen).isEmpty():
            raise NotResolved


def ids_of_nobody(lake: Lake, records: DataFrame) -> DataFrame:
    """Return (id): every id that was given out for records (record_key) that are gone, and that leads to nobody now."""
    told = lake.read(IDENTITY_EVENTS).join(records, "record_key", "left_semi").select(f.col("profile_id").alias("id"))
    was = lake.read_base(MEMBERSHIP).join(records, "record_key", "left_semi").select(f.col("profile_id").alias("id"))
    ids = records.select(f.col("record_key").alias("id")).union(told).union(was).distinct()
    people = lake.read(PROFILE_INDEX).select(f.col("profile_id").alias("id"))
    members = lake.read(MEMBERSHIP).select("record_key")
    alias = lake.read(PROFILE_ALIAS).select(f.col("alias_id").alias("id"), f.col("profile_id").alias("now"))
    alias = alias.join(people.withColumnRenamed("id", "now"), "now", "left_semi").select("id")
    heirs = lake.read(SUCCESSION).join(members, f.col("heir") == f.col("record_key"), "left_semi").select("id")
    living = people.union(members).union(alias).union(heirs).distinct()
    return ids.join(living, "id", "left_anti")
