"""Facts that are past: out of every table by their keys, unless held, and not taken in again."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from pyspark.sql import functions as f

from consent.erasure.ports import Subject
from consent.retention import columns, rule
from consent.retention.model import Moment, Period, Row, Rule
from infra.ids import Purpose, RecordKey
from ingestion.tables import EVENTS, LET_GO, QUARANTINE, RECORDS, VERDICTS

pytestmark = pytest.mark.spark
RULES = """rules:
- {table: records, source: crm, keep: 1y, counted_from: occurred, because: customers}
- {table: records, keep: 1d, counted_from: received, because: guests}
- {table: events, keep: 1y, counted_from: occurred, because: visits}
- {table: quarantine, keep: 1d, counted_from: received, because: to be mended}
"""
CRM = "customer_id,first_name,dob,email,mobile,updated_at\n"
OLD, NEW = "2020-05-01T10:00:00Z", "2026-10-01T10:00:00Z"
GUESTS = "order_id,name,email\n1,Gil,gil@example.org\n2,Hal,hal@example.org\n"


def seen(number: int, at: str, email: str, cookie: str) -> dict[str, Any]:
    return {"messageId": f"m{number}", "type": "page", "event": "Viewed", "timestamp": at, "anonymousId": cookie,
            "traits": {"email": email}}  # fmt: skip


def laid(shop: Any) -> None:
    shop.write("data/crm/1.csv", CRM + f"C1,Ann,,ann@example.org,,{OLD}\nC2,Ben,,ben@example.org,,{OLD}\n")
    shop.write("data/crm/2.csv", CRM + f"C2,Benno,,ben@example.org,,{NEW}\nC3,Eve,2999-01-01,eve@example.org,,{NEW}\n")
    shop.write("data/guests/1.csv", GUESTS)
    ann, cid = "ann@example.org", "cid@example.org"
    shop.lines("data/web/1.ndjson", seen(1, OLD, ann, "c1"), seen(2, NEW, ann, "c2"), seen(3, OLD, cid, "c3"))


def aging(world: Any, folder: str, held: Subject | None = None) -> Any:
    from infra.lake import Lake
    from infra.runtime import RunInfo, Runtime
    from infra.shelf import newest_versions
    from infra.workspace import Workspace
    from ingestion.periods import periods
    from ingestion.retention import Aging

    workspace = Workspace.open(world.root)
    world.number, world.base = world.number + 1, newest_versions(workspace.lake_path)
    lake = Lake(world.spark, workspace.lake_path, world.number, world.base)
    at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=world.number)
    run = RunInfo(f"run{world.number}", world.number, at, "salt", world.base)
    runtime = Runtime(workspace, lake, world.database, run, world.said.append)

    def nobody() -> Any:
        raise AssertionError("no rule asks for anybody's last activity")

    return Aging(runtime, world.root / folder, periods(workspace, None), nobody, held, "x" if held else "none")


def keys(world: Any, table: Any, column: str) -> list[str]:
    return sorted(row[column] for row in world.read(table).select(column).collect())


def state(world: Any) -> dict[str, list[str]]:
    said = {"records": (RECORDS, "key"), "events": (EVENTS, "message_id"), "quarantine": (QUARANTINE, "content_hash")}
    return {name: keys(world, table, column) for name, (table, column) in said.items()}


def test_what_is_past_goes_though_killed_midway_is_not_taken_in_again_and_what_is_new_is(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra import upkeep

    class Killed(BaseException):
        """A kill -9: nothing catches it."""

    def dies(*_: Any) -> None:
        raise Killed

    shop = world("crm", "guests", "web")
    laid(shop)
    shop.run()
    assert state(shop)["records"] == ["1", "2", "C1", "C2", "C2", "email:ann@example.org", "email:cid@example.org"]
    shop.number += 48
    (shop.root / "consent/retention.yaml").write_text(RULES)
    (ben,) = {row["record_key"] for row in shop.read(RECORDS).where("key = '2'").collect()}
    hal = Subject(tokens=(), record_keys=(RecordKey(ben),), source_keys=(("guests", "2"),))

    work = aging(shop, "work", hal)
    found = {one.table: (one.past, one.held, one.going, one.rows) for one in work.find()}
    assert found == {
        "records": (4, 1, 3, 7),
        "events": (2, 0, 2, 3),
        "quarantine": (1, 0, 1, 1),
        "recovered": (0, 0, 0, 0),
    }
    # killed between two tables: another run, with work of its own, ends it
    with monkeypatch.context() as patch:
        left = iter([upkeep.erase])
        patch.setattr(upkeep, "erase", lambda *told: next(left, dies)(*told))  # noqa: PLW0108 - one after the other
        with pytest.raises(Killed):
            work.let_go()
    work = aging(shop, "work", hal)
    assert sum(work.left().values()) > 0
    for _ in range(2):
        work.let_go()
    assert set(work.left().values()) == {0}
    gone = {"records": ["2", "C2", "email:ann@example.org"], "events": ["m2"], "quarantine": []}
    assert state(shop) == gone
    (ann,) = shop.read(RECORDS).where("key = 'email:ann@example.org'").collect()
    assert [one["value"] for one in ann["identifiers"]] == ["c2", "ann@example.org"]
    assert shop.read(RECORDS).where("key = 'C2'").first()["attributes"] == {"given_name": "Benno"}
    # of a guest and a rejected row their words do not tell the age; of the others they do
    assert shop.read(LET_GO).select("source").distinct().count() == 2
    assert shop.read(LET_GO).select("token").distinct().count() == 2
    told = work.changed()
    assert shop.spark.read.parquet(str(told / "cookies")).count() == 2

    for path in ("data/crm/1.csv", "data/crm/2.csv", "data/guests/1.csv", "data/web/1.ndjson"):
        shop.write(path, (shop.root / path).read_text() + "\n")
    told = shop.run()
    assert {name: (told[name]["expired"], told[name]["accepted"]) for name in ("crm", "guests", "web")} == {
        "crm": (3, 0), "guests": (1, 0), "web": (2, 0)
    }  # fmt: skip
    assert state(shop) == gone
    assert shop.read(VERDICTS).where("verdict = 'expired'").count() == 6

    # what is new of him is taken in, and what he said before then counts again
    for name in ("Gilbert", "Gil"):
        shop.write("data/guests/1.csv", GUESTS.replace("Gil", name))
        assert shop.run("guests")["guests"]["accepted"] == 1
    assert state(shop)["records"] == ["1", "1", *gone["records"]]


@pytest.mark.nightly  # by day the two tests beside it
def test_other_rules_or_holds_in_the_meantime_are_asked_anew(world: Any) -> None:
    shop = world("guests")
    shop.write("data/guests/1.csv", GUESTS)
    shop.run()
    shop.number += 48
    (shop.root / "consent/retention.yaml").write_text(RULES.replace("source: crm, ", "source: guests, ", 1))
    assert [one.going for one in aging(shop, "work").find()] == [0, 0, 0, 0]
    (shop.root / "consent/retention.yaml").write_text("rules: []\n")
    shop.number += 1
    aging(shop, "work").let_go()
    assert len(state(shop)["records"]) == 2


def rules_drawn(chance: random.Random) -> list[Rule]:
    found = {}
    for _ in range(chance.randint(1, 6)):
        one = Rule(
            table="events",
            keep=Period(days=chance.randint(1, 40)) if chance.random() < 0.7 else Period(years=1),
            counted_from=chance.choice(get_args(Moment)),
            because="why",
            source=chance.choice([None, "web", "tills"]),
            type=chance.choice([None, "page", "order"]),
            purpose=chance.choice([None, None, Purpose("service"), Purpose("analytics")]),
        )
        found[one.about] = one
    return list(found.values())


def test_the_plan_is_the_rules_twin(spark: Any) -> None:
    chance = random.Random(38)  # noqa: S311 - seeded, not secret
    at = datetime(2024, 2, 29, 7, tzinfo=UTC)
    names = get_args(Moment)
    rows = [
        (number, chance.choice(["web", "tills", "crm"]), chance.choice([None, "page", "order"]),
         *(None if chance.random() < 0.2 else at + timedelta(minutes=chance.randint(-800_000, 60_000)) for _ in names))
        for number in range(200)
    ]  # fmt: skip
    shape = "number int, source string, type string, " + ", ".join(f"{name} timestamp" for name in names)
    frame = spark.createDataFrame(rows, shape)
    purposes = [Purpose(one) for one in ("service", "analytics", "identity_resolution")]
    drawn = [rules_drawn(chance) for _ in range(12)]
    moments = {name: f.col(name) for name in names}
    gone = [
        columns.past(one, "events", purposes, at, moments, f.col("type")).alias(f"g{n}") for n, one in enumerate(drawn)
    ]
    plain = [[one for one in rules if one.type is None] for rules in drawn]
    lost = [columns.withheld(one, "events", purposes, at, moments).alias(f"w{n}") for n, one in enumerate(plain)]
    found = {row["number"]: row for row in frame.select("number", *gone, *lost).collect()}
    for number, source, kind, *told in rows:
        row = Row(source, kind, {name: one for name, one in zip(names, told, strict=True) if one is not None})
        for place, rules in enumerate(drawn):
            assert found[number][f"g{place}"] == rule.past(rules, "events", row, purposes, at)
            ended = rule.withheld(plain[place], "events", row, purposes, at)
            assert set(found[number][f"w{place}"]) == ended
