"""The rules that exist in two tongues, held equal on whole lists at a time."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any

import pytest

from profiles.config import Survivorship
from profiles.model import Claim, Proof
from profiles.reach import link_class, proven
from profiles.score import quintile
from profiles.sessions import reaching, sessions
from profiles.survive import survivor

pytestmark = pytest.mark.spark

SETTINGS = Survivorship(
    default=("most_trusted", "most_recent", "most_frequent", "longest"),
    fields={"name": ("most_frequent", "longest"), "city": ("longest",), "street": ("most_recent",)},
)
# Spellings that engines measure differently if they count bytes or UTF-16 units instead of characters.
VALUES = ["Ann", "Anna", "Åsa", "Łódź", "李", "👩\u200d🚀", "zz", "Z", "a b"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def drawn_claims(random: Random, groups: int) -> list[tuple[Any, ...]]:
    rows = []
    for group in range(groups):
        field = random.choice(["name", "city", "street", "birth_date"])
        for _ in range(random.randint(1, 7)):
            record = random.randint(1, 4)
            at = EPOCH + timedelta(days=random.choice([-3, 0, 20_000, 20_001]), microseconds=random.randint(0, 1))
            trust = random.choice([0.0, 0.1, 0.29, 0.5, 0.9005, 1.0])
            rows.append((group, field, random.choice(VALUES), f"s{record % 2}", f"r{record}", at, trust))
    return rows


def test_survivors_are_the_same_in_both_tongues(spark: Any) -> None:
    from profiles.transforms.golden import survivors

    rows = drawn_claims(Random(20_260_101), 600)  # noqa: S311 - drawn rows, no secrets
    schema = "g int, field string, value string, source string, record_key string, observed_at timestamp, trust double"
    claimed = spark.createDataFrame(rows, schema).distinct()
    found = {
        (r["g"], r["field"]): (r["value"], r["source"], r["record_key"], r["rule"], r["confidence"])
        for r in survivors(claimed, ["g"], SETTINGS).drop("observed_at").collect()
    }
    wanted = {}
    for (group, field), members in groupby(sorted(rows, key=lambda r: r[:2]), key=lambda r: r[:2]):
        believed = survivor([Claim(v, s, k, at, t) for _, _, v, s, k, at, t in members], SETTINGS.rules(field))
        assert believed is not None
        claim = believed.claim
        wanted[group, field] = (claim.value, claim.source, claim.record_key, believed.rule, believed.confidence)
    assert found == wanted
    assert {w[3] for w in wanted.values()} >= {"most_trusted", "most_recent", "most_frequent", "longest", "unopposed"}


def test_fifths_are_the_same_in_both_tongues(spark: Any) -> None:
    from profiles.transforms.rfm import quintile as plan

    random = Random(7)  # noqa: S311 - drawn rows, no secrets
    rows = [(i, random.choice([1, 1, 1, 2, 3, 5, 8, 13, 100, i]), random.random() < 0.7) for i in range(400)]
    population = [value for _, value, base in rows if base]
    frame = spark.createDataFrame(rows, "id int, v bigint, base boolean").withColumn("q", plan("v", "base"))
    assert {r["id"]: r["q"] for r in frame.collect()} == {i: quintile(v, population) for i, v, _ in rows}


def test_proof_reaches_the_same_records_in_both_tongues(spark: Any) -> None:
    from profiles.transforms.links import linked_records

    random = Random(11)  # noqa: S311 - drawn rows, no secrets
    members, index, edges, wanted = [], [], [], {}
    for person in range(60):
        records = [f"{person}-{n:02d}" for n in range(random.randint(1, 14))]
        anchor = random.choice(records)
        pairs = [tuple(sorted(random.sample(records, 2))) for _ in range(random.randint(0, 10)) if len(records) > 1]
        states = ["kept", "kept", "suppressed"]
        ties = [
            (a, b, random.choice(["email", "phone", "cookie"]), random.choice(states), random.choice([9, 11]))
            for a, b in pairs
        ]
        members += [(record, f"p{person}") for record in records]
        index.append((f"p{person}", anchor))
        edges += [(a, b, "both", bits * 1_000_000, state, [(kind, "shared", 1)]) for a, b, kind, state, bits in ties]
        kept = [(a, b) for a, b, kind, state, bits in ties if state == "kept" and kind != "cookie"
                and (kind == "email" or bits > 10)]  # fmt: skip
        verified = proven(anchor, kept)
        wanted |= {record: link_class(record, anchor, verified) for record in records}
    reasons = "array<struct<comparison:string,level:string,weight_micro:bigint>>"
    found = linked_records(
        spark.createDataFrame(members, "record_key string, profile_id string"),
        spark.createDataFrame(index, "profile_id string, anchor string"),
        spark.createDataFrame(
            edges,
            f"left_key string, right_key string, kind string, weight_micro bigint, state string, reasons {reasons}",
        ),
        Proof(("account", "email"), ("phone",), 10_000_000),
    )
    assert {r["record_key"]: r["link"] for r in found.collect()} == wanted
    assert set(wanted.values()) == {"own", "verified", "probable"}


def test_sessions_are_the_same_in_both_tongues(spark: Any) -> None:
    from profiles.transforms.sessions import counted

    random = Random(30)  # noqa: S311 - drawn rows, no secrets
    gap, as_of = timedelta(minutes=30), EPOCH + timedelta(days=20)
    members, rows = [], []
    for person in range(120):
        for record in range(random.randint(1, 3)):
            key = f"{person}-{record}"
            members.append((f"p{person}", random.choice(["a", "b"]), key))
            for _ in range(random.randint(0, 12)):
                day = timedelta(days=random.choice([0, 12, 13, 19, 21]))
                pause = timedelta(
                    minutes=random.choice([0, 29, 30, 31, 60, 61, 1_400]), microseconds=random.randint(0, 1)
                )
                rows.append((key, EPOCH + day + pause))
    known = spark.createDataFrame(members, "profile_id string, scope string, record_key string")
    happened = spark.createDataFrame(rows, "record_key string, at timestamp")
    found = {(r["profile_id"], r["scope"]): r for r in counted(known, happened, gap, as_of, [7]).collect()}
    of: dict[tuple[str, str], list[datetime]] = {}
    for person, scope, key in members:
        of.setdefault((person, scope), []).extend(at for mine, at in rows if mine == key)
    wanted = {key: sessions(moments, gap) for key, moments in of.items() if moments}
    assert set(found) == set(wanted)
    for key, told in wanted.items():
        row, border = found[key], as_of - timedelta(days=7)
        past = [one for one in told if one.first <= as_of]
        assert (row["sessions"], row["sessions_7"]) == (len(told), reaching(past, border))
        assert [row[name].astimezone(UTC) for name in ("session_start", "session_end")] == [
            told[-1].first,
            told[-1].last,
        ]
