"""A tracking plan made ready to be asked: for each event a tree of what may stand where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, cast

from ingestion.check import SHAPES, moment
from ingestion.contract import FieldType, OnViolation
from ingestion.pattern import portable
from ingestion.tracking.declared import (
    SECTIONS,
    SPELLED,
    OfProperty,
    PlannedEvent,
    PlanRule,
    Property,
    Shape,
    TrackingPlan,
    decimal,
    main_section,
)

# What a value of JSON is.
JsonKind = Literal["text", "number", "boolean", "object", "array", "null"]
Argument = str | int | Decimal | datetime | frozenset[str] | frozenset[Decimal]

_WORDS: Final[Mapping[str, str]] = {
    "text": "text",
    "number": "a number, and no text",
    "integer": "a whole number, and no text",
    "boolean": "true or false, and no text",
    "object": "an object",
    "array": "a list",
    "email": "an email address",
    "phone": "a phone number of 7 to 15 digits",
    "date": "a date such as 2001-12-31",
    "timestamp": "a moment such as 2001-12-31T23:59:59Z",
}


@dataclass(frozen=True, slots=True)
class Test:
    """One rule for values of one kind: how it is asked, and how a breach is told."""

    rule: PlanRule
    kind: JsonKind
    test: str
    argument: Argument
    must: str


@dataclass(frozen=True, slots=True)
class Node:
    """What may stand at one place of an event. Without `kinds` anything may; `spelled` is a kind of text.

    A `section` is needed because something in it is: `properties`, `traits` or `context` of an event.
    """

    kinds: frozenset[str] = frozenset()
    spelled: str = ""
    nullable: bool = True
    must: str = ""
    tests: tuple[Test, ...] = ()
    properties: Mapping[str, "Node"] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    unplanned: OfProperty = "accept"
    items: "Node | None" = None
    actions: Mapping[str, OnViolation] = field(default_factory=dict)
    section: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """An event of the plan: how it is called, and what it has to be."""

    told: str
    node: Node


def planned_events(plan: TrackingPlan) -> dict[tuple[str, str | None], dict[int, Planned]]:
    """Return the plan's events by type and name, and each one's versions."""
    found: dict[tuple[str, str | None], dict[int, Planned]] = {}
    for event in plan.events:
        node = _event_node(event, plan)
        found.setdefault((event.type, event.event), {})[event.version] = Planned(event.told(), node)
    return found


def common_node(plan: TrackingPlan) -> Node | None:
    """Return what every event has to be, or None where the plan does not say."""
    return _shape_node(plan.common, plan.on_violation, {}) if plan.common else None


def _event_node(event: PlannedEvent, plan: TrackingPlan) -> Node:
    unplanned = event.unplanned or plan.unplanned.properties
    return _shape_node(event, plan.on_violation, {main_section(event.type): unplanned})


def _shape_node(shape: Shape, default: OnViolation, unplanned: Mapping[str, OfProperty]) -> Node:
    said = dict(shape.sections())
    inside = {name: _node(one, default) for name, one in shape.root.items()}
    needed = [name for name, one in shape.root.items() if one.required]
    for name in SECTIONS:
        of_rest = unplanned.get(name, "accept")
        if name in said:
            section = Property(type=("object",), properties=said[name], required=_needs(said[name]))
            inside[name] = replace(_node(section, default, of_rest), section=True)
            needed += [name] if section.required else []
        elif of_rest != "accept":
            inside[name] = Node(unplanned=of_rest)
    return Node(properties=inside, required=tuple(needed))


def _needs(said: Mapping[str, Property]) -> bool:
    """Say whether a section has to be there, because something in it has to be."""
    return any(one.required for one in said.values())


def _node(said: Property, default: OnViolation, unplanned: OfProperty = "accept") -> Node:
    spelled = said.type[0] if said.type[0] in SPELLED else ""
    kinds = frozenset(() if said.type == ("any",) else ("text",) if spelled else said.type)
    inside = said.properties or {}
    return Node(
        kinds=kinds,
        spelled=spelled,
        nullable=said.nullable or not kinds,
        must=" or ".join(_WORDS[kind] for kind in said.type if kind != "any"),
        tests=tuple(_tests(said)),
        properties={name: _node(one, default) for name, one in inside.items()},
        required=tuple(name for name, one in inside.items() if one.required),
        unplanned=said.unplanned or unplanned,
        items=_node(said.items, default) if said.items else None,
        actions={rule: said.on_violation.get(cast("PlanRule", rule), default) for rule in _rules(said)},
    )


def _rules(said: Property) -> Iterable[str]:
    return ("type", "required", *(test.rule for test in _tests(said)))


def _tests(said: Property) -> Iterable[Test]:
    kind = said.type[0]
    numbers = {"number", "integer"} & set(said.type)
    if said.values:
        known = frozenset(map(decimal, said.values)) if numbers else frozenset(said.values)
        must = f"one of {', '.join(said.values)}"
        yield Test("values", "number" if numbers else "text", "among", cast("Argument", known), must)
    if said.pattern is not None:
        yield Test("pattern", "text", "matches", portable(said.pattern), f"text that matches {said.pattern}")
    if said.min_length is not None:
        yield Test("min_length", "text", "longer", said.min_length, f"{said.min_length} characters or longer")
    if said.max_length is not None:
        yield Test("max_length", "text", "shorter", said.max_length, f"not longer than {said.max_length} characters")
    if said.min is not None:
        where, bound = _bound(kind, said.min)
        yield Test("min", where, "from_", bound, f"not below {said.min}")
    if said.max is not None:
        where, bound = _bound(kind, said.max)
        yield Test("max", where, "until", bound, f"not above {said.max}")
    if said.min_items is not None:
        yield Test("min_items", "array", "longer", said.min_items, f"a list of {said.min_items} or more")
    if said.max_items is not None:
        yield Test("max_items", "array", "shorter", said.max_items, f"a list of at most {said.max_items}")


def _bound(kind: str, bound: str) -> tuple[JsonKind, Argument]:
    if kind == "date":
        return "text", bound
    if kind == "timestamp":
        return "text", moment(bound, "UTC")
    return "number", Decimal(bound)


def shape_of(spelled: str) -> str:
    """Return the pattern of a kind of text."""
    return SHAPES[cast("FieldType", spelled)]
