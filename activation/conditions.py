"""The audience language as YAML writes it: what `where:` may say, with an error that names the right word."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from math import inf, isfinite
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from activation.model import (
    All,
    AnyOf,
    Bound,
    Comparison,
    Condition,
    Happened,
    Member,
    Not,
    Operand,
    Operator,
    Trait,
)
from activation.spelling import moment
from infra.section import Section

_DURATION = re.compile(r"([1-9][0-9]{0,4})(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BOUND = re.compile(r"(==|!=|>=|<=|>|<)\s*([0-9]+(?:\.[0-9]+)?)")
_KINDS = ("all", "any", "not", "trait", "event", "audience")
_COMPANIONS: Mapping[str, frozenset[str]] = {
    "trait": frozenset({"op", "value"}),
    "event": frozenset({"within", "where", "count", "amount"}),
}
_ORDERED = {">", ">=", "<", "<="}
_TEXTUAL = {"contains", "starts_with", "ends_with"}
_BARE = {"exists", "missing"}

EVENT_FIELDS = ("name", "source", "channel", "order_id", "product_id", "campaign", "coupon", "quantity")
"""Columns of an event that a condition may test; `properties.X` and `product.X` (catalogue) come on top."""


def _duration(value: Any) -> Any:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not a duration; write a whole number and m, h, d or w, such as 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _bound(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return Bound("==", float(value))
    found = _BOUND.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError('not a bound; write a relation and a number, such as ">= 2"')
    return Bound(found[1], float(found[2]))  # type: ignore[arg-type]  # the pattern lists the six


Duration = Annotated[timedelta, BeforeValidator(_duration)]
_Bounded = Annotated[Bound, BeforeValidator(_bound)]
_Raw = str | bool | int | float | date | list[str | bool | int | float] | None


def _text_or_number(value: Any) -> str | float:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    try:
        found = float(value)
    except OverflowError:
        found = inf
    if not isfinite(found):  # engines disagree on how it compares
        raise ValueError("not a number that anything compares with; write one such as 2 or 12.50")
    return found


def operand(op: Operator, value: Any) -> Operand:
    """Return the value that an operator compares with; raise ValueError saying what the operator wants."""
    if op in _BARE:
        if value is not None:
            raise ValueError(f"{op} stands alone; leave value out")
        return None
    if value is None:
        raise ValueError(f"{op} needs a value")
    if op in ("in", "not in"):
        if not isinstance(value, list) or not value:
            raise ValueError(f"{op} wants a list, such as [a, b]")
        return tuple(_text_or_number(one) for one in value)
    if op == "within":
        duration: timedelta = _duration(value)
        return duration
    if op in ("before", "after"):
        return _instant(op, value)
    return _single(op, value)


def _instant(op: str, value: Any) -> Operand:
    found = moment(value.isoformat() if isinstance(value, date) else str(value))
    if found is None:
        raise ValueError(f"{op} wants a date or an ISO 8601 moment, such as 2017-06-30")
    return found


def _single(op: str, value: Any) -> Operand:
    if isinstance(value, list | date):
        # pydantic turns ValueError, not TypeError, into an error with its place.
        raise ValueError(f"{op} wants one text or number; quote a date, or use before and after")  # noqa: TRY004
    if op in _ORDERED and (isinstance(value, bool | str)):
        raise ValueError(f"{op} wants a number; moments are compared with before, after and within")
    if op in _TEXTUAL and not isinstance(value, str):
        raise ValueError(f"{op} wants text; quote the value")
    return _text_or_number(value)


class FieldTest(Section):
    """A test of an event's field, in its long form: `{op: ">=", value: 2}`."""

    op: Operator = "=="
    value: _Raw = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        operand(self.op, self.value)
        return self


def _field_test(value: Any) -> Any:
    """Return the long form: a bare value means equality, a bare list membership."""
    if isinstance(value, Mapping):
        return value
    return {"op": "in" if isinstance(value, list) else "==", "value": value}


class Clause(Section):
    """One clause of a condition: all, any, not, trait, event or audience."""

    all: tuple["Clause", ...] | None = None
    any: tuple["Clause", ...] | None = None
    negated: "Clause | None" = Field(default=None, alias="not")
    trait: str | None = None
    event: str | None = None
    audience: str | None = None
    op: Operator | None = None
    value: _Raw = None
    within: Duration | None = None
    count: _Bounded | None = None
    amount: _Bounded | None = None
    where: dict[str, Annotated[FieldTest, BeforeValidator(_field_test)]] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        said = {"not" if name == "negated" else name for name in self.model_fields_set}
        kinds = [kind for kind in _KINDS if kind in said]
        if len(kinds) != 1:
            raise ValueError(f"a clause says exactly one of {', '.join(_KINDS)}; this one says {kinds or 'none'}")
        strangers = sorted(said - {kinds[0]} - _COMPANIONS.get(kinds[0], frozenset()))
        if strangers:
            raise ValueError(f"{', '.join(strangers)} does not belong to a clause of {kinds[0]}")
        if self.trait is not None:
            operand(self.op or "==", self.value)
        for name in self.where or {}:
            _known_field(name)
        return self

    def condition(self) -> Condition:
        """Return the clause as the condition that both engines evaluate."""
        if self.all is not None:
            return All(tuple(clause.condition() for clause in self.all))
        if self.any is not None:
            return AnyOf(tuple(clause.condition() for clause in self.any))
        if self.negated is not None:
            return Not(self.negated.condition())
        if self.trait is not None:
            op = self.op or "=="
            return Trait(Comparison(self.trait, op, operand(op, self.value)))
        if self.audience is not None:
            return Member(self.audience)
        where = tuple(
            Comparison(name, test.op, operand(test.op, test.value)) for name, test in (self.where or {}).items()
        )
        return Happened(self.event or "", self.within, where, self.count, self.amount)


def _known_field(name: str) -> None:
    prefix, dot, rest = name.partition(".")
    if name in EVENT_FIELDS or (dot and rest and prefix in ("properties", "product")):
        return
    raise ValueError(f"an event has no field {name!r}; known: {', '.join(EVENT_FIELDS)}, properties.NAME, product.NAME")


def inlined(condition: Condition, known: Mapping[str, Condition], within: tuple[str, ...] = ()) -> Condition:
    """Return the condition with each reference to an audience replaced by what it says.

    Raises ValueError for an unknown audience or one that refers to itself.
    """
    match condition:
        case Member(audience):
            if audience not in known:
                raise ValueError(f"unknown audience {audience!r}; declared: {', '.join(sorted(known))}")
            if audience in within:
                raise ValueError(f"audience {audience!r} refers to itself: {' > '.join((*within, audience))}")
            return inlined(known[audience], known, (*within, audience))
        case All(parts):
            return All(tuple(inlined(part, known, within) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(inlined(part, known, within) for part in parts))
        case Not(part):
            return Not(inlined(part, known, within))
        case _:
            return condition
