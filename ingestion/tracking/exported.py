"""A tracking plan as Segment's and RudderStack's hold it: JSON Schema for each event, and what that cannot say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ingestion.number import JSON_NUMBER, Number
from ingestion.tracking.declared import (
    SECTIONS,
    SPELLED,
    OfProperty,
    PlannedEvent,
    Property,
    Shape,
    TrackingPlan,
    Unplanned,
    decimal,
    main_section,
)
from ingestion.tracking.node import shape_of

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
FORMATS: Final = {"email": "email", "date": "date", "timestamp": "date-time"}
TYPES: Final = {"text": "string", **{kind: kind for kind in ("number", "integer", "boolean", "object", "array")}}
# What Segment has rules for; others are written as they are.
KNOWN: Final = ("track", "identify", "group", "page", "screen")
Reader = Literal["segment", "rudderstack"]


@dataclass(frozen=True, slots=True)
class Untold:
    """Something that one side says and the other cannot: where it stands, and what it is."""

    where: str
    what: str


def exported(plan: TrackingPlan, reader: Reader = "segment") -> tuple[dict[str, Any], tuple[Untold, ...]]:
    """Return the plan as a document for a reader, and what it says that the document does not."""
    name = {"name": plan.tracking_plan, **_described(plan)}
    untold = [*_settings(plan), *(one for event in plan.events for one in _of_shape(event, event.told()))]
    if plan.common is not None:
        untold += _of_shape(plan.common, "common")
    if reader == "segment":
        rules = [_rule(event, plan) for event in plan.events]
        if plan.common is not None:
            common = {"key": None, "type": "COMMON", "version": 1, "jsonSchema": _schema(plan.common, {})}
            rules.append(common)
        return {**name, "rules": rules}, tuple(untold)
    newest: dict[tuple[str, str | None], PlannedEvent] = {}
    for event in sorted(plan.events, key=lambda one: one.version):
        newest[event.type, event.event] = event
    older = [event for event in plan.events if event not in newest.values()]
    untold += [Untold(event.told(), "an older version: there a plan has one") for event in older]
    events = [
        {"name": event.event or "", "eventType": event.type, **_described(event), "rules": _event_schema(event, plan)}
        for event in plan.events
        if event not in older
    ]
    return {**name, "rules": {"events": events, **_global(plan)}}, tuple(untold)


def _global(plan: TrackingPlan) -> dict[str, Any]:
    return {"global": _schema(plan.common, {})} if plan.common else {}


def _rule(event: PlannedEvent, plan: TrackingPlan) -> dict[str, Any]:
    schema = _event_schema(event, plan)
    return {"key": event.event, "type": event.type.upper(), "version": event.version, "jsonSchema": schema}


def _event_schema(event: PlannedEvent, plan: TrackingPlan) -> dict[str, Any]:
    of_rest = event.unplanned or plan.unplanned.properties
    return {**_schema(event, {main_section(event.type): of_rest}), **_described(event)}


def _described(said: PlannedEvent | TrackingPlan | Property) -> dict[str, Any]:
    return {} if said.description is None else {"description": said.description}


def _schema(shape: Shape, unplanned: Mapping[str, OfProperty]) -> dict[str, Any]:
    said = dict(shape.sections())
    inside: dict[str, Any] = {}
    for name in SECTIONS:
        of_rest = unplanned.get(name, "accept")
        closed = {} if of_rest == "accept" else {"additionalProperties": False}
        inside[name] = {"type": "object", **_object(said[name]), **closed} if name in said else closed
    inside |= {name: property_schema(one) for name, one in shape.root.items()}
    needed = [name for name in SECTIONS if any(one.required for one in said.get(name, {}).values())]
    needed += [name for name, one in shape.root.items() if one.required]
    required = {"required": needed} if needed else {}
    return {"$schema": DRAFT, "type": "object", "properties": inside, **required}


def _object(said: Mapping[str, Property]) -> dict[str, Any]:
    needed = [name for name, one in said.items() if one.required]
    inside = {"properties": {name: property_schema(one) for name, one in said.items()}} if said else {}
    return {**inside, **({"required": needed} if needed else {})}


def property_schema(said: Property) -> dict[str, Any]:
    """Return what may stand at one place as JSON Schema; numbers are `Number`, to be written digit by digit."""
    kind, made = said.type[0], dict[str, Any](_described(said))
    if kind != "any":
        types = ["string"] if kind in SPELLED else [TYPES[one] for one in said.type]
        types += ["null"] if said.nullable else []
        made["type"] = types[0] if len(types) == 1 else types
    if kind in FORMATS:
        made["format"] = FORMATS[kind]
    if kind == "phone":
        made["pattern"] = anchored(shape_of(kind))
    if said.values:
        numeric = {"number", "integer"} & set(said.type)
        made["enum"] = [*map(_number, said.values)] if numeric else list(said.values)
        made["enum"] += [None] if said.nullable else []
    if said.pattern is not None:
        made["pattern"] = anchored(said.pattern.removeprefix("^").removesuffix("$"))
    bounds = {"minimum": said.min, "maximum": said.max} if kind not in SPELLED else {}
    made |= {name: _number(bound) for name, bound in bounds.items() if bound is not None}
    sizes = {"minLength": said.min_length, "maxLength": said.max_length}
    sizes |= {"minItems": said.min_items, "maxItems": said.max_items}
    made |= {name: Number(size) for name, size in sizes.items() if size is not None}
    if said.items is not None:
        made["items"] = property_schema(said.items)
    if said.properties is not None:
        made |= {"properties": {}, **_object(said.properties)}
    if said.unplanned not in (None, "accept"):
        made["additionalProperties"] = False
    return made


def anchored(pattern: str) -> str:
    """Return a pattern for the whole value as one that is searched for."""
    return f"^(?:{pattern})$"


def _number(text: str) -> Number:
    found = decimal(text)
    return Number(text if JSON_NUMBER.fullmatch(text) or found is None else found)


def _settings(plan: TrackingPlan) -> Iterator[Untold]:
    if plan.on_violation != "quarantine":
        yield Untold("on_violation", f"{plan.on_violation}: there it is a setting of the source")
    if plan.unplanned != Unplanned():
        yield Untold("unplanned", "what becomes of it: there it is a setting of the source")
    if plan.version != TrackingPlan.model_fields["version"].default:
        yield Untold("version", f"{plan.version}: there it is context.protocols.event_version")
    for event in plan.events:
        if event.type not in KNOWN:
            yield Untold(event.told(), f"type {event.type}: there it is one of {', '.join(KNOWN)}")
        if event.unplanned not in (None, "accept", plan.on_violation):
            yield Untold(event.told(), f"unplanned: {event.unplanned}, only that it is a violation")


def _of_shape(shape: Shape, where: str) -> Iterator[Untold]:
    for name, said in (*shape.sections(), ("", shape.root)):
        for inner, one in said.items():
            yield from _of_property(one, f"{where}: {name}.{inner}" if name else f"{where}: {inner}")


def _of_property(said: Property, where: str) -> Iterator[Untold]:
    if said.on_violation:
        yield Untold(where, "on_violation: there it is a setting of the source")
    if said.type[0] in SPELLED:
        for name, bound in (("min", said.min), ("max", said.max)):
            if bound is not None:
                yield Untold(where, f"{name}: {bound} of a {said.type[0]}")
    if said.type == ("timestamp",):
        yield Untold(where, "a moment without its time or zone, which date-time does not allow")
    if said.unplanned not in (None, "accept", "quarantine"):
        yield Untold(where, f"unplanned: {said.unplanned}, only that it is a violation")
    if said.items is not None:
        yield from _of_property(said.items, f"{where}[]")
    for name, one in (said.properties or {}).items():
        yield from _of_property(one, f"{where}.{name}")
