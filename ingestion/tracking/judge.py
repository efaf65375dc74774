"""What a tracking plan makes of an event, worked out where the whole event is at hand: as it is read.

An event is asked its own rules only, so a plan of hundreds of events costs each event no more than a plan of one, and
there is one tongue: what Spark sees of it is the outcome.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from consent.discovery.evident import tellable
from infra.errors import value_class
from ingestion.check import calendar, moment
from ingestion.contract import OnViolation
from ingestion.number import Number
from ingestion.tracking.declared import OfEvent, TrackingPlan, decimal
from ingestion.tracking.node import JsonKind, Node, Planned, common_node, planned_events, shape_of

Path = tuple[str | int, ...]
UNPLANNED: Final = "unplanned"
_COMMON: Final = "any event"


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that an event says otherwise than the plan has it: where, which rule, and what becomes of it."""

    path: Path
    rule: str
    action: OnViolation
    value_class: str
    must: str
    nameless: bool = False

    @property
    def field(self) -> str:
        """Where it stands, as it may be told: of things that no plan names the name may be somebody's."""
        return _dotted(self.path)

    @property
    def item(self) -> str:
        """Where it stands as it is counted: what no plan names is one thing, however many names it has."""
        return f"{_dotted(self.path[:-1])}.*" if self.nameless else self.field


def _dotted(path: Path) -> str:
    told = ""
    for step in path:
        told += "[]" if isinstance(step, int) else f".{tellable(step)}" if told else tellable(step)
    return told


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the plan makes of an event: how the plan calls it, and what it says otherwise."""

    told: str
    violations: tuple[Violation, ...] = ()

    def fault(self) -> Violation | None:
        """Return the first violation that rejects the event."""
        return next((one for one in self.violations if one.action == "quarantine"), None)

    def dropped(self) -> tuple[Path, ...]:
        """Return where values stand that are dropped."""
        return tuple(one.path for one in self.violations if one.action == "drop_field" and one.rule != "required")


@dataclass(frozen=True)
class Judge:
    """A plan, ready to judge the events of a source; `type_` and `name` say where an event says what it is.

    They are paths into the event, or after `=` what all of its events are, as the source declares it.
    """

    plan: TrackingPlan
    type_: str
    name: str | None = None

    @cached_property
    def _types(self) -> frozenset[str]:
        return self.plan.types()

    @cached_property
    def _events(self) -> Mapping[tuple[str, str | None], Mapping[int, Planned]]:
        return planned_events(self.plan)

    @cached_property
    def _common(self) -> Node | None:
        return common_node(self.plan)

    def outcome(self, event: Mapping[str, Any]) -> Outcome:
        """Return what the plan makes of an event as it was sent; numbers are `Number`."""
        kind = _said(event, self.type_)
        told, found = self._of_its_own(event, kind) if kind in self._types else (kind or _COMMON, ())
        common = () if self._common is None else _violations(self._common, event, ())
        return Outcome(told, (*found, *common))

    def _of_its_own(self, event: Mapping[str, Any], kind: str | None) -> tuple[str, Iterable[Violation]]:
        """Return how the plan calls an event of a type that it judges, and what the event says otherwise."""
        name = _said(event, self.name) if self.name else None
        versions = self._events.get((kind or "", name)) or self._events.get((kind or "", None))
        if versions is None:
            return kind or "", self._unplanned(self.name or self.type_, name, "an event that the tracking plan names")
        said = _at(event, self.plan.version)
        if said is None or said == "":
            planned = versions[max(versions)]
        else:
            number = decimal(said) if isinstance(said, str) else None
            if number is None or number not in versions:
                return kind or "", self._unplanned(self.plan.version, said, "a version that the tracking plan names")
            planned = versions[int(number)]
        return planned.told, _violations(planned.node, event, ())

    def _unplanned(self, where: str, said: Any, must: str) -> Iterator[Violation]:
        action: OfEvent = self.plan.unplanned.events
        if action != "accept":
            path = ("event",) if where.startswith("=") else tuple(where.split("."))
            yield Violation(path, UNPLANNED, action, class_of(said), must)


def _said(event: Mapping[str, Any], where: str) -> str | None:
    if where.startswith("="):
        return where[1:]
    found = _at(event, where)
    return found if isinstance(found, str) else None


def _at(node: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(node, Mapping):
            return None
        node = node.get(step)
    return node


def kind_of(value: Any) -> JsonKind:
    """Return what a value of JSON is."""
    if isinstance(value, Number):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, bool):
        return "boolean"
    return "null" if value is None else "array" if isinstance(value, list) else "number"


def _violations(node: Node, value: Any, path: Path) -> Iterator[Violation]:
    kind = kind_of(value)
    if node.kinds and not _is_of(node, kind, value):
        if kind != "null" or not node.nullable:
            yield Violation(path, "type", node.actions["type"], class_of(value), node.must)
        return
    for test in node.tests:
        if test.kind == kind and not _TESTS[test.test](value, test.argument):
            yield Violation(path, test.rule, node.actions[test.rule], class_of(value), test.must)
    if kind == "object":
        yield from _inside(node, value, path)
    elif kind == "array" and node.items is not None:
        for place, one in enumerate(value):
            yield from _violations(node.items, one, (*path, place))


def _is_of(node: Node, kind: JsonKind, value: Any) -> bool:
    if kind in node.kinds:
        return not node.spelled or _is_spelled(value, node.spelled)
    if kind == "number" and "integer" in node.kinds:
        number = decimal(value)
        return number is not None and number == number.to_integral_value()
    return False


def _is_spelled(text: str, spelled: str) -> bool:
    right = re.fullmatch(shape_of(spelled), text) is not None
    return right and (spelled not in ("date", "timestamp") or calendar(text))


def _inside(node: Node, value: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    for name in node.required:
        if name not in value:
            below = node.properties[name]
            # Of a section that is missing what it needs is missing, each with its own consequence.
            lacking: dict[Path, Node] = {
                (name, inner): below.properties[inner] for inner in below.required if below.section
            }
            for steps, one in (lacking or {(name,): below}).items():
                yield Violation((*path, *steps), "required", one.actions["required"], "empty", "there")
    for name, one in value.items():
        inner = node.properties.get(name)
        if inner is not None:
            yield from _violations(inner, one, (*path, name))
        elif node.unplanned != "accept":
            must = "something that the tracking plan names"
            yield Violation((*path, name), UNPLANNED, node.unplanned, class_of(one), must, nameless=True)


def class_of(value: Any) -> str:
    """Return what kind of value it is without repeating it."""
    kind = kind_of(value)
    if kind == "text":
        return value_class(str(value))
    return {"null": "empty", "boolean": "true or false"}.get(kind, kind)


def _compared(value: str, bound: Any) -> Any:
    if isinstance(bound, datetime):
        return moment(value, "UTC")
    return decimal(value) if isinstance(bound, Decimal) else value


def _from(value: str, bound: Any) -> bool:
    found = _compared(value, bound)
    return found is not None and bool(found >= bound)


def _until(value: str, bound: Any) -> bool:
    found = _compared(value, bound)
    return found is not None and bool(found <= bound)


_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "among": lambda value, known: (decimal(value) if isinstance(value, Number) else value) in known,
    "matches": lambda value, pattern: re.fullmatch(pattern, value) is not None,
    "longer": lambda value, least: len(value) >= least,
    "shorter": lambda value, most: len(value) <= most,
    "from_": _from,
    "until": _until,
}


def pruned(tree: Any, paths: Sequence[Path]) -> Any:
    """Return a tree without what stands at some paths; what is on the way is copied, the rest is shared."""
    here = {path[0] for path in paths if len(path) == 1}
    below: dict[str | int, list[Path]] = {}
    for path in paths:
        if len(path) > 1 and path[0] not in here:
            below.setdefault(path[0], []).append(path[1:])
    steps = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    kept = [(step, pruned(one, below[step]) if step in below else one) for step, one in steps if step not in here]
    return dict(kept) if isinstance(tree, Mapping) else [one for _, one in kept]
