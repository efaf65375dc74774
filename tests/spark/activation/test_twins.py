"""What is said in Python and in Spark says the same: the audience language and the match keys."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from activation.match import match_key
from activation.model import (
    All,
    AnyOf,
    Bound,
    Comparison,
    Condition,
    Facts,
    Happened,
    Not,
    Occurrence,
    Trait,
)
from activation.select import selected

pytestmark = pytest.mark.spark
NOW = datetime(2017, 12, 31, 10, 30, tzinfo=UTC)
TEXTS = (
    "", "0", "5", "5.0", "-5", "+5", "05", "5.10", "5e0", "1e99", "1d", " 5", "5 ", "5\n", "NaN", "Infinity", "1_000",
    "٣", "0.1", "9007199254740993", "true", "false", "BEER", "beer", "BEER|MILK", "a%b_c", "\\d", "é", "2017-12-30",
    "2017-12-31T10:30:00Z", "2017-02-30", "2017-12-31T23:59:59.123456+14:00", "2017-12-31 10:29:59", "20171231",
    "2017-12-31T10:30:00.1", "0000-01-01", "2999-12-31", "2017-12-31T10:30:00-03:30", "2017-12-31T25:00:00",
)  # fmt: skip
NUMBERS = (0.0, 5.0, -5.0, 5.1, 1e99, 9007199254740992.0, 0.1)
NAMES = ("one", "two", "three")
FIELDS = ("channel", "product_id", "quantity", "properties.page", "product.category")


def comparison(random: Random, names: tuple[str, ...]) -> Comparison:
    name, text = random.choice(names), random.choice(TEXTS)
    op, value = random.choice(
        [
            ("==", text), ("!=", text), ("==", random.choice(NUMBERS)), ("!=", random.choice(NUMBERS)),
            *[(op, random.choice(NUMBERS)) for op in (">", ">=", "<", "<=")],
            ("in", (text, random.choice(NUMBERS))), ("not in", (text, random.choice(NUMBERS))),
            ("contains", text), ("starts_with", text), ("ends_with", text), ("exists", None), ("missing", None),
            ("before", NOW), ("after", NOW), ("within", timedelta(days=random.choice((1, 30)))),
        ]
    )  # fmt: skip
    return Comparison(name, op, value)  # type: ignore[arg-type]


def condition(random: Random, depth: int = 0) -> Condition:
    kind = random.randrange(5 if depth < 2 else 2)
    if kind == 0:
        return Trait(comparison(random, NAMES))
    if kind == 1:
        bound = Bound(random.choice(("==", "!=", ">", ">=", "<", "<=")), random.choice((0.0, 1.0, 2.0, 0.3)))
        return Happened(
            random.choice(("purchase", "page")),
            random.choice((None, timedelta(days=1), timedelta(days=30))),
            tuple(comparison(random, FIELDS) for _ in range(random.randrange(2))),
            random.choice((None, bound)),
            random.choice((None, bound)),
        )
    parts = tuple(condition(random, depth + 1) for _ in range(random.randrange(3)))
    return (All(parts), AnyOf(parts), Not(condition(random, depth + 1)))[kind - 2]


def happening(random: Random, person: str) -> dict[str, Any]:
    return {
        "profile_id": person,
        "type": random.choice(("purchase", "page")),
        "unit": random.choice(("u1", "u2", "u3")),
        "occurred_at": NOW - timedelta(seconds=random.choice((-1, 0, 1, 86_399, 86_400, 86_401, 40 * 86_400))),
        "amount": random.choice((None, 0.1, 0.2, 0.3, 1.005, -0.1, 1e6)),
        "channel": random.choice((None, *TEXTS)),
        "product_id": random.choice((None, *TEXTS)),
        "quantity": random.choice((None, 0.0, 1.0, 2.5)),
        "properties": {"page": random.choice(TEXTS)} if random.random() < 0.7 else {},
        "product": {"category": random.choice(TEXTS)} if random.random() < 0.7 else None,
    }


def occurrence(row: dict[str, Any]) -> Occurrence:
    fields = {name: str(row[name]) for name in ("channel", "product_id", "quantity") if row[name] is not None}
    fields |= {f"properties.{name}": value for name, value in row["properties"].items()}
    fields |= {f"product.{name}": value for name, value in (row["product"] or {}).items()}
    return Occurrence(row["type"], row["unit"], row["occurred_at"], row["amount"], fields)


def test_one_audience_language(spark: Any) -> None:
    from activation.transforms.audience import members

    random = Random(20_171_231)  # noqa: S311 - a repeatable choice of cases
    conditions = {f"a{index}": condition(random) for index in range(120)}
    people = [f"p{index}" for index in range(60)]
    traits = {p: {name: random.choice(TEXTS) for name in NAMES if random.random() < 0.8} for p in people}
    events = [happening(random, person) for person in people[:50] for _ in range(random.randrange(8))]
    rows = [(person, "service", traits[person]) for person in people]
    views = spark.createDataFrame(rows, "profile_id string, purpose string, traits map<string,string>")
    kinds = (
        "profile_id string, type string, unit string, occurred_at timestamp, amount double, channel string, "
        "product_id string, quantity double, properties map<string,string>, product map<string,string>"
    )
    found = members(views, spark.createDataFrame(events, kinds), conditions, "service", NOW).collect()
    facts = {
        person: Facts(traits[person], tuple(occurrence(row) for row in events if row["profile_id"] == person))
        for person in people
    }
    expected = {(name, p) for name, said in conditions.items() for p in people if selected(said, facts[p], NOW)}
    assert {(row["audience"], row["profile_id"]) for row in found} == expected
    share = len(expected) / (len(conditions) * len(people))
    assert 0.1 < share < 0.9


def test_one_match_key(spark: Any) -> None:
    from pyspark.sql import functions as f

    from activation.transforms.delivery import match_key as in_spark

    locals_ = ("ann", "a.n.n", "ann+x", "+x", "a+b+c", "a-b", "-b", "_-.", ".", "..", "a.b+c.d", "ä", "a@b")
    domains = ("gmail.com", "googlemail.com", "outlook.com", "example.org", "fastmail.com", "notgmail.com", "gmail.net")
    domains += ("me.com", "proton.me", "yahoo.com", "ya.ru", "zoho.com")
    values = [f"{local}@{domain}" for local in locals_ for domain in domains] + ["+15555550100", "15555550100", "++1"]
    kinds = ("email", "email_canonical", "phone_digits", "loyalty")
    frame = spark.createDataFrame([(value,) for value in values], "value string")
    rows = frame.select("value", *[in_spark(kind, f.col("value")).alias(kind) for kind in kinds]).collect()
    for row in rows:
        for kind in kinds[:1] if "@" not in row["value"] else kinds:
            assert row[kind] == match_key(kind, row["value"]), (kind, row["value"])
