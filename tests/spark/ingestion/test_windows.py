"""What is said again under another key is told as a repetition: the plan says what the rule says, run after run."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import functions as f

from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.repeats import Said, firsts
from ingestion.tables import EVENTS
from ingestion.verdict import verdicts
from ingestion.windows import repeated

pytestmark = pytest.mark.spark

START = datetime(2026, 1, 1, tzinfo=UTC)
WITHIN = timedelta(minutes=10)
TEXTS = ("type", "order_id", "product_id", "campaign", "coupon", "channel", "quantity", "amount")
SHAPE = (
    "source string, key string, subject string, name string, at timestamp, properties map<string,string>, "
    "changed boolean, position bigint, identifiers array<struct<type:string,value:string,token:string>>"
)

# Who said what in which minute, and whether it corrects an event under its own key.
Row = tuple[str | None, str, int, bool]
LISTS = 60
SEED = Random().randrange(10**6) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 7  # noqa: S311 - no secret
# A place in a list: which source's, which event of it.
Place = tuple[str, int]


@pytest.fixture(scope="module")
def plan(spark: Any) -> Any:
    """Return what tells which events repeat which, all lists at a time."""

    def run(rows: dict[str, list[Row]], known: list[Place], fresh: list[Place]) -> dict[Place, str]:
        def frame(places: list[Place]) -> Any:
            lines = [(source, *_line(number, *rows[source][number])) for source, number in places]
            texts = {name: f.lit(None).cast("string") for name in TEXTS}
            return spark.createDataFrame(lines, SHAPE).withColumns({"file": f.lit("a"), **texts})

        judged = frame(fresh).withColumn("verdict", f.lit("accepted"))
        there = frame(known).withColumnsRenamed({"key": "message_id", "at": "occurred_at"}).drop("file", "position")
        found = repeated(judged, there.withColumn("received_at", f.lit(START)), dict.fromkeys(rows, WITHIN))
        return {(row["source"], row["position"]): row["first"] for row in found.collect()}

    return run


def _line(number: int, who: str | None, said: str, minute: int, changed: bool) -> tuple[Any, ...]:  # noqa: FBT001
    moment, told = START + timedelta(minutes=minute), {"said": said, "skew.sentAt": f"{number}"}
    return f"m{number}", who, "Seen", moment, told, changed, number, [("cookie", "c", f"{number}")]


def by_the_rule(rows: dict[str, list[Row]]) -> dict[Place, str]:
    found: dict[Place, str] = {}
    for source, told in rows.items():
        for thing in {(who, said) for who, said, *_ in told if who is not None}:
            mine = [n for n, (who, said, *_) in enumerate(told) if (who, said) == thing]
            order = [Said(told[n][2], f"m{n}", told[n][3]) for n in mine]
            pairs = zip(mine, firsts(order, 10), strict=True)
            found |= {(source, n): first for n, first in pairs if first is not None}
    return found


def test_the_plan_says_what_the_rule_says_however_the_events_are_cut(plan: Any) -> None:
    random = Random(SEED)  # noqa: S311 - a seed, no secret
    rows: dict[str, list[Row]] = {
        f"s{number}": [
            (random.choice(["p", "q", None]), random.choice("AB"), random.randrange(40), random.random() < 0.3)
            for _ in range(random.randrange(6, 25))
        ]
        for number in range(LISTS)
    }
    wanted = by_the_rule(rows)
    cuts = {source: random.randrange(len(told) + 1) for source, told in rows.items()}
    places = [(source, number) for source, told in rows.items() for number in range(len(told))]
    first = [(source, number) for source, number in places if number < cuts[source]]
    early = plan(rows, [], first)
    late = plan(rows, [one for one in first if one not in early], [one for one in places if one not in first])
    assert early | late == wanted, SEED
    assert plan(rows, [], places) == wanted, SEED
    assert len(wanted) > LISTS


def entry(number: int, minute: int, **more: Any) -> dict[str, Any]:
    at = f"2026-10-31T09:{minute:02d}:00.000Z"
    said = {"type": "track", "event": "Ordered", "userId": "C1", "timestamp": at, "properties": {"total": 5}, **more}
    return {"r": f"2026-10-31T09:59:{number:02d}.{minute:03d}Z", "m": f"m{number}", "s": None, "e": said}


def seal(shop: Any, moment: int, *entries: dict[str, Any]) -> None:
    folder: Path = Workspace.open(shop.root).log_path / "web"
    folder.mkdir(parents=True, exist_ok=True)
    bodies = b"".join(line(json.dumps(one).encode()) for one in entries)
    (folder / f"{moment}-0000000a.ndjson").write_bytes(bodies)


@pytest.mark.nightly  # by day the plan above is held to the rule
def test_a_repetition_is_told_with_the_event_that_it_repeats(shop: Any) -> None:
    shop.declare(
        "web",
        """
source: web
connector: {type: collector}
identifiers: {customer: userId}
fields: {given_name: traits.firstName}
duplicates: {by: content, within: 10m}
""",
    )
    seal(
        shop,
        1793440740000,
        entry(1, 5),
        entry(2, 9),
        entry(2, 30),
        entry(3, 5, userId="C2"),
        entry(4, 5, properties={}),
    )
    account = shop.run()["web"]
    assert (account["accepted"], account["duplicate"]) == (3, 2)
    # later an early one, one whose sender's clock was wrong, one too late, and a key that is known for a repetition
    skewed = {**entry(6, 9), "s": "2026-10-31T09:39:06.009Z"}
    seal(shop, 1793440741000, entry(5, 1), skewed, entry(7, 16), entry(2, 45))
    account = shop.run()["web"]
    assert (account["accepted"], account["duplicate"]) == (2, 2)
    (found,) = shop.read(EVENTS).where("message_id = 'm6'").collect()
    assert found["occurred_at"].astimezone(UTC) == datetime(2026, 10, 31, 9, 29, tzinfo=UTC)
    assert found["properties"]["skew.clock"] == "moved"
    assert found["properties"]["skew.originalTimestamp"] == "2026-10-31T09:09:00.000Z"
    assert found["properties"]["skew.sentAt"] == "2026-10-31T09:39:06.009Z"
    assert sorted(row["message_id"] for row in shop.read(EVENTS).collect()) == ["m1", "m3", "m4", "m6", "m7"]
    workspace = Workspace.open(shop.root)
    found = {
        key: [(one.verdict, one.first) for one in verdicts(workspace, shop.database, key)] for key in ("m1", "m2", "m5")
    }
    assert found == {
        "m1": [("accepted", None)],
        "m2": [("duplicate", "m1"), ("duplicate", None), ("duplicate", None)],
        "m5": [("duplicate", "m1")],
    }
    # taken in again, nothing is otherwise
    before = sorted(map(str, shop.read(EVENTS).collect()))
    again = shop.again(since=-48)["web"]
    assert (again["read"], again["accepted"], again["duplicate"]) == (9, 0, 9)
    assert sorted(map(str, shop.read(EVENTS).collect())) == before
