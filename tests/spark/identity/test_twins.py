"""Rules that are said in Spark too say the same."""

from typing import Any

import pytest

pytestmark = pytest.mark.spark


def test_features_are_those_of_the_pure_rule(spark: Any) -> None:
    from datetime import UTC, date, datetime

    from pyspark.sql.types import StructType

    from identity import transforms
    from identity.fields.features import Value, features
    from identity.tables import RECORD_FEATURES
    from infra.identifiers import IdentifierType

    types = {"email": IdentifierType(normaliser="email"), "tax": IdentifierType(normaliser="code", unique=True)}
    attributes = {"full_name": "Dr. Zoë van der Berg", "birth_date": "1984-03-09", "street": "12 Oak Street #4"}
    frame = spark.createDataFrame(
        [
            (
                "k",
                "crm",
                "1",
                "person",
                True,
                1,
                None,
                "h",
                attributes,
                [("email", "zoe@example.org", "1:t"), ("tax", "9870123", "1:u")],
                datetime(2026, 11, 1, tzinfo=UTC),
            )
        ],
        "record_key string, source string, key string, kind string, known boolean, arrival bigint, "
        "jurisdiction string, content_hash string, attributes map<string,string>, "
        "identifiers array<struct<type:string,value:string,token:string>>, received_at timestamp",
    )
    made = transforms.record_features(frame, types, StructType.fromDDL(RECORD_FEATURES.ddl()))
    row = made.first().asDict(recursive=True)
    held = [Value("email", "zoe@example.org", "1:t"), Value("tax", "9870123", "1:u")]
    pure = features(attributes, held, types, date(2026, 11, 1))
    for name in (
        "given_name",
        "family_name",
        "birth_date",
        "street",
        "unit",
        "emails",
        "numbers",
        "bare",
        "given_known",
    ):
        assert row[name] == getattr(pure, name)


def test_a_value_was_carried_from_its_first_version_or_event_to_the_last(spark: Any) -> None:
    from datetime import UTC, datetime

    from identity.cookies import moments

    def at(day: int) -> datetime:
        return datetime(2026, 11, day, tzinfo=UTC)

    phone, mail, device = ("phone", "+16145550101", "1:p"), ("email", "a@example.org", "1:e"), ("device", "d", "1:d")
    values = "identifiers array<struct<type:string,value:string,token:string>>"
    records = spark.createDataFrame(
        [
            ("a", [phone, mail], at(3), False), ("a", [phone], at(9), False), ("a", [phone], at(20), True),
            ("b", [mail], at(1), False),
        ],
        f"record_key string, {values}, observed_at timestamp, deleted boolean",
    )  # fmt: skip
    events = spark.createDataFrame(
        [("b", [phone], at(7)), ("a", [phone], at(2))], f"record_key string, {values}, occurred_at timestamp"
    )
    seen = moments.observed(records, events, ["phone"])
    current = spark.createDataFrame(
        [("a", [phone, mail]), ("b", [mail, phone]), ("c", [phone])], f"record_key string, {values}"
    )
    found = {
        row["record_key"]: [tuple(i) for i in row["identifiers"]] for row in moments.dated(current, seen).collect()
    }
    assert found["a"] == [(*phone, at(2).timestamp(), at(9).timestamp()), (*mail, None, None)]
    assert found["b"] == [(*mail, None, None), (*phone, at(7).timestamp(), at(7).timestamp())]
    assert found["c"] == [(*phone, None, None)]
    stretch = spark.createDataFrame([([phone, device], at(4), at(6))], f"{values}, from_at timestamp, to_at timestamp")
    row = moments.dated_stretches(stretch, ["device"]).first()
    assert [tuple(i) for i in row["identifiers"]] == [
        (*phone, None, None), (*device, at(4).timestamp(), at(6).timestamp() - 1)
    ]  # fmt: skip


def test_health_holds_whom_the_pure_rule_holds(spark: Any) -> None:
    from identity import transforms
    from identity.clustering.health import Borders, Health, beyond, status

    # profile: (birth dates, given names, ties as (weight in bits, conflict in bits)), all between its records
    told = {
        "one": (["1980-01-01"], ["ann"], []),
        "fit": (["1980-01-01"] * 3, ["ann"] * 3, [(5.0, 0.0), (7.0, 1.0), (9.0, -1.0)]),
        "born": (["1980-01-01", "1981-01-01", "1982-01-01"], ["ann"] * 3, [(5.0, 0.0), (7.0, 1.0), (9.0, 0.0)]),
        "named": ([None] * 3, ["ann", "bea", "cora"], [(5.0, 0.0), (7.0, 1.0), (9.0, 0.0)]),
        "thin": ([None] * 4, [None] * 4, [(5.0, 0.0), (7.0, 1.0)]),
        "torn": ([None] * 3, [None] * 3, [(5.0, -2.0), (-7.0, -3.0), (9.0, 0.0)]),
        "weak": ([None] * 3, [None] * 3, [(0.5, 0.0), (7.0, 1.0), (9.0, 0.0)]),
        "tied": (["1980-01-01", "1981-01-01", "1982-01-01"], ["a", "b", "c"], [(-5.0, -2.0)]),
        "many": ([None] * 6, ["ann"] * 6, [(9.0, 0.0)] * 15),
    }
    members, features, edges = [], [], []
    for name, (births, forenames, ties) in told.items():
        keys = [f"{name}{n}" for n in range(len(births))]
        members += [(key, name, name, True, 1) for key in keys]
        features += [
            (key, b, g, [f"+1555010{n}"]) for n, (key, b, g) in enumerate(zip(keys, births, forenames, strict=True))
        ]
        pairs = [(a, b) for a in keys for b in keys if a < b]
        edges += [(*pair, int(w * 1e6), int(c * 1e6), "kept") for pair, (w, c) in zip(pairs, ties, strict=False)]
    borders = Borders(size=5, density=0.4, weakest_micro=1_000_000, negative_share=0.5, births=2, forenames=2, phones=5)
    constraints = spark.createDataFrame(
        [("must_link", "tied0", "tied1"), ("cannot_link", "born0", "born1"), ("must_link", "one0", "fit0")],
        "kind string, left_key string, right_key string",
    )
    rows = transforms.profile_index(
        spark.createDataFrame(
            members, "record_key string, profile_id string, component string, known boolean, since_batch int"
        ),
        spark.createDataFrame(
            features, "record_key string, birth_date string, given_name string, phones array<string>"
        ),
        spark.createDataFrame(
            edges, "left_key string, right_key string, weight_micro long, conflict_micro long, state string"
        ),
        constraints,
        spark.createDataFrame([], "profile_id string, since_batch bigint"),
        1,
        borders,
    ).collect()
    found = {r["profile_id"]: r["status"] for r in rows}
    measures = ("size", "density", "weakest_micro", "negative_share", "births", "forenames", "phones")
    health = {r["profile_id"]: Health(*(r[name] for name in measures)) for r in rows}
    assert found == {name: status(h, borders, vouched=name == "tied") for name, h in health.items()}
    assert {name for name, s in found.items() if s == "held"} == {"born", "named", "thin", "torn", "weak", "many"}
    assert beyond(health["tied"], borders) == ("density", "negative_share", "births", "forenames")
