"""The files that Segment and RudderStack keep tracking plans in: which events they hold, each with its JSON Schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from infra.errors import Malformed
from ingestion.number import Number

COMMON: Final = "common"
# What Segment's former API calls the rules that are of no named event.
_OTHERS: Final = {
    "global": COMMON,
    "identify": "identify",
    "group": "group",
    "page": "page",
    "screen": "screen",
    "identify_traits": "",
    "group_traits": "",
}
_RIGHT: Final = (
    'expected is what Segment\'s API answers for a plan\'s rules ({"rules": [{"key", "type", "version", '
    '"jsonSchema"}]}), a plan of RudderStack\'s ({"rules": {"events": [{"name", "eventType", "rules"}]}}), or an '
    "object that has a JSON Schema for each event's name"
)


class NoPlan(Malformed):
    """A file that holds no tracking plan."""

    def __init__(self, file: str, wrong: str) -> None:
        super().__init__(f"{file}: {wrong}; {_RIGHT}")


@dataclass(frozen=True, slots=True)
class Rule:
    """An event of a document: its type, name and version, and what it has to be; type `common` is of all events."""

    type: str
    event: str | None
    version: int
    schema: Mapping[str, Any] = field(repr=False)
    description: str | None = None

    def told(self) -> str:
        """Return how the rule is called where something of it cannot be said."""
        named = [self.type, *([self.event] if self.event else [])]
        return " ".join([*named, *([] if self.type == COMMON else [str(self.version)])])


@dataclass(frozen=True, slots=True)
class Document:
    """A tracking plan as it was found."""

    name: str | None
    description: str | None
    rules: tuple[Rule, ...]


def document(text: str, file: str) -> Document:
    """Return the tracking plan that a file holds; raise `NoPlan` where it holds none."""
    try:
        tree = json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_no_constant)
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NoPlan(file, "it has half of a character, \\ud800 or the like, which no file can hold") from None
    except ValueError as error:
        place = f"at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "it has NaN or Infinity"
        raise NoPlan(file, f"not JSON, {place}") from None
    except RecursionError:
        raise NoPlan(file, "nested deeper than can be read") from None
    if isinstance(tree, Mapping) and isinstance(tree.get("data"), Mapping):
        tree = tree["data"]
    found = _rules(tree, file)
    if not found:
        raise NoPlan(file, "it has no rules")
    plan = tree if isinstance(tree, Mapping) else {}
    about = {**plan, **(plan["trackingPlan"] if isinstance(plan.get("trackingPlan"), Mapping) else {})}
    names = (about.get(key) for key in ("display_name", "name", "title"))
    description = about.get("description")
    name = next((name for name in names if isinstance(name, str) and name), None)
    return Document(name, description if isinstance(description, str) and description else None, tuple(found))


def _no_constant(_name: str) -> Any:
    raise ValueError


def _rules(tree: Any, file: str) -> Sequence[Rule]:
    if isinstance(tree, list):
        return [_rule(one, file, place) for place, one in enumerate(tree)]
    if not isinstance(tree, Mapping):
        raise NoPlan(file, "it is neither an object nor a list")
    rules = tree.get("rules")
    if isinstance(rules, list):
        return [_rule(one, file, place) for place, one in enumerate(rules)]
    if isinstance(rules, Mapping) or isinstance(tree.get("events"), list):
        return list(_grouped(rules if isinstance(rules, Mapping) else tree, file))
    if _is_schema(tree):
        if not isinstance(tree.get("title"), str):
            raise NoPlan(file, "one JSON Schema without a `title`, which would be the event's name")
        return [Rule("track", tree["title"], 1, {name: one for name, one in tree.items() if name != "title"})]
    named = {name: one for name, one in tree.items() if isinstance(one, Mapping) and _is_schema(one)}
    if len(named) != len(tree):
        raise NoPlan(file, "it has entries that are no JSON Schema")
    return [Rule("track", name, 1, one) for name, one in named.items()]


def _is_schema(tree: Mapping[str, Any]) -> bool:
    return "$schema" in tree or isinstance(tree.get("properties"), Mapping) or isinstance(tree.get("type"), str | list)


def _rule(one: Any, file: str, place: int) -> Rule:
    if not isinstance(one, Mapping):
        raise NoPlan(file, f"rule {place + 1} is no object")
    schema = next((one[key] for key in ("jsonSchema", "json_schema", "rules", "schema") if key in one), None)
    if isinstance(schema, str) and not isinstance(schema, Number):
        try:
            schema = json.loads(schema, parse_float=Number, parse_int=Number)
        except (ValueError, RecursionError):
            schema = None
    if not isinstance(schema, Mapping):
        raise NoPlan(file, f"rule {place + 1} has no JSON Schema under jsonSchema or rules")
    kind = str(one.get("type") or one.get("eventType") or one.get("event_type") or "track").lower()
    name = next((one[key] for key in ("key", "name", "event") if isinstance(one.get(key), str) and one[key]), None)
    version = str(one.get("version", 1))
    if not version.isdigit() or int(version) < 1:
        raise NoPlan(file, f"rule {place + 1} has a version that is no number from 1")
    if kind == "track" and name is None:
        raise NoPlan(file, f"rule {place + 1} is of type track and has no name under key or name")
    description = one.get("description")
    told = description if isinstance(description, str) and description else None
    return Rule(kind, name if kind != COMMON else None, int(version), schema, told)


def _grouped(rules: Mapping[str, Any], file: str) -> Iterator[Rule]:
    events = rules.get("events")
    for place, one in enumerate(events if isinstance(events, list) else []):
        rule = _rule(one, file, place)
        # RudderStack gives what is of no named event the name of its type.
        yield (
            rule
            if rule.type == "track" or rule.event != rule.type
            else Rule(rule.type, None, rule.version, rule.schema, rule.description)
        )
    for name, kind in _OTHERS.items():
        schema = rules.get(name)
        if kind and isinstance(schema, Mapping) and schema:
            yield Rule(kind, None, 1, schema)
