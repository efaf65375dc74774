"""Says whether a person meets a condition: the audience language, in Python.

`transforms.audience` compiles the same conditions to Spark; `tests/spark` holds the two equal. A value is
text; it is a number or a moment only where `spelling` reads one.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from math import floor
from operator import eq, ge, gt, le, lt, ne

from activation.model import (
    All,
    AnyOf,
    Bound,
    Comparison,
    Condition,
    Facts,
    Happened,
    Member,
    Not,
    Occurrence,
    Operand,
    Scalar,
    Trait,
)
from activation.spelling import moment, number

_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "==": eq, "!=": ne, ">": gt, ">=": ge, "<": lt, "<=": le,
}  # fmt: skip
THOUSAND = 1000


def thousandths(amount: float | None) -> int:
    """Return an amount in whole thousandths, so that a sum is the same in any order and engine."""
    return 0 if amount is None else floor(amount * THOUSAND + 0.5)


def selected(condition: Condition, facts: Facts, at: datetime) -> bool:
    """Say whether a person with these facts meets the condition at that moment. Total: never None, never raises."""
    match condition:
        case All(parts):
            return all(selected(part, facts, at) for part in parts)
        case AnyOf(parts):
            return any(selected(part, facts, at) for part in parts)
        case Not(part):
            return not selected(part, facts, at)
        case Trait(test):
            return passes(test, facts.traits.get(test.name), at)
        case Member(audience):
            return audience in facts.audiences
        case Happened():
            return _happened(condition, facts.events, at)


def passes(test: Comparison, text: str | None, at: datetime) -> bool:
    """Say whether a value passes a comparison; a missing value passes `missing` and nothing else."""
    if text is None or test.op == "missing":
        return text is None and test.op == "missing"
    return _TESTS[test.op](text, test.value, at)


def bounded(bound: Bound, measured: float) -> bool:
    """Say whether a count or a sum stands in the wanted relation to the bound."""
    return _ORDER[bound.op](measured, bound.number)


def _happened(clause: Happened, events: tuple[Occurrence, ...], at: datetime) -> bool:
    found = [event for event in events if _matches(clause, event, at)]
    units = len({event.unit for event in found})
    amount = sum(thousandths(event.amount) for event in found)
    if clause.count is None and clause.amount is None:
        return units > 0
    enough = clause.count is None or bounded(clause.count, units)
    return enough and (clause.amount is None or bounded(clause.amount, amount / THOUSAND))


def _matches(clause: Happened, event: Occurrence, at: datetime) -> bool:
    recent = clause.within is None or at - event.at < clause.within  # differences never leave the calendar
    return (
        event.event == clause.event
        and recent
        and event.at <= at
        and all(passes(test, event.fields.get(test.name), at) for test in clause.where)
    )


def _equal(text: str, value: Scalar) -> bool:
    return text == value if isinstance(value, str) else number(text) == value


def _ordered(text: str, value: Operand, _at: datetime, *, op: str) -> bool:
    left = number(text)
    return left is not None and isinstance(value, float) and _ORDER[op](left, value)


def _same(text: str, value: Operand, _at: datetime) -> bool:
    return isinstance(value, str | float) and _equal(text, value)


def _differs(text: str, value: Operand, at: datetime) -> bool:
    return not _same(text, value, at)


def _one_of(text: str, value: Operand, _at: datetime) -> bool:
    return isinstance(value, tuple) and any(_equal(text, one) for one in value)


def _none_of(text: str, value: Operand, at: datetime) -> bool:
    return not _one_of(text, value, at)


def _contains(text: str, value: Operand, _at: datetime) -> bool:
    return isinstance(value, str) and value in text


def _starts_with(text: str, value: Operand, _at: datetime) -> bool:
    return isinstance(value, str) and text.startswith(value)


def _ends_with(text: str, value: Operand, _at: datetime) -> bool:
    return isinstance(value, str) and text.endswith(value)


def _exists(_text: str, _value: Operand, _at: datetime) -> bool:
    return True


def _before(text: str, value: Operand, _at: datetime) -> bool:
    found = moment(text)
    return found is not None and isinstance(value, datetime) and found < value


def _after(text: str, value: Operand, _at: datetime) -> bool:
    found = moment(text)
    return found is not None and isinstance(value, datetime) and found > value


def _within(text: str, value: Operand, at: datetime) -> bool:
    found = moment(text)
    return found is not None and isinstance(value, timedelta) and found <= at and at - found < value


_TESTS: Mapping[str, Callable[[str, Operand, datetime], bool]] = {
    "==": _same,
    "!=": _differs,
    ">": partial(_ordered, op=">"),
    ">=": partial(_ordered, op=">="),
    "<": partial(_ordered, op="<"),
    "<=": partial(_ordered, op="<="),
    "in": _one_of,
    "not in": _none_of,
    "contains": _contains,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "exists": _exists,
    "before": _before,
    "after": _after,
    "within": _within,
}
