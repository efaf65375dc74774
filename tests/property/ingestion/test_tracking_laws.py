"""Whatever the plan and whatever the event: a plan says what its JSON Schema says, and comes back from it as it was."""

import contextlib
import json
import re
from typing import Any

import hypothesis.strategies as st
from hypothesis import given
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from ruamel.yaml import YAML

from infra.errors import Malformed
from ingestion.check import SHAPES, calendar
from ingestion.config import Source
from ingestion.contract import OnViolation
from ingestion.number import Number, written
from ingestion.read import json_tree, object_row, paths_of
from ingestion.tracking.column import PLAN, read_columns
from ingestion.tracking.declared import SECTIONS, Property, Shape, TrackingPlan, Unplanned
from ingestion.tracking.documents import document
from ingestion.tracking.exported import exported
from ingestion.tracking.judge import Judge, pruned
from ingestion.tracking.plans import Consequences, as_yaml, plan_of

ACTIONS: tuple[OnViolation, ...] = ("quarantine", "drop_field", "accept_and_flag")
NAMES = st.sampled_from(["a", "b", "c", "price", "\u00e9 d", "type", "required"])
WORDS = st.sampled_from(["", "a", "ab", "abc", "1", "12.50", "\u00e9", "a@b.example", "2024-02-30", "2024-02-29"])
TEXTS = WORDS | st.sampled_from(["2024-02-29T10:00:00Z", "+1 614 555 0101", "true", "null", " a ", "AB12"])
DIGITS = st.sampled_from(["0", "1", "-1", "2.5", "100", "12345678901234567890", "0.1", "1e3", "-0.0"])
NUMBERS = DIGITS | st.integers(-5, 5).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
PATTERNS = st.sampled_from(["[a-z]+", "a|b", "[A-Z]{2}[0-9]*", "(?:ab?)+", "x?", "a.c"])
SIZES = st.integers(0, 3)


def in_list(said: dict[str, Any]) -> dict[str, Any]:
    """Return a property as one of what is in a list, where nothing is required."""
    consequences = {rule: one for rule, one in said.get("on_violation", {}).items() if rule != "required"}
    return {**said, "required": False, "on_violation": consequences}


def optional(depth: int) -> list[tuple[Any, dict[str, Any]]]:
    """Return what may be said of which kinds."""
    return [
        (lambda kinds: "text" in kinds, {"min_length": SIZES, "max_length": SIZES, "pattern": PATTERNS}),
        (lambda kinds: kinds == ["text"], {"values": st.lists(TEXTS, min_size=1, max_size=3, unique=True)}),
        (
            lambda kinds: kinds in (["number"], ["integer"]),
            {"values": st.lists(NUMBERS, min_size=1, max_size=3, unique=True)},
        ),
        (lambda kinds: {"number", "integer"} & set(kinds), {"min": NUMBERS, "max": NUMBERS}),
        (
            lambda kinds: "array" in kinds,
            {"min_items": SIZES, "max_items": SIZES, "items": st.deferred(lambda: properties(depth - 1)).map(in_list)},
        ),
        (
            lambda kinds: "object" in kinds,
            {
                "properties": st.dictionaries(NAMES, st.deferred(lambda: properties(depth - 1)), max_size=3),
                "unplanned": st.sampled_from(["accept", *ACTIONS]),
            },
        ),
    ]


@st.composite
def properties(draw: Any, depth: int = 2) -> dict[str, Any]:
    """Return a property as YAML would say it."""
    simple = ["any", "text", "number", "integer", "boolean", "email", "phone", "date", "timestamp"]
    kinds = draw(st.sampled_from(simple + (["object", "array"] if depth else [])).map(lambda kind: [kind]) | UNIONS)
    said: dict[str, Any] = {"type": kinds, "required": draw(st.booleans())}
    if kinds != ["any"]:
        said["nullable"] = draw(st.booleans())
    options = {name: one for fits, some in optional(depth) if fits(kinds) for name, one in some.items()}
    for name, strategy in options.items():
        if draw(st.booleans()):
            said[name] = draw(strategy)
    rules = [name for name in ("required", *said) if name not in ("items", "properties", "unplanned", "nullable")]
    if draw(st.booleans()):
        named = draw(st.dictionaries(st.sampled_from(rules), st.sampled_from(ACTIONS), max_size=2))
        said["on_violation"] = {rule: action for rule, action in named.items() if rule == "type" or said[rule]}
    return said


UNIONS = st.sampled_from([["text", "number"], ["integer", "boolean"], ["text", "boolean", "number"]])
SAID = st.dictionaries(NAMES, properties(), max_size=4)
SHAPES_ = {name: st.none() | SAID for name in ("properties", "traits", "context")}
BESIDE = st.dictionaries(st.sampled_from(["userId", "channel"]), properties(1), max_size=2)
OF_PROPERTY = st.sampled_from(["accept", *ACTIONS])


@st.composite
def plans(draw: Any) -> TrackingPlan:
    """Return a plan of a few versions of a few events."""
    keys = st.tuples(st.sampled_from(["track", "identify", "page"]), st.sampled_from(["A", "B"]), st.integers(1, 3))
    said = []
    for kind, name, version in draw(st.lists(keys, max_size=3, unique=True)):
        event = draw(st.fixed_dictionaries({**SHAPES_, "root": BESIDE, "unplanned": st.none() | OF_PROPERTY}))
        named = None if kind == "identify" else name
        said.append({"type": kind, "event": named, "version": version, **event})
    unique = {(one["type"], one["event"], one["version"]): one for one in said}
    common = draw(st.none() | st.fixed_dictionaries({**SHAPES_, "root": BESIDE}))
    return TrackingPlan.model_validate(
        {
            "tracking_plan": "shop",
            "sources": ["web"],
            "on_violation": draw(st.sampled_from(ACTIONS)),
            "unplanned": {
                "events": draw(st.sampled_from(["accept", "accept_and_flag", "quarantine"])),
                "properties": draw(OF_PROPERTY),
            },
            "common": common,
            "events": list(unique.values()),
        }
    )


# Numbers as JSON writes them; the reader keeps their digits.
JSON = st.recursive(
    st.none() | st.booleans() | TEXTS | NUMBERS.map(Number),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=8,
)


def fitting(draw: Any, said: Property) -> Any:
    """Return a value that is near what a property says, so that not all is wrong at once."""
    if draw(st.integers(0, 5)) == 0:
        return draw(JSON)
    kind = draw(st.sampled_from(said.type))
    if said.values:
        words = draw(st.sampled_from(said.values))
        return Number(words) if {"number", "integer"} & set(said.type) else words
    if kind == "object":
        inside = said.properties or {}
        return {name: fitting(draw, one) for name, one in inside.items() if one.required or draw(st.booleans())}
    if kind == "array":
        return [fitting(draw, said.items) if said.items else draw(JSON) for _ in range(draw(SIZES))]
    plain = {
        "number": NUMBERS.map(Number),
        "integer": st.integers(-5, 5).map(str).map(Number),
        "boolean": st.booleans(),
    }
    return draw(plain.get(kind, TEXTS))


@st.composite
def planned(draw: Any) -> tuple[TrackingPlan, dict[str, Any]]:
    """Return a plan, and an event that is near one of it."""
    plan = draw(plans().filter(lambda plan: plan.events))
    event = draw(st.sampled_from(plan.events))
    made: dict[str, Any] = {"type": event.type, "event": event.event}
    made["context"] = {
        "protocols": {"event_version": draw(st.sampled_from([Number(event.version), str(event.version)]))}
    }
    for name, said in (*event.sections(), ("", event.root)):
        inside = {key: fitting(draw, one) for key, one in said.items() if one.required or draw(st.booleans())}
        if name and draw(st.integers(0, 4)) == 0:
            inside |= draw(st.dictionaries(NAMES, JSON, max_size=1))
        made = {**made, **inside} if not name else {**made, name: {**made.get(name, {}), **inside}}
    if draw(st.integers(0, 9)) == 0:
        made["properties"] = draw(JSON)
    return plan, {name: one for name, one in made.items() if one is not None or name != "event"}


def formats() -> FormatChecker:
    """Return what our kinds of text are: what a format allows is each reader's own affair."""
    checker = FormatChecker(formats=())
    checker.checks("email")(lambda text: not isinstance(text, str) or bool(re.fullmatch(SHAPES["email"], text)))
    for name, kind in (("date", "date"), ("date-time", "timestamp")):
        shape = SHAPES[kind]  # type: ignore[index]
        checker.checks(name)(
            lambda text, shape=shape: not isinstance(text, str) or (bool(re.fullmatch(shape, text)) and calendar(text))
        )
    return checker


def wrong(schema: dict[str, Any], instance: Any, validator: Any = Draft7Validator) -> set[tuple[str | int, ...]]:
    """Return the places that jsonschema finds fault with; what is missing or too much stands at its own place."""
    found: set[tuple[str | int, ...]] = set()
    for error in validator(schema, format_checker=formats()).iter_errors(instance):
        path = tuple(error.absolute_path)
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            # Of a section that is missing, a plan tells what is missing in it.
            inside = error.schema["properties"] if not path else {}
            found |= {(*path, name) for name in missing if path or name not in SECTIONS}
            found |= {
                (name, one) for name in missing if not path and name in SECTIONS for one in inside[name]["required"]
            }
        elif error.validator == "additionalProperties":
            found |= {(*path, name) for name in error.instance if name not in error.schema.get("properties", {})}
        else:
            found.add(path)
    return found


@given(made=planned())
def test_a_plan_finds_fault_where_its_schema_does(made: tuple[TrackingPlan, dict[str, Any]]) -> None:
    plan, event = made
    instance = json.loads(written(event))
    outcome = Judge(plan, "type", "event").outcome(json_tree(written(event)))
    text = json.loads(written(exported(plan)[0]))
    version = int(event["context"]["protocols"]["event_version"]) if isinstance(event["context"], dict) else 1
    (schema,) = (
        rule["jsonSchema"]
        for rule in text["rules"]
        if (rule["type"].lower(), rule["key"], rule["version"]) == (event["type"], event.get("event"), version)
    )
    common = [rule["jsonSchema"] for rule in text["rules"] if rule["type"] == "COMMON"]
    for validator in (Draft7Validator, Draft202012Validator):
        expected = set[Any]().union(*(wrong(one, instance, validator) for one in (schema, *common)))
        assert {one.path for one in outcome.violations} == expected


def sayable(plan: TrackingPlan) -> TrackingPlan:
    """Return the plan without what JSON Schema cannot say: what becomes of a violation, and bounds of moments."""
    closed = plan.unplanned.properties

    def of_property(said: Property) -> Property:
        inside = (
            {name: of_property(one) for name, one in said.properties.items()} if said.properties is not None else None
        )
        return said.model_copy(
            update={
                "on_violation": {},
                "unplanned": None if said.unplanned in (None, "accept") else "quarantine",
                "properties": inside,
                "items": of_property(said.items) if said.items else None,
            }
        )

    def of_shape(shape: Shape, **more: Any) -> Any:
        parts = {name: {key: of_property(one) for key, one in said.items()} for name, said in shape.sections()}
        return shape.model_copy(
            update={**parts, "root": {key: of_property(one) for key, one in shape.root.items()}, **more}
        )

    said = [
        of_shape(event, unplanned=None if (event.unplanned or closed) == "accept" else "quarantine")
        for event in plan.events
    ]
    update = {
        "on_violation": "quarantine",
        "unplanned": Unplanned(events="accept_and_flag", properties="accept"),
        "common": of_shape(plan.common) if plan.common else None,
        "events": tuple(said),
    }
    return plan.model_copy(update=update)


@given(plan=plans().filter(lambda plan: plan.events or plan.common))
def test_a_plan_comes_back_from_its_schema_as_it_was(plan: TrackingPlan) -> None:
    text = written(exported(plan)[0])
    again, untold = plan_of(document(text, "plan.json"), "shop", ["web"], Consequences())
    assert untold == ()
    assert again.model_dump() == sayable(plan).model_dump()
    assert written(exported(again)[0]) == text
    assert exported(sayable(plan))[1] == exported(again)[1]


@given(plan=plans())
def test_a_plan_is_the_same_after_it_is_written_down(plan: TrackingPlan) -> None:
    assert TrackingPlan.model_validate(YAML(typ="safe").load(as_yaml(plan))) == plan


ODD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.sampled_from(
    [
        "yes",
        "1",
        "null",
        "~",
        "a: b",
        "- x",
        "#c",
        "<<",
        "1e3",
        "2001-01-01",
        "\u2028",
        "\x85",
        "\x00",
        "'",
        "? ",
        "=",
        "&b",
    ]
)


@given(names=st.lists(ODD, min_size=1, max_size=4, unique=True))
def test_whatever_things_are_called_they_are_so_in_the_file(names: list[str]) -> None:
    inside = {name: {"type": "text", "values": names, "description": name} for name in names}
    event = {"event": names[0], "properties": inside, "description": " ".join(names)}
    plan = TrackingPlan.model_validate({"tracking_plan": "shop", "sources": ["web"], "events": [event]})
    assert TrackingPlan.model_validate(YAML(typ="rt").load(as_yaml(plan))) == plan


@given(made=planned())
def test_readers_see_an_event_without_what_its_plan_drops(made: tuple[TrackingPlan, dict[str, Any]]) -> None:
    plan, event = made
    source = Source.model_validate(
        {"source": "web", "connector": {"type": "collector"}, "identifiers": {"email": "traits.a"}}
    ).model_copy(update={"tracking": plan})
    columns = read_columns(source)
    tree = json_tree(written(event))
    outcome = Judge(plan, "type", "event").outcome(tree)
    *values, told = object_row(tree, paths_of(columns))
    assert columns[-1] == PLAN
    assert (told is None) == (not outcome.violations)
    dropped = () if outcome.fault() else outcome.dropped()
    kept = pruned(tree, dropped)
    assert tree == json_tree(written(event))  # nothing is changed in place
    assert values == object_row(kept, paths_of(columns[:-1]))
    if told:
        said = json.loads(told)
        assert (said["fault"] is None) == (outcome.fault() is None)
        assert set(said["flags"]) <= set(said["notes"])
        assert bool(said["counted"]) == (said["fault"] is not None)


@given(text=JSON.map(written) | st.text(max_size=30), loose=st.dictionaries(st.text(max_size=9), JSON, max_size=4))
def test_whatever_is_imported_becomes_a_plan_or_a_sentence(text: str, loose: dict[str, Any]) -> None:
    property_ = {"type": "object", "properties": {"properties": {"properties": {"x": loose}}}}
    for one in (text, written({"rules": [{"key": "A", "jsonSchema": property_}]}), written({"A": property_})):
        with contextlib.suppress(Malformed):
            plan, _ = plan_of(document(one, "plan.json"), None, ["web"], Consequences())
            exported(plan)
