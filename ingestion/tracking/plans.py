"""A document of another system as a tracking plan of a workspace, and a plan as the YAML that says it."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML

from ingestion.contract import OnViolation
from ingestion.tracking.declared import OfEvent, OfProperty, PlannedEvent, Shape, TrackingPlan, plain_name
from ingestion.tracking.documents import COMMON, Document
from ingestion.tracking.exported import Untold
from ingestion.tracking.imported import Importer

_FIRST: Final = ("event", "type", "version", "description", "unplanned")


@dataclass(frozen=True, slots=True)
class Consequences:
    """What becomes of violations, which JSON Schema does not say: settings of the source, there."""

    on_violation: OnViolation = "quarantine"
    events: OfEvent = "accept_and_flag"
    properties: OfProperty = "accept"


def plan_of(
    found: Document, name: str | None, sources: Sequence[str], consequences: Consequences
) -> tuple[TrackingPlan, tuple[Untold, ...]]:
    """Return a document as a tracking plan of some sources, and what the document says that a plan cannot."""
    importer = Importer(consequences.on_violation)
    events: list[PlannedEvent] = []
    common: Shape | None = None
    for rule in found.rules:
        said = importer.shape(rule)
        if rule.type == COMMON:
            if common is not None:
                importer.untold.append(Untold(rule.told(), "more than one schema for every event; the last one counts"))
            common = Shape.model_validate({key: one for key, one in said.items() if key != "description"})
            continue
        if rule.description is not None and "description" not in said:
            said = {**said, "description": rule.description}
        events.append(
            PlannedEvent.model_validate({"type": rule.type, "event": rule.event, "version": rule.version, **said})
        )
    plan = TrackingPlan(
        tracking_plan=name or plain_name(found.name or sources[0]),
        description=found.description,
        sources=tuple(sources),
        on_violation=consequences.on_violation,
        unplanned={"events": consequences.events, "properties": consequences.properties},
        common=common,
        events=tuple(events),
    )
    return plan, tuple(importer.untold)


def as_yaml(plan: TrackingPlan) -> str:
    """Return the plan as the text of its file: what is as it is without saying is not said."""
    out, yaml, said = io.StringIO(), YAML(), plan.model_dump(mode="json", exclude_defaults=True)
    yaml.width = 110
    # Line ends of other alphabets do not come back from YAML unless they are spelled out.
    yaml.allow_unicode = not set("\x85\u2028\u2029\ufeff") & set(json.dumps(said, ensure_ascii=False))
    yaml.dump(_plain(said), out)
    return out.getvalue()


def _plain(node: Any) -> Any:
    """Return a tree as people write it: what an event is comes first, one kind is no list, a bound is a number."""
    if isinstance(node, dict):
        names = sorted(node, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
        return {name: _said(name, node[name]) for name in (names if "event" in node or "type" in node else node)}
    return [_plain(one) for one in node] if isinstance(node, list) else node


def _said(name: str, value: Any) -> Any:
    if name == "type" and isinstance(value, list) and len(value) == 1:
        return value[0]
    if name in ("min", "max") and isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value) if str(int(value)) == value else value
    return _plain(value)
