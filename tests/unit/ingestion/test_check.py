"""Contracts row by row: the first breach is told by field, rule and class of value."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ingestion.check import checks, first_fault, judgement, row_model
from ingestion.pattern import portable

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
FIELD = """
source: crm
connector: {{type: files, path: data/*, format: csv}}
record: person
key: id
contract: {{v: {contract}}}
"""


@pytest.fixture
def fault(source: Any) -> Any:
    def find(contract: str, value: str | None) -> Any:
        model = row_model("Row", checks(source(FIELD.format(contract=contract)), AT, {}))
        found = first_fault(model, {"id": "1", "v": value})
        return found.rule if found else None

    return find


@pytest.mark.parametrize(
    ("contract", "fine", "broken"),
    [
        ("{required: true}", ["x", " x "], {"required": [None, "", " \t"]}),
        ("{type: email}", ["a@b.example", None], {"type": ["a", "a@b", "a b@c.example", "a@b..example"]}),
        ("{type: phone}", ["+1 (614) 555-0101", "5550101"], {"type": ["12345", "call me", "+1-555-0101x", "5" * 16]}),
        ("{type: date}", ["2024-02-29"], {"type": ["2023-02-29", "2024-13-01", "24-1-1", "0001-01-01"]}),
        ("{type: date, max: today}", ["2026-11-01"], {"max": ["2026-11-02"]}),
        ("{type: timestamp}", ["2024-02-29T10:00Z", "2024-02-29 10:00:00.123456789+0530", "2024-02-29"],
         {"type": ["2024-02-30T10:00:00Z", "2024-02-29T25:00:00", "2024-02-29T10:00:00+15:00", "now"]}),
        ("{type: timestamp, max: now}", ["2026-11-01T12:00:00Z"], {"max": ["2026-11-01T11:00:00-02:00"]}),
        ("{type: integer, min: 0}", ["0", "+7", "-0"], {"type": ["1.0", "x", "1" * 19], "min": ["-1"]}),
        ("{type: number, max: 10.5}", ["10.5", ".5", "1e1", "-3."], {"type": ["1e999", "nan", "1,5"], "max": ["10.6"]}),
        ("{type: boolean}", ["true", "No", "T", "0"], {"type": ["maybe", "\u017f"]}),
        ("{type: enum, values: [F, M]}", ["F", " M "], {"values": ["f", "X"]}),
        ("{max_length: 3}", ["abc", "\U0001f600" * 3], {"max_length": ["abcd"]}),
        ("{pattern: '^[A-Z]{2}\\d+$'}", ["AB12"], {"pattern": ["AB", "xAB12", "AB12x", "AB\u0661"]}),
    ],
)  # fmt: skip
def test_each_rule_has_its_breaches(fault: Any, contract: Any, fine: Any, broken: Any) -> None:
    assert {value: fault(contract, value) for value in fine} == dict.fromkeys(fine)
    for rule, values in broken.items():
        assert {value: fault(contract, value) for value in values} == dict.fromkeys(values, rule)


def test_a_fault_tells_the_class_of_the_value_not_the_value(source: Any) -> None:
    model = row_model("Row", checks(source(FIELD.format(contract="{type: email}")), AT, {}))
    found = first_fault(model, {"id": "1", "v": "Jane Doe"})
    assert (found.column, found.rule, found.value_class) == ("v", "type", "text of 8 characters")


def test_what_the_platform_needs_itself_is_checked_without_being_declared(source: Any) -> None:
    event = """
source: tills
connector: {type: files, path: data/*, format: csv}
record: event
key: [basket, line]
occurred_at: at
event: {type: "=purchase"}
order: {amount: price}
"""
    model = row_model("Row", checks(source(event), AT, {}))
    good = {"basket": "1", "line": "2", "at": "2017-01-01 10:00:00", "price": "1.50"}
    assert first_fault(model, good) is None
    for change, expected in (
        ({"line": ""}, "line"),
        ({"at": None}, "at"),
        ({"at": "noon"}, "at"),
        ({"price": "x"}, "price"),
    ):
        assert first_fault(model, {**good, **change}).column == expected


@pytest.mark.parametrize(
    ("pattern", "rewritten"),
    [
        (r"^\d+$", "[0-9]+"),
        (r"a.c", r"a[^\n]c"),
        (r"(a|b)c", "(?:a|b)c"),
        (r"[\w.-]+", "[A-Za-z0-9_.-]+"),
        (r"[[]&]", r"[\[]&]"),
        (r"[]a]", r"[\]a]"),
        (r"a{2,3}\$", r"a{2,3}\$"),
        (r"\S", r"[^ \t\n\r\f\x0b]"),
    ],
)
def test_patterns_are_rewritten_so_that_both_engines_read_them_alike(pattern: Any, rewritten: Any) -> None:
    assert portable(pattern) == rewritten


@pytest.mark.parametrize("pattern", [r"(?i)a", r"(a)\1", r"\bword", r"a++", r"a^b", r"a{,3}", r"\pL", "(", "[a", "a\\"])
def test_patterns_that_they_would_read_differently_are_refused(pattern: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        portable(pattern)


@pytest.mark.parametrize(
    ("contract", "value", "found"),
    [
        ("{type: integer, min: 0, on_violation: drop_field}", "x", ([], ["type"], [])),
        ("{type: integer, min: 0, on_violation: {min: accept_and_flag}}", "-1", ([], [], ["min"])),
        # What is no number is not also below a bound.
        ("{type: integer, min: 0, on_violation: {type: accept_and_flag}}", "x", ([], [], ["type"])),
        ("{type: date, min: 2000-01-01, on_violation: {type: drop_field}}", "0x", ([], ["type"], [])),
        # The strongest word of all that was broken counts; rules that are no bounds are asked for themselves.
        (
            "{type: integer, max_length: 3, min: 0, on_violation: {max_length: accept_and_flag}}",
            "-1234",
            (["min"], [], []),
        ),
        (
            "{type: integer, max_length: 3, max: 9, on_violation: {max_length: accept_and_flag, max: drop_field}}",
            "1234",
            ([], ["max"], ["max_length"]),
        ),
        ("{required: true, on_violation: {required: accept_and_flag}}", "", ([], [], ["required"])),
        ("{min: 0, type: number, on_violation: {min: drop_field}}", "0", ([], [], [])),
    ],
)
def test_each_rule_may_have_a_consequence_of_its_own(source: Any, contract: str, value: str, found: Any) -> None:
    told = judgement(checks(source(FIELD.format(contract=contract)), AT, {}), {"id": "1", "v": value})
    rejected = [told.fault.rule] if told.fault else []
    assert (rejected, [one.rule for one in told.dropped], [one.rule for one in told.flagged]) == found


def test_what_the_platform_cannot_do_without_is_never_softened_by_the_source(source: Any) -> None:
    soft = FIELD.format(contract="{type: email}").replace("key: id", "key: v\non_violation: drop_field")
    assert judgement(checks(source(soft), AT, {}), {"v": "nobody"}).fault is not None
    own = soft.replace("{type: email}", "{type: email, required: true, on_violation: accept_and_flag}")
    flagged = judgement(checks(source(own), AT, {}), {"v": "nobody"})
    assert (flagged.fault, [one.rule for one in flagged.flagged]) == (None, ["type"])
    missing = judgement(checks(source(own), AT, {}), {"v": " "})
    assert missing.fault is not None
    assert missing.fault.rule == "required"
