"""A tracking plan as its YAML declares it: each event by type, name and version, with what it says of each thing."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, Self, cast, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ingestion.connectors.declared import Section
from ingestion.contract import FieldType, OnViolation, Pattern, Word, by_rule, check_bound

Kind = Literal["any", "text", "number", "integer", "boolean", "object", "array", "email", "phone", "date", "timestamp"]
PlanRule = Literal[
    "required", "type", "values", "pattern", "min_length", "max_length", "min", "max", "min_items", "max_items"
]
OfEvent = Literal["accept", "accept_and_flag", "quarantine"]
OfProperty = Literal["accept", "accept_and_flag", "drop_field", "quarantine"]

RULES: Final[tuple[PlanRule, ...]] = get_args(PlanRule)
# Kinds of text that have a spelling, and stand alone.
SPELLED: Final = ("email", "phone", "date", "timestamp")
VERSION: Final = "context.protocols.event_version"
# Where each type of event says what its properties are; all others say so under `properties`.
_MAIN: Final = {"identify": "traits", "group": "traits"}
SECTIONS: Final = ("properties", "traits", "context")

# Which rules have a meaning for which kinds of value.
_FITS: Final[Mapping[str, tuple[str, ...]]] = {
    "pattern": ("text",),
    "min_length": ("text",),
    "max_length": ("text", *SPELLED),
    "min": ("number", "integer", "date", "timestamp"),
    "max": ("number", "integer", "date", "timestamp"),
    "min_items": ("array",),
    "max_items": ("array",),
    "items": ("array",),
    "properties": ("object",),
    "unplanned": ("object",),
}


def main_section(kind: str) -> str:
    """Return where an event of this type says its properties."""
    return _MAIN.get(kind, "properties")


def _kinds(value: Any) -> Any:
    """Return one kind or several as several; `enum`, a contract's word, is text of known values."""
    listed = value if isinstance(value, list | tuple) else (value,)
    return tuple("text" if one == "enum" else one for one in listed)


class Property(Section):
    """What an event says of one thing; a plan judges the value as it was sent, so "12" is text and 12 a number.

    `required` means that it is there at all; null is a value only where it is `nullable`.
    """

    type: Annotated[tuple[Kind, ...], BeforeValidator(_kinds), Field(min_length=1)] = ("any",)
    description: str | None = None
    required: bool = False
    nullable: bool = False
    values: tuple[Word, ...] = ()
    pattern: Pattern | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    min: Word | None = None
    max: Word | None = None
    min_items: int | None = Field(default=None, ge=0)
    max_items: int | None = Field(default=None, ge=0)
    items: "Property | None" = None
    properties: "dict[str, Property] | None" = None
    unplanned: OfProperty | None = None
    on_violation: dict[PlanRule, OnViolation] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _rule_by_rule(cls, said: Any) -> Any:
        if isinstance(said, Mapping) and said.get("type") == "enum" and not said.get("values"):
            raise ValueError("type enum needs `values`, e.g. values: [F, M, X]")
        return by_rule(said, RULES)

    @model_validator(mode="after")
    def _fits_type(self) -> Self:
        if len(self.type) > 1 and {"any", *SPELLED} & set(self.type):
            raise ValueError(
                f"{', '.join(('any', *SPELLED))} stand alone; several types are of text, number, integer, "
                "boolean, object and array"
            )
        for name, kinds in _FITS.items():
            if getattr(self, name) is not None and not {"any", *kinds} & set(self.type):
                raise ValueError(
                    f"{name} has no meaning for type {' or '.join(self.type)}; it is for {', '.join(kinds)}"
                )
        for name in ("min", "max"):
            bound = getattr(self, name)
            if bound is not None:
                (dated,) = {"date", "timestamp"} & set(self.type) or ("number",)
                check_bound(cast("FieldType", dated), name, bound)
                if bound in ("today", "now"):
                    raise ValueError(f"a tracking plan is the same every day; say {name}: {bound} in the contract")
        if self.items is not None and self.items.required:
            raise ValueError("what is in a list is there; leave `required` out of `items`, or say `min_items`")
        self._check_values()
        return self

    def _check_values(self) -> None:
        numbers = {"number", "integer"} & set(self.type)
        if self.values and (len(self.type) > 1 or not ({"text", *SPELLED} & set(self.type) or numbers)):
            raise ValueError("`values` are of one type: text, number or integer; for others say `type` alone")
        for value in self.values if numbers else ():
            if decimal(value) is None:
                raise ValueError("`values` of a number are numbers, such as [1, 2.5]")


def decimal(text: str) -> Decimal | None:
    """Return the number that a text is, exact; None where it is none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


class Shape(Section):
    """What an event says, by where it says it; `root` are the things beside `properties`, `traits` and `context`."""

    properties: dict[str, Property] | None = None
    traits: dict[str, Property] | None = None
    context: dict[str, Property] | None = None
    root: dict[str, Property] = Field(default_factory=dict)

    @field_validator("root")
    @classmethod
    def _beside(cls, value: dict[str, Property]) -> dict[str, Property]:
        for name in SECTIONS:
            if name in value:
                raise ValueError(f"{name} is no thing of the root; say `{name}:` beside it")
        return value

    def sections(self) -> Iterator[tuple[str, dict[str, Property]]]:
        """Yield the sections that are said, by name."""
        for name in SECTIONS:
            said: dict[str, Property] | None = getattr(self, name)
            if said is not None:
                yield name, said


class PlannedEvent(Shape):
    """One version of an event: `unplanned` is what becomes of properties (or traits) that it does not name."""

    event: Annotated[str | None, Field(min_length=1)] = None
    type: str = Field(default="track", min_length=1)
    version: int = Field(default=1, ge=1)
    description: str | None = None
    unplanned: OfProperty | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.type == "track" and self.event is None:
            raise ValueError("an event of type track needs `event`, its name")
        return self

    def told(self) -> str:
        """Return how the event is called in notes and reasons."""
        return " ".join([self.type, *([self.event] if self.event else []), str(self.version)])


class Unplanned(Section):
    """What becomes of events that the plan does not name, and of properties that a planned event does not name."""

    events: OfEvent = "accept_and_flag"
    properties: OfProperty = "accept_and_flag"


class TrackingPlan(Section):
    """A tracking plan: the sources that it holds for, and what each of their events says.

    `common` holds for every event. An event says under `version` which version it follows; the newest without it.
    """

    tracking_plan: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    description: str | None = None
    sources: tuple[str, ...] = Field(min_length=1)
    version: str = Field(default=VERSION, pattern=r"^[^.*]+(\.[^.*]+)*$")
    on_violation: OnViolation = "quarantine"
    unplanned: Unplanned = Unplanned()
    common: Shape | None = None
    events: tuple[PlannedEvent, ...] = ()

    def types(self) -> frozenset[str]:
        """Return the types of events that the plan judges: those that it names, and track."""
        return frozenset({"track", *(event.type for event in self.events)})


def plain_name(text: str) -> str:
    """Return a text as the name of a plan: small letters, digits and `_`."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:63]
    return name if name[:1].isalpha() else f"plan_{name}"[:63].rstrip("_")
