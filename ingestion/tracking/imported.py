"""JSON Schema as a tracking plan: what both can say is taken over, and what a plan cannot say is told."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from ingestion.contract import OnViolation
from ingestion.number import Number
from ingestion.pattern import portable
from ingestion.tracking.declared import SECTIONS, Property, decimal, main_section
from ingestion.tracking.documents import Rule
from ingestion.tracking.exported import FORMATS, TYPES, Untold, anchored
from ingestion.tracking.node import shape_of

_KINDS: Final = {word: kind for kind, word in TYPES.items()}
_SPELLED: Final = {word: kind for kind, word in FORMATS.items()}
_SIZES: Final = {"minLength": "min_length", "maxLength": "max_length", "minItems": "min_items", "maxItems": "max_items"}
# For which kinds of value a keyword of JSON Schema means anything; for others it has no effect there either.
_MEANT_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), ("text",)),
    **dict.fromkeys(("minItems", "maxItems", "items"), ("array",)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), ("number", "integer")),
    **dict.fromkeys(("properties", "required", "additionalProperties"), ("object",)),
}
_UNSAID: Final = ("$schema", "labels")
_DEEPEST: Final = 50
# Sizes and steps beyond this are no rule but an attack on who works them out.
_LARGEST: Final = 1 << 53


@dataclass
class Importer:
    """Rules of JSON Schema on their way into a plan; what is `untold` gathers on the way.

    `closed` is what becomes of properties that a schema forbids.
    """

    closed: OnViolation = "quarantine"
    untold: list[Untold] = field(default_factory=list)
    _root: Mapping[str, Any] = field(default_factory=dict)

    def shape(self, rule: Rule) -> dict[str, Any]:
        """Return what the schema of an event says, as the YAML of a plan would."""
        where, self._root = rule.told(), rule.schema
        schema = self._resolved(rule.schema, where)
        self._unsaid(schema, ("type", "properties", "required", "description"), where)
        needed = _names(schema.get("required"))
        made: dict[str, Any] = {"description": schema["description"]} if _text(schema.get("description")) else {}
        root: dict[str, Any] = {}
        inside = schema.get("properties")
        for name, below in (inside if isinstance(inside, Mapping) else {}).items():
            if name in SECTIONS:
                made |= self._section(name, self._resolved(below, f"{where}: {name}"), rule, needed)
            else:
                root[name] = self._property(below, f"{where}: {name}")
        for name in needed:
            if name not in SECTIONS:
                root[name] = {**root.get(name, {}), "required": True}
            elif not any(one.get("required") for one in made.get(name, {}).values()):
                self._tell(where, f"required: {name}, of which nothing in it is required")
        return {**made, **({"root": root} if root else {})}

    def _section(self, name: str, schema: Mapping[str, Any], rule: Rule, needed: Sequence[str]) -> dict[str, Any]:
        where = f"{rule.told()}: {name}"
        self._unsaid(schema, ("type", "properties", "required", "additionalProperties"), where)
        made: dict[str, Any] = {}
        if schema.get("type", "object") not in ("object", ["object"]):
            self._tell(where, f"type: {schema['type']}, where an event has an object")
        said = self._inside(schema, where)
        if said or "type" in schema:
            made[name] = said
        if any(one.get("required") for one in said.values()) and name not in needed:
            self._tell(where, "that there may be none of it: here what is required in it is required of the event")
        if "additionalProperties" in schema:
            rest = schema["additionalProperties"]
            if rest is False and rule.type != "common" and name == main_section(rule.type):
                made["unplanned"] = self.closed
            elif rest is not True:
                self._tell(where, "additionalProperties")
        return made

    def _inside(self, schema: Mapping[str, Any], where: str, depth: int = 0) -> dict[str, Any]:
        inside = schema.get("properties")
        listed = inside.items() if isinstance(inside, Mapping) else ()
        made = {str(name): self._property(below, f"{where}.{name}", depth) for name, below in listed}
        for name in _names(schema.get("required")):
            made[name] = {**made.get(name, {}), "required": True}
        return made

    def _property(self, schema: Any, where: str, depth: int = 0) -> dict[str, Any]:
        if schema is True:
            return {}
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            self._tell(where, "that it may not be there at all" if schema is False else "a schema that is none")
            return {}
        schema = self._resolved(schema, where)
        made = self._typed(schema, where)
        kinds = made.get("type", ["any"])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        for keyword, value in schema.items():
            meant = _MEANT_FOR.get(keyword)
            if keyword == "required" and not _names(value):
                continue
            if meant is not None and not {"any", *meant} & set(kinds):
                self._tell(where, f"{keyword}, which means nothing for {' or '.join(kinds)}")
            else:
                self._keyword(keyword, made, schema, where, depth)
        if _text(schema.get("description")):
            made["description"] = schema["description"]
        try:
            Property.model_validate(made)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]["msg"]
            self._tell(where, f"all of its rules ({problem.removeprefix('Value error, ')})")
            return {}
        return made

    def _keyword(self, keyword: str, made: dict[str, Any], schema: Mapping[str, Any], where: str, depth: int) -> None:
        match keyword:
            case "type" | "enum" | "const" | "description" | "$ref" | "$schema" | "labels":
                pass  # said elsewhere, or no rule
            case "minLength" | "maxLength" | "minItems" | "maxItems":
                self._size(keyword, made, schema, where)
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                self._bound(keyword, made, schema, where)
            case "pattern":
                self._pattern(made, schema, where)
            case "format":
                self._format(made, schema, where)
            case "items" if not isinstance(schema["items"], list):
                made["items"] = self._property(schema["items"], f"{where}[]", depth + 1)
            case "properties" | "required":
                made["properties"] = self._inside(schema, where, depth + 1)
            case "additionalProperties" if schema[keyword] is False:
                made["unplanned"] = self.closed
            case "additionalProperties" if schema[keyword] is True:
                pass
            case _:
                self._tell(where, keyword)

    def _typed(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return type, nullable and values."""
        said = schema.get("type")
        words = [said] if isinstance(said, str) else list(said) if isinstance(said, list) else []
        kinds = [_KINDS[word] for word in words if word in _KINDS]
        if (words and not kinds) or set(words) - {*_KINDS, "null"}:
            self._tell(where, f"type: {said}")
        listed = [schema["const"]] if "const" in schema else schema.get("enum")
        made: dict[str, Any] = {"type": kinds if len(kinds) > 1 else kinds[0]} if kinds else {}
        if kinds and "null" in words:
            made["nullable"] = True
        if listed is None:
            return made
        if not isinstance(listed, list) or ("const" in schema and "enum" in schema):
            self._tell(where, "enum")
            return made
        return self._with_values(made, kinds, listed, where, null="null" in words or not words)

    def _with_values(
        self, made: dict[str, Any], kinds: Sequence[str], listed: Sequence[Any], where: str, *, null: bool
    ) -> dict[str, Any]:
        values = [one for one in listed if one is not None]
        numbers = bool(values) and all(isinstance(one, Number) for one in values)
        texts = bool(values) and all(type(one) is str for one in values)
        kind = kinds[0] if kinds else "number" if numbers else "text"
        if len(kinds) > 1 or not ((numbers and kind in ("number", "integer")) or (texts and kind == "text")):
            self._tell(where, "enum of other than texts alone, or numbers alone")
            return made
        made = {name: value for name, value in made.items() if name != "nullable"}
        nullable = {"nullable": True} if None in listed and null else {}
        return {**made, "type": kind, **nullable, "values": [str(one) for one in values]}

    def _resolved(self, schema: Any, where: str) -> Mapping[str, Any]:
        """Return a schema that a local `$ref` stands for, with what is said beside it."""
        for _ in range(_DEEPEST):
            if not isinstance(schema, Mapping):
                return {}
            reference = schema.get("$ref")
            if reference is None:
                return schema
            found: Any = self._root
            steps = str(reference).removeprefix("#/").split("/") if str(reference).startswith("#/") else [""]
            for step in steps:
                found = found.get(step) if isinstance(found, Mapping) else None
            if not isinstance(found, Mapping):
                break
            schema = {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
        self._tell(where, "$ref, which leads out of the schema or round in a circle")
        return {name: value for name, value in schema.items() if name != "$ref"}

    def _unsaid(self, schema: Mapping[str, Any], known: Sequence[str], where: str) -> None:
        for keyword in schema:
            if keyword not in (*known, "$ref", "$defs", "definitions", *_UNSAID):
                self._tell(where, keyword)

    def _tell(self, where: str, what: str) -> None:
        self.untold.append(Untold(where, what))

    def _size(self, keyword: str, made: dict[str, Any], schema: Mapping[str, Any], where: str) -> None:
        size = decimal(schema[keyword]) if isinstance(schema[keyword], Number) else None
        if size is None or not 0 <= size <= _LARGEST or size != int(size):
            self._tell(where, keyword)
        else:
            made[_SIZES[keyword]] = int(size)

    def _bound(self, keyword: str, made: dict[str, Any], schema: Mapping[str, Any], where: str) -> None:
        value, name = schema[keyword], "min" if "inimum" in keyword else "max"
        number = decimal(value) if isinstance(value, Number) else None
        if number is None:
            self._tell(where, keyword)
        elif not keyword.startswith("exclusive"):
            made.setdefault(name, str(value))
        elif (
            made.get("type") == "integer"
            and number == number.to_integral_value()
            and abs(number) < _LARGEST
            and not {"minimum", "maximum"} & set(schema)
        ):
            made[name] = str(int(number) + (1 if name == "min" else -1))
        else:
            self._tell(where, f"{keyword}, where a plan's bound is itself allowed")

    def _pattern(self, made: dict[str, Any], schema: Mapping[str, Any], where: str) -> None:
        pattern = schema["pattern"]
        if pattern == anchored(shape_of("phone")) and made.get("type") == "text":
            made["type"] = "phone"
            return
        try:
            made["pattern"] = whole(pattern)
        except (ValueError, TypeError) as error:
            self._tell(where, f"pattern ({error})")

    def _format(self, made: dict[str, Any], schema: Mapping[str, Any], where: str) -> None:
        spelled = _SPELLED.get(str(schema["format"]))
        if spelled is None or made.get("type") != "text" or {"pattern", "minLength"} & set(schema):
            self._tell(where, f"format: {schema['format']}")
        else:
            made["type"] = spelled


def whole(pattern: str) -> str:
    """Return a pattern that is searched for as one of the whole value; raise ValueError where a plan cannot say it."""
    if pattern.startswith("^(?:") and pattern.endswith(")$"):
        inner = pattern[4:-2]
        if _is_whole(inner):
            return inner
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    inner = pattern[1 if begins else 0 : -1 if ends else None]
    if (begins or ends) and "|" in inner:
        raise ValueError("an anchor that may belong to one of several alternatives; put these in brackets")
    if not _is_whole(inner):
        portable(inner)
        raise ValueError("not a regular expression")
    if begins and ends:
        return inner
    anything = "(?:.|\\n)*"
    return f"{'' if begins else anything}(?:{inner}){'' if ends else anything}"


def _is_whole(pattern: str) -> bool:
    """Say whether a text is a pattern by itself, and not a piece of one."""
    try:
        portable(pattern)
        re.compile(pattern)
    except (ValueError, re.error):
        return False
    return not (pattern.startswith("^") or (pattern.endswith("$") and not pattern.endswith("\\$")))


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)
