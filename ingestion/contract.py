"""The contract of a field as YAML declares it: what a value must be, and what becomes of one that is not."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ingestion.connectors.declared import Section
from ingestion.pattern import portable

OnViolation = Literal["quarantine", "drop_field", "accept_and_flag"]
FieldType = Literal["text", "email", "phone", "date", "timestamp", "integer", "number", "boolean", "enum"]
# The rules of a field whose breach may have a consequence of its own.
FieldRule = Literal["required", "type", "max_length", "pattern", "values", "min", "max"]

_BOUNDED = ("date", "timestamp", "integer", "number")


def _worded(value: Any) -> Any:
    """Return a YAML scalar as the text it was written as."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, int | float) else value


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _portable(value: str) -> str:
    portable(value)
    return value


Pattern = Annotated[str, AfterValidator(_portable)]
Word = Annotated[str, BeforeValidator(_worded)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_several), Field(min_length=1)]


def by_rule(said: Any, rules: Iterable[str]) -> Any:
    """Return what a field says of its violations, rule by rule; a single word holds for each of the rules that it has.

    Raise where a rule is named that the field does not have: its consequence would never come.
    """
    if not isinstance(said, Mapping) or "on_violation" not in said:
        return said
    action = said["on_violation"]
    known = [rule for rule in rules if rule == "type" or _says(said.get(rule))]
    if not isinstance(action, Mapping):
        return {**said, "on_violation": dict.fromkeys(known, action)}
    for rule in action:
        if rule in rules and rule not in known:
            raise ValueError(f"on_violation names {rule}, which the field does not promise; add it, or leave it out")
    return said


def _says(value: Any) -> bool:
    return not (value is None or value is False or value in ([], ()))


class FieldContract(Section):
    """What a column of the source promises of itself, and what becomes of a value that breaks it.

    `on_violation` is one word for the field, or one for each rule (`{min: accept_and_flag}`); what it does not name
    is as the source has it.
    """

    type: FieldType = "text"
    required: bool = False
    min: Word | None = None
    max: Word | None = None
    values: tuple[Word, ...] = ()
    pattern: Pattern | None = None
    max_length: int | None = Field(default=None, ge=1)
    on_violation: dict[FieldRule, OnViolation] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _rule_by_rule(cls, said: Any) -> Any:
        return by_rule(said, ("required", "type", "max_length", "pattern", "values", "min", "max"))

    @model_validator(mode="after")
    def _fits_type(self) -> Self:
        if self.type == "enum" and not self.values:
            raise ValueError("type enum needs `values`, e.g. values: [F, M, X]")
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None:
                check_bound(self.type, name, bound)
        return self


def check_bound(kind: FieldType, name: str, bound: str) -> None:
    """Raise ValueError where a bound has no meaning for a type, or is not written as its values are."""
    if kind not in _BOUNDED:
        raise ValueError(f"{name} has no meaning for type {kind}; it is for {', '.join(_BOUNDED)}")
    if (kind, bound) in {("date", "today"), ("timestamp", "now")}:
        return
    right = {"date": "2001-12-31 or today", "timestamp": "2001-12-31T00:00:00Z or now"}.get(kind, "a number")
    readers: dict[str, Callable[[str], object]] = {"date": _day, "timestamp": _moment}
    try:
        readers.get(kind, _finite)(bound)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} does not fit type {kind}; write {right}") from None


def _day(text: str) -> None:
    """Raise ValueError unless a text is a day as values of type date are spelled: bounds are compared as text."""
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError


def _moment(text: str) -> None:
    """Raise where a text is no moment, or one that has no place in the calendar of UTC."""
    datetime.fromisoformat(text).astimezone(UTC)


def _finite(text: str) -> None:
    if not math.isfinite(float(text)):
        raise ValueError
