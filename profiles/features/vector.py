"""One row of a feature set: from what a purpose sees of a person to values in the declared order. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from profiles.features.declared import Feature, FeatureSet, Value, is_a

# What became of each value, a letter each.
PRESENT: Final = "p"
DEFAULT: Final = "d"
WITHHELD: Final = "w"
STALE: Final = "s"


@dataclass(frozen=True, slots=True)
class Row:
    """Values in the order in which the set declares them, and what became of each: a letter a value."""

    values: tuple[Value, ...]
    status: str


def nobody(declared: FeatureSet) -> Row:
    """Return the row of somebody of whom the purpose sees nothing: unknown, erased and denied alike."""
    return Row(tuple(one.absent for one in declared.features), DEFAULT * len(declared.features))


def row(declared: FeatureSet, view: Mapping[str, Any], at: datetime, counted: datetime | None) -> Row:
    """Return the row of a person as a purpose sees them at a moment.

    `counted` is when all that is served was last worked out. An attribute is as old as its observation; a trait or
    an audience as old as the later of `counted` and the view's own `as_of`, which moves with every event.
    """
    withheld = {one["field"] for one in view["withheld"]}
    settled = [_settled(one, view, withheld, at, counted) for one in declared.features]
    return Row(tuple(value for value, _ in settled), "".join(status for _, status in settled))


def _settled(
    feature: Feature, view: Mapping[str, Any], withheld: set[str], at: datetime, counted: datetime | None
) -> tuple[Value, str]:
    value = _told(feature, view)
    # A field that is cut short is named as withheld and has a value all the same.
    if value is None or not is_a(feature.type, value):
        return feature.absent, WITHHELD if {feature.of, feature.part} & withheld else DEFAULT
    if feature.max_age is not None:
        since = _since(feature, view, counted)
        if since is None or at - since > feature.max_age:
            return feature.absent, STALE
    return value, PRESENT


def _told(feature: Feature, view: Mapping[str, Any]) -> Value:
    if feature.part == "audiences":
        # Not to be in an audience is as much an answer as to be in it, unless audiences are withheld.
        if any(one["field"] == "audiences" for one in view["withheld"]):
            return None
        return feature.of in view["audiences"]
    found: Value = view[feature.part].get(feature.of)
    return found


def _since(feature: Feature, view: Mapping[str, Any], counted: datetime | None) -> datetime | None:
    if feature.part == "attributes":
        told = view["provenance"].get(feature.of, {}).get("observed_at")
        return None if told is None else datetime.fromisoformat(told)
    seen = datetime.fromisoformat(view["as_of"])
    return seen if counted is None else max(seen, counted)
