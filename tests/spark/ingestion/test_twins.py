"""What is said in two tongues is the same: contracts in Python and in Spark, over whole lists of random values."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as f

from infra.errors import value_class
from ingestion import conform
from ingestion.check import SHAPES, Check, checks, first_fault, row_model, trimmed
from ingestion.config import Connector, FieldContract, Source

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
    where = Connector(type="files", path="data/*", format="csv")
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
