"""Tracking plans: what is judged, by which version, and how a mistake in the file is told."""

import json
from typing import Any

import pytest

from infra.errors import ConfigurationError
from ingestion.config import load_sources
from ingestion.read import json_tree
from ingestion.tracking.declared import TrackingPlan
from ingestion.tracking.documents import NoPlan, document
from ingestion.tracking.exported import exported
from ingestion.tracking.judge import Judge, pruned
from ingestion.tracking.plans import Consequences, plan_of

WEB = """source: web
connector: {type: collector}
identifiers: {email: traits.email}
"""
TILLS = """source: tills
connector: {type: files, path: data/*, format: csv}
record: event
key: id
occurred_at: at
event: {type: "=purchase"}
"""
PLAN = """tracking_plan: shop
sources: [web]
unplanned: {events: quarantine, properties: accept_and_flag}
common:
  context:
    ip: {type: text, required: true, on_violation: accept_and_flag}
events:
  - event: Paid
    properties: {amount: {type: integer, min: 1, on_violation: {min: drop_field}}}
  - event: Paid
    version: 2
    properties:
      amount: {type: [number, text], min: 1}
      lines:
        type: array
        min_items: 1
        items: {type: object, unplanned: drop_field, properties: {sku: {type: enum, values: [a, b]}}}
  - type: identify
    traits: {email: {type: email}, born: {type: date, max: 2020-01-01, nullable: true}}
"""


@pytest.fixture
def plan(folder: Any, declare: Any) -> Any:
    """Write the plan, changed or not, and return the one of its source."""

    def write(*change: str, text: str = PLAN) -> TrackingPlan:
        (folder / "tracking").mkdir(exist_ok=True)
        (folder / "tracking" / "shop.yaml").write_text(text.replace(*change) if change else text)
        (source,) = load_sources(declare(WEB, "web"))
        assert source.tracking is not None
        return source.tracking

    return write


def judged(plan: TrackingPlan, **event: Any) -> list[tuple[str, str, str]]:
    whole = {"type": "track", "event": "Paid", "context": {"ip": "::1"}, **event}
    said = {name: value for name, value in whole.items() if value is not ...}
    found = Judge(plan, "type", "event").outcome(json_tree(json.dumps(said)))
    return [(one.field, one.rule, one.action) for one in found.violations]


def version(number: Any) -> dict[str, Any]:
    return {"ip": "::1", "protocols": {"event_version": number}}


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"properties": {"amount": 1.5}}, []),
        ({"properties": {"amount": "free"}}, []),
        ({"properties": {"amount": 0}}, [("properties.amount", "min", "quarantine")]),
        ({"properties": {"amount": None}}, [("properties.amount", "type", "quarantine")]),
        ({"properties": []}, [("properties", "type", "quarantine")]),
        ({}, []),
        ({"properties": {"amount": 0}, "context": version(1)}, [("properties.amount", "min", "drop_field")]),
        ({"properties": {"amount": "1"}, "context": version("1")}, [("properties.amount", "type", "quarantine")]),
        ({"properties": {"amount": 1.5}, "context": version(1.0)}, [("properties.amount", "type", "quarantine")]),
        ({"properties": {"amount": 2.0}, "context": version(1)}, []),
        ({"context": version(3)}, [("context.protocols.event_version", "unplanned", "quarantine")]),
        ({"context": version([1])}, [("context.protocols.event_version", "unplanned", "quarantine")]),
        ({"context": version(None)}, []),
        ({"event": "paid"}, [("event", "unplanned", "quarantine")]),
        ({"event": None}, [("event", "unplanned", "quarantine")]),
        ({"context": 7}, [("context", "type", "quarantine")]),
        ({"context": {}}, [("context.ip", "required", "accept_and_flag")]),
        ({"context": ...}, [("context.ip", "required", "accept_and_flag")]),
        ({"type": "page", "event": None, "properties": {"x": 1}}, []),
        ({"type": "page", "context": None}, [("context", "type", "quarantine")]),
        ({"properties": {"lines": []}}, [("properties.lines", "min_items", "quarantine")]),
        ({"properties": {"lines": [{"sku": "a", "x": 1}, 3]}},
         [("properties.lines[].x", "unplanned", "drop_field"), ("properties.lines[]", "type", "quarantine")]),
        ({"properties": {"lines": [{"sku": " a"}]}}, [("properties.lines[].sku", "values", "quarantine")]),
        ({"properties": {"ann@example.org": 1}},
         [("properties.[EMAIL_ADDRESS]", "unplanned", "accept_and_flag")]),
        ({"type": "identify", "event": "ignored", "traits": {"email": "x", "born": None}},
         [("traits.email", "type", "quarantine")]),
        ({"type": "identify", "traits": {"born": "2020-01-02", "age": 3}, "properties": {"free": 1}},
         [("traits.born", "max", "quarantine"), ("traits.age", "unplanned", "accept_and_flag")]),
    ],
)  # fmt: skip
def test_an_event_is_held_to_the_version_that_it_follows(plan: Any, event: Any, found: Any) -> None:
    assert judged(plan(), **event) == found


def test_what_is_dropped_is_taken_out_of_a_copy() -> None:
    tree = {"a": {"b": [1, 2, {"c": 3, "d": 4}], "e": 5}, "f": 6}
    assert pruned(tree, [("a", "b", 0), ("a", "b", 2, "c"), ("f",)]) == {"a": {"b": [2, {"d": 4}], "e": 5}}
    assert tree == {"a": {"b": [1, 2, {"c": 3, "d": 4}], "e": 5}, "f": 6}


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("sources: [web]", "sources: [wep]"), 2, "no source has this name; did you mean web?"),
        (("sources: [web]", "sources: [web, web]"), 2, "holds for this source already; a source has one plan"),
        (("sources: [web]", "sources: []"), 2, "at least 1 item"),
        (("properties: accept_and_flag", "properties: omit"), 3, "use 'accept', 'accept_and_flag', 'drop_field'"),
        (("events: quarantine", "events: drop_field"), 3, "use 'accept', 'accept_and_flag' or 'quarantine'"),
        (("type: integer, min: 1", "type: integer, min: one"), 9, "min does not fit type number; write a number"),
        (("min: drop_field", "max: drop_field"), 9, "on_violation names max, which the field does not promise"),
        (("min: drop_field", "min: ignore"), 9, "use 'quarantine', 'drop_field' or 'accept_and_flag'"),
        (("    version: 2\n", ""), 10, "track Paid 1 stands here twice; give one of them another `version`"),
        (("  - event: Paid\n    version: 2", "  - version: 2"), 10, "an event of type track needs `event`"),
        (("[number, text]", "[number, email]"), 13, "stand alone"),
        (("[number, text], min: 1", "[number, text], values: [1]"), 13, "`values` are of one type"),
        (("min_items: 1", "min_items: -1"), 16, "greater than or equal to 0"),
        (("type: enum, values: [a, b]", "type: enum"), 17, "type enum needs `values`"),
        (("type: email", "type: email, min_items: 3"), 19, "min_items has no meaning for type email"),
        (
            ("max: 2020-01-01", "max: today"),
            19,
            "a tracking plan is the same every day; say max: today in the contract",
        ),
        (("{sku: {", "{sku: {pattern: '(?=x)', "), 17, "not portable"),
        (("items: {type: object,", "items: {required: true, type: object,"), 14, "what is in a list is there"),
        (("tracking_plan: shop", "tracking_plan: Shop"), 1, "match pattern"),
        (("tracking_plan: shop", "tracking_plan: shop\nplan: x"), 2, "unknown key; known keys: tracking_plan"),
    ],
)
def test_a_mistake_in_a_plan_is_told_with_its_line(plan: Any, change: Any, line: Any, says: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        plan(*change)
    assert (caught.value.file, caught.value.line) == ("tracking/shop.yaml", line), str(caught.value)
    assert says in str(caught.value)


def test_a_plan_holds_for_events_of_json_alone(folder: Any, declare: Any) -> None:
    (folder / "tracking").mkdir()
    (folder / "tracking" / "shop.yaml").write_text("tracking_plan: shop\nsources:\n  - tills\n")
    with pytest.raises(ConfigurationError, match="judges events of JSON") as caught:
        load_sources(declare(TILLS, "tills"))
    assert caught.value.line == 3


def test_two_plans_may_not_have_one_name(folder: Any, declare: Any, plan: Any) -> None:
    plan()
    (folder / "tracking" / "zoo.yaml").write_text("tracking_plan: shop\nsources: [web]\n")
    with pytest.raises(ConfigurationError, match="another plan has this name"):
        load_sources(declare(WEB, "web"))


def test_a_source_does_not_hold_its_plan(declare: Any) -> None:
    with pytest.raises(ConfigurationError, match="has a file of its own"):
        load_sources(declare(WEB + "tracking: shop\n", "web"))


SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "title": "Paid",
    "properties": {
        "context": {},
        "traits": {"type": "object"},
        "userId": {"type": "string"},
        "properties": {
            "type": "object",
            "required": ["amount", "why"],
            "properties": {
                "amount": {"type": ["integer", "null"], "exclusiveMinimum": 0, "multipleOf": 5},
                "rate": {"type": "number", "exclusiveMaximum": 1},
                "code": {"type": "string", "pattern": "^A"},
                "odd": {"type": "string", "pattern": "^a|b$"},
                "site": {"type": "string", "format": "uri", "title": "Site"},
                "kind": {"const": "x"},
                "mixed": {"enum": ["a", 1]},
                "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "address": {"$ref": "#/definitions/address"},
                "round": {"$ref": "#/definitions/round"},
                "never": False,
                "size": {"type": "integer", "maxLength": 3},
                "vast": {"type": "string", "maxLength": "VAST"},
            },
        },
    },
    "required": ["properties", "userId"],
    "additionalProperties": False,
    "definitions": {
        "address": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False},
        "round": {"$ref": "#/definitions/round"},
    },
}


def imported(tree: Any, **consequences: Any) -> Any:
    # A number that would fill the machine if it were written out.
    text = json.dumps(tree).replace('"VAST"', "1e999999999")
    return plan_of(document(text, "plan.json"), None, ["web"], Consequences(**consequences))


def test_what_a_schema_says_and_a_plan_cannot_is_told() -> None:
    plan, untold = imported({"name": "Shop (live)", "rules": [{"key": "Paid", "type": "TRACK", "jsonSchema": SCHEMA}]})
    assert plan.tracking_plan == "shop_live"
    (event,) = plan.events
    said = {name: one.model_dump(exclude_defaults=True) for name, one in event.properties.items()}
    assert said == {
        "amount": {"type": ("integer",), "nullable": True, "min": "1", "required": True},
        "rate": {"type": ("number",)},
        "code": {"type": ("text",), "pattern": "(?:A)(?:.|\\n)*"},
        "odd": {"type": ("text",)},
        "site": {"type": ("text",)},
        "kind": {"type": ("text",), "values": ("x",)},
        "mixed": {},
        "either": {},
        "address": {"type": ("object",), "properties": {"city": {"type": ("text",)}}, "unplanned": "quarantine"},
        "round": {},
        "never": {},
        "size": {"type": ("integer",)},
        "vast": {"type": ("text",)},
        "why": {"required": True},
    }
    assert (event.traits, event.context, event.root["userId"].required) == ({}, None, True)
    told = {(one.where.removeprefix("track Paid 1").removeprefix(": properties."), one.what) for one in untold}
    assert told == {
        ("", "title"),
        ("", "additionalProperties"),
        ("amount", "multipleOf"),
        ("rate", "exclusiveMaximum, where a plan's bound is itself allowed"),
        ("odd", "pattern (an anchor that may belong to one of several alternatives; put these in brackets)"),
        ("site", "format: uri"),
        ("site", "title"),
        ("mixed", "enum of other than texts alone, or numbers alone"),
        ("either", "anyOf"),
        ("round", "$ref, which leads out of the schema or round in a circle"),
        ("never", "that it may not be there at all"),
        ("size", "maxLength, which means nothing for integer"),
        ("vast", "maxLength"),
    }


@pytest.mark.parametrize(
    "tree",
    [
        {"data": {"rules": [{"key": "Paid", "type": "TRACK", "version": 1, "jsonSchema": {"type": "object"}}]}},
        {"rules": {"events": [{"name": "Paid", "rules": {"type": "object"}}]}},
        {"rules": {"events": [{"name": "Paid", "eventType": "track", "version": "1", "rules": {"type": "object"}}]}},
        [{"key": "Paid", "json_schema": '{"type": "object"}'}],
        {"Paid": {"type": "object"}},
        {"$schema": "x", "title": "Paid", "type": "object"},
    ],
)
def test_plans_come_in_the_forms_that_others_keep_them_in(tree: Any) -> None:
    plan, untold = imported(tree, on_violation="drop_field")
    assert [event.told() for event in plan.events] == ["track Paid 1"]
    assert untold == ()
    assert plan.on_violation == "drop_field"
    assert document(json.dumps(exported(plan, "rudderstack")[0]), "x").rules[0].told() == "track Paid 1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON, at line 1"),
        ("3", "neither an object nor a list"),
        ("{}", "it has no rules"),
        ('{"rules": [3]}', "rule 1 is no object"),
        ('{"rules": [{"key": "A"}]}', "rule 1 has no JSON Schema"),
        ('{"rules": [{"type": "TRACK", "jsonSchema": {}}]}', "has no name under key or name"),
        ('{"rules": [{"key": "A", "version": "x", "jsonSchema": {}}]}', "a version that is no number"),
        ('{"$schema": "x", "type": "object"}', "without a `title`"),
        ('{"A": 3}', "entries that are no JSON Schema"),
        ('{"\\ud800": {"type": "object"}}', "half of a character"),
        ('{"A": {"type": "object", "minProperties": NaN}}', "not JSON, it has NaN"),
        ("[" * 100_000, "nested deeper"),
    ],
)
def test_what_is_no_plan_is_told_with_what_would_be_one(text: str, says: str) -> None:
    with pytest.raises(NoPlan, match="expected is what Segment's API answers") as caught:
        document(text, "plan.json")
    assert says in str(caught.value)


def test_what_a_plan_says_and_a_schema_cannot_is_told(plan: Any) -> None:
    _, untold = exported(plan())
    assert {(one.where, one.what) for one in untold} == {
        ("unplanned", "what becomes of it: there it is a setting of the source"),
        ("common: context.ip", "on_violation: there it is a setting of the source"),
        ("track Paid 1: properties.amount", "on_violation: there it is a setting of the source"),
        ("track Paid 2: properties.lines[]", "unplanned: drop_field, only that it is a violation"),
        ("identify 1: traits.born", "max: 2020-01-01 of a date"),
    }
    newest, older = exported(plan(), "rudderstack")
    assert [event["name"] for event in newest["rules"]["events"]] == ["Paid", ""]
    assert "an older version: there a plan has one" in {one.what for one in older}
