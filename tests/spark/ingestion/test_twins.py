"""What is said in two tongues is the same: contracts in Python and in Spark, over whole lists of random values."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as f

from infra.errors import value_class
from ingestion import conform
from ingestion.check import SHAPES, Check, checks, first_fault, judgement, row_model, trimmed
from ingestion.config import Source
from ingestion.connectors.declared import Files
from ingestion.contract import FieldContract
from ingestion.judge import Reading, judged
from ingestion.read import json_tree, object_row, paths_of
from ingestion.tracking.column import fault_of, read_columns
from ingestion.tracking.declared import TrackingPlan
from ingestion.tracking.judge import Judge

AT = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Pacific/Auckland")
CONTRACTS: dict[str, dict[str, Any]] = {
    "required": {"required": True, "max_length": 4},
    "email": {"type": "email", "max_length": 20},
    "phone": {"type": "phone"},
    "date": {"type": "date", "min": "1900-01-01", "max": "today"},
    "timestamp": {"type": "timestamp", "min": "2017-03-12T02:30:00", "max": "now"},
    "integer": {"type": "integer", "min": "-5", "max": "1000"},
    "number": {"type": "number", "min": "-2.5", "max": "1e6"},
    "boolean": {"type": "boolean", "required": True},
    "enum": {"type": "enum", "values": ("F", "M", "\u00e9", "'", "\U0001f600")},
    "pattern": {"pattern": r"^[\w.]{1,3}\s?(x|\d+)[^a\]]?$"},
}
# Blanks and digits that engines know and we do not mean, astral letters, quotes, line ends.
TRICKY = "\t\n\r\x0b\x0c\x1c\x85\u00a0\u2028\u3000\u0661\u017f\u0130\U0001f600'\"\\$.+-:TZ019aF "
near = st.one_of(*(st.from_regex(rf"\A(?:{shape})\Z") for shape in SHAPES.values()))
dates = st.dates().map(str) | st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
numbers = st.integers().map(str) | st.floats().map(repr)
mangled = st.tuples(near | dates | numbers, st.text(TRICKY, max_size=2), st.booleans()).map(
    lambda t: t[0] + t[1] if t[2] else t[1] + t[0]
)
values = st.none() | st.text(TRICKY, max_size=6) | st.text(max_size=8) | near | dates | numbers | mangled


def source_of(zone: str) -> Source:
    contract = {name: FieldContract(**rules) for name, rules in CONTRACTS.items()}
    where = Files(type="files", path="data/*", format="csv")
    return Source(source="s", connector=where, record="catalogue", key=("required",), contract=contract, time_zone=zone)


@pytest.fixture(scope="module")
def spark_faults(spark: Any) -> Callable[..., list[list[tuple[str, str] | None]]]:
    """Return a function that judges every value under every contract in Spark."""

    def judge(promised: tuple[Check, ...], texts: list[str | None], zone: str) -> list[list[tuple[str, str] | None]]:
        frame = spark.createDataFrame(list(enumerate(texts)), "n int, value string")
        value = conform.trimmed(f.col("value"))
        found = conform.faults(promised, dict.fromkeys(CONTRACTS, conform.Value(value)), zone)
        columns = [fault.alias(name) for name, fault in found.items()]
        rows = frame.select("n", *columns).orderBy("n").collect()
        return [
            [(row[name]["rule"], row[name]["value_class"]) if row[name] else None for name in CONTRACTS] for row in rows
        ]

    return judge


@given(texts=st.lists(values, min_size=60, max_size=120), zone=st.sampled_from(ZONES))
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_a_contract_means_the_same_row_by_row_and_in_spark(
    spark_faults: Callable[..., Any], texts: list[str | None], zone: str
) -> None:
    promised = tuple(check for check in checks(source_of(zone), AT, {}) if not check.vital)
    model = row_model("Row", promised, zone)
    alone = {name: row_model(name, [c for c in promised if c.column == name], zone) for name in CONTRACTS}
    expected = []
    for text in texts:
        faults = [first_fault(alone[name], {name: text}) for name in CONTRACTS]
        expected.append([(fault.rule, fault.value_class) if fault else None for fault in faults])
        whole = first_fault(model, dict.fromkeys(CONTRACTS, text))
        assert whole == next((fault for fault in faults if fault), None)
        assert all(fault.value_class == value_class(trimmed(text)) for fault in faults if fault)
    assert spark_faults(promised, texts, zone) == expected


ACTIONS = ("quarantine", "drop_field", "accept_and_flag")
RULES = ("type", "required", "max_length", "pattern", "values", "min", "max")


def promises(field: dict[str, Any]) -> list[str]:
    return [rule for rule in RULES if rule == "type" or rule in field]


# For each field a word for all its rules, or one for some of them, or none at all.
softened = st.fixed_dictionaries(
    {
        name: st.none()
        | st.sampled_from(ACTIONS)
        | st.dictionaries(st.sampled_from(promises(rules)), st.sampled_from(ACTIONS))
        for name, rules in CONTRACTS.items()
    }
)
rows = st.fixed_dictionaries(dict.fromkeys(CONTRACTS, values))


@given(
    lines=st.lists(rows, min_size=8, max_size=16),
    soft=softened,
    general=st.sampled_from(ACTIONS),
    zone=st.sampled_from(ZONES),
)
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_every_rule_has_its_own_consequence_row_by_row_and_in_spark(
    spark: Any, lines: list[dict[str, str | None]], soft: dict[str, Any], general: Any, zone: str
) -> None:
    names = list(CONTRACTS)
    contract = {
        name: FieldContract.model_validate({**rules, **({"on_violation": soft[name]} if soft[name] else {})})
        for name, rules in CONTRACTS.items()
    }
    source = source_of(zone).model_copy(update={"contract": contract, "on_violation": general, "key": ("enum",)})
    reading = Reading(source, tuple(names), checks(source, AT, {}), {}, zone, None, AT)
    shape = "fault string, payload string, " + ", ".join(f"r{place} string" for place in range(len(names)))
    raw = spark.createDataFrame([(None, None, *(line[name] for name in names)) for line in lines], shape)
    clean = {f"c{place}": conform.trimmed(f.col(f"r{place}")) for place in range(len(names))}
    found = judged(raw.withColumns(clean), reading).collect()
    for line, row in zip(lines, found, strict=True):
        expected = judgement(reading.checks, line, zone)
        fault = expected.fault and (expected.fault.column, expected.fault.rule, expected.fault.value_class)
        assert fault == (tuple(row["broken"])[:3] if row["broken"] else None)
        told = [[f"field {one.column}: {one.rule}" for one in part] for part in (expected.dropped, expected.flagged)]
        assert (sorted(row["notes"]), sorted(row["flags"])) == (sorted([*told[0], *told[1]]), sorted(told[1]))
        if fault is None:
            kept = {name: row[f"c{place}"] for place, name in enumerate(names)}
            gone = {one.column for one in expected.dropped}
            assert kept == {name: None if name in gone else trimmed(text) for name, text in line.items()}


things = st.sampled_from([None, True, "", "x", "\u00e9'", 1, -2.5, [], [1, "a"], {}, {"b": 1}, {"b": "x", "c": [{}]}])
happenings = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "page"]), "event": st.sampled_from(["A", "B"])},
    optional={
        "properties": st.dictionaries(st.sampled_from(["a", "b", "c", "d.e"]), things, max_size=4) | things,
        "context": st.sampled_from([{"protocols": {"event_version": number}} for number in (1, "2", 3, None)]),
    },
)


@given(said=st.lists(happenings, min_size=20, max_size=40), words=st.tuples(*[st.sampled_from(ACTIONS)] * 5))
@settings(max_examples=3, suppress_health_check=list(HealthCheck))
def test_spark_makes_of_an_event_what_its_plan_does(spark: Any, said: list[Any], words: tuple[Any, ...]) -> None:
    inside = {"b": {"type": "number", "on_violation": words[0]}, "c": {"type": "array", "items": {"type": "text"}}}
    plan = TrackingPlan.model_validate(
        {
            "tracking_plan": "p",
            "sources": ["s"],
            "on_violation": words[1],
            "unplanned": {
                "events": "accept_and_flag" if words[2] == "drop_field" else words[2],
                "properties": words[3],
            },
            "common": {"context": {"protocols": {"type": "object", "required": True, "on_violation": words[4]}}},
            "events": [
                {"event": "A", "properties": {"a": {"type": "object", "properties": inside}, "b": {"type": "text"}}},
                {"event": "A", "version": 2, "properties": {"a": {"type": ["number", "text"], "required": True}}},
            ],
        }
    )
    declared = {"source": "s", "connector": {"type": "collector"}, "identifiers": {"email": "properties.b"}}
    source = Source.model_validate(declared).model_copy(update={"tracking": plan})
    columns, at = read_columns(source), "2026-10-31T09:00:00Z"
    lines = [{"messageId": "m", "timestamp": at, "receivedAt": at, **one} for one in said]
    rows = [object_row(json_tree(json.dumps(line)), paths_of(columns)) for line in lines]
    shape = "fault string, payload string, " + ", ".join(f"r{place} string" for place in range(len(columns)))
    raw = spark.createDataFrame([(None, json.dumps(line), *row) for line, row in zip(lines, rows, strict=True)], shape)
    clean = {f"c{place}": conform.trimmed(f.col(f"r{place}")) for place in range(len(columns))}
    reading = Reading(source, columns, checks(source, AT, {}), {}, "UTC", None, AT)
    for line, row in zip(lines, judged(raw.withColumns(clean), reading).collect(), strict=True):
        outcome = Judge(plan, "type", "event").outcome(json_tree(json.dumps(line)))
        fault = fault_of(outcome, "p")
        assert (row["broken"].asDict() if row["broken"] else None) == fault
        found = outcome.violations
        softer = [one for one in found if (one.action == "quarantine") == (fault is not None)]
        end = " (quarantined)" if fault else ""
        assert row["notes"] == list(dict.fromkeys(f"field {v.item}: {v.rule} in {outcome.told}{end}" for v in softer))
        assert (row["payload"] is None) == (fault is None)


numeric = st.none() | st.floats() | st.integers(-(10**6), 10**6).map(float)


@given(numbers=st.lists(numeric, min_size=20, max_size=60))
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_a_number_of_the_files_own_type_is_judged_as_its_text_would_be(spark: Any, numbers: list[float | None]) -> None:
    frame = spark.createDataFrame([(number,) for number in numbers], "native double")
    text = f.col("native").cast("string")
    promised = [c for c in checks(source_of("UTC"), AT, {}) if c.column == "number"]
    found = [
        conform.faults(promised, {"number": value}, "UTC")["number"]["rule"].alias(f"by{index}")
        for index, value in enumerate((conform.Value(text), conform.Value(text, f.col("native"), "number")))
    ]
    # Text tells NaN and infinity by their shape, the type by their value: both are breaches of the same rule.
    assert all(row["by0"] == row["by1"] for row in frame.select(*found).collect())
