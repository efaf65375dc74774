"""The rule of a timeline's details in both its tongues: whole random lists of events, held against the plain one."""

import random
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from profiles.details import Reserved, is_shown
from profiles.transforms.timeline import timelines

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
STEPS = ("a", "b", "ab", "traits", "email", "user", "phone", "%", "_")
EVENTS = (
    "record_key string, source string, message_id string, occurred_at timestamp, type string, name string, "
    "channel string, amount double, properties map<string,string>"
)
ORDERS = (
    "record_key string, source string, order_id string, at timestamp, name string, channel string, units bigint, "
    "line_count bigint, dearest array<struct<rank:bigint,product_id:string,label:string,quantity:double>>"
)


def test_spark_shows_what_the_rule_shows(spark: SparkSession) -> None:
    drawn = random.Random(11)  # noqa: S311 - examples, not secrets

    def name() -> str:
        return ".".join(drawn.choice(STEPS) for _ in range(drawn.randint(1, 3)))

    reserved = Reserved.of(
        {"web": {name() for _ in range(4)}, "till": {name() for _ in range(3)}, "bare": ()}, {"email", name()}
    )
    rows: list[tuple[Any, ...]] = [
        (f"r{n}", drawn.choice(("web", "till", "bare", "gone")), f"m{n}", AT, "track", None, None, None,
         {name(): str(n) for _ in range(drawn.randint(0, 6))} if n % 7 else None)
        for n in range(300)
    ]  # fmt: skip
    found = timelines(
        spark.createDataFrame([(row[0], row[0]) for row in rows], "record_key string, profile_id string"),
        spark.createDataFrame([(row[0], ["service"]) for row in rows], "record_key string, purposes array<string>"),
        spark.createDataFrame([], ORDERS),
        spark.createDataFrame(rows, EVENTS),
        5,
        reserved,
    )
    told = {row["profile_id"]: row["entries"][0]["details"] for row in found.collect()}
    expected = {
        row[0]: {n: v for n, v in (row[8] or {}).items() if is_shown(n, reserved.names(row[1]))} for row in rows
    }
    assert told == expected
    assert 0 < sum(map(len, expected.values())) < sum(len(row[8] or {}) for row in rows)
