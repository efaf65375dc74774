"""The audience language compiled to Spark columns: `select` in the other tongue."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from activation.model import All, AnyOf, Bound, Comparison, Condition, Happened, Member, Not, Operand, Scalar, Trait
from activation.select import THOUSAND
from activation.spelling import MOMENT, NUMBER

_ORDER: Mapping[str, Callable[[Column, float], Column]] = {
    "==": eq, "!=": ne, ">": gt, ">=": ge, "<": lt, "<=": le,
}  # fmt: skip


def meets(condition: Condition, traits: Column, counters: Mapping[Happened, int], at: datetime) -> Column:
    """Return whether each person meets the condition; never null. `counters` says which columns count a clause."""
    match condition:
        case All(parts):
            return reduce(and_, [meets(part, traits, counters, at) for part in parts], f.lit(True))
        case AnyOf(parts):
            return reduce(or_, [meets(part, traits, counters, at) for part in parts], f.lit(False))
        case Not(part):
            return ~meets(part, traits, counters, at)
        case Trait(test):
            return passes(test, f.element_at(traits, test.name), at)
        case Happened():
            return _enough(condition, counters[condition])
        case Member(audience):
            msg = f"the reference to audience {audience} was not spelled out; compile Activation.conditions()"
            raise ValueError(msg)


def passes(test: Comparison, text: Column, at: datetime) -> Column:
    """Return whether each value passes the comparison; a missing one passes `missing` and nothing else."""
    if test.op == "missing":
        return text.isNull()
    return f.coalesce(text.isNotNull() & _tested(test, text, at), f.lit(False))


def leaves(conditions: Sequence[Condition]) -> tuple[Happened, ...]:
    """Return the event clauses of the conditions, each once."""
    found: dict[Happened, None] = {}
    for condition in conditions:
        match condition:
            case Happened():
                found[condition] = None
            case All(parts) | AnyOf(parts):
                found.update(dict.fromkeys(leaves(parts)))
            case Not(part):
                found.update(dict.fromkeys(leaves([part])))
    return tuple(found)


def counted(events: DataFrame, clauses: Sequence[Happened], at: datetime) -> DataFrame:
    """Return per person, for clause i, `n{i}` matching orders (or messages) and `s{i}` thousandths of amount.

    In two steps, by order and then by person: a distinct count for each clause at once would multiply the rows.
    """
    by_unit = events.groupBy("profile_id", "unit").agg(
        *[f.max(_matches(clause, at).cast("long")).alias(f"n{i}") for i, clause in enumerate(clauses)],
        *[
            f.sum(f.when(_matches(clause, at), thousandths("amount")).otherwise(0)).alias(f"s{i}")
            for i, clause in enumerate(clauses)
        ],
    )
    columns = [f"{kind}{i}" for kind in ("n", "s") for i in range(len(clauses))]
    return by_unit.groupBy("profile_id").agg(*[f.sum(name).alias(name) for name in columns])


def thousandths(column: str) -> Column:
    """Return an amount in whole thousandths, as `select.thousandths`."""
    return f.coalesce(f.floor(f.col(column) * THOUSAND + 0.5), f.lit(0)).cast("long")


def number(text: Column) -> Column:
    """Return the number that a text spells beyond doubt, else null."""
    return f.when(text.rlike(rf"\A(?:{NUMBER})\z"), text.try_cast("double"))


def moment(text: Column) -> Column:
    """Return the moment that a text spells beyond doubt, else null."""
    return f.when(text.rlike(rf"\A(?:{MOMENT})\z"), text.try_cast("timestamp"))


def event_field(name: str) -> Column:
    """Return a field of an event as text."""
    prefix, dot, rest = name.partition(".")
    if dot:
        return f.element_at(f.col(prefix), rest)
    return f.col(name).cast("string")


def _enough(clause: Happened, index: int) -> Column:
    units = f.coalesce(f.col(f"n{index}"), f.lit(0))
    amount = f.coalesce(f.col(f"s{index}"), f.lit(0)).cast("double") / THOUSAND
    if clause.count is None and clause.amount is None:
        return units > 0
    return _bounded(clause.count, units) & _bounded(clause.amount, amount)


def _bounded(bound: Bound | None, measured: Column) -> Column:
    return f.lit(True) if bound is None else _ORDER[bound.op](measured.cast("double"), bound.number)


def _matches(clause: Happened, at: datetime) -> Column:
    when = f.col("occurred_at")
    found = (f.col("type") == clause.event) & (when <= f.lit(at))
    if clause.within is not None:
        found &= when > f.lit(at - clause.within)
    tests = [passes(test, event_field(test.name), at) for test in clause.where]
    return f.coalesce(reduce(and_, tests, found), f.lit(False))


def _tested(test: Comparison, text: Column, at: datetime) -> Column:
    if test.op in _ORDER and test.op not in ("==", "!="):
        return _ORDER[test.op](number(text), float(str(test.value)))
    return _TESTS[test.op](text, test.value, at)


def _equal(text: Column, value: Scalar) -> Column:
    same = text == value if isinstance(value, str) else number(text) == value
    return f.coalesce(same, f.lit(False))


def _one_of(text: Column, value: Operand) -> Column:
    return reduce(or_, [_equal(text, one) for one in value]) if isinstance(value, tuple) else f.lit(False)


def _is(text: Column, value: Operand) -> Column:
    return _equal(text, value) if isinstance(value, str | float) else f.lit(False)


def _recent(text: Column, value: Operand, at: datetime) -> Column:
    earliest = at - value if isinstance(value, timedelta) else at
    return (moment(text) > f.lit(earliest)) & (moment(text) <= f.lit(at))


_TESTS: Mapping[str, Callable[[Column, Operand, datetime], Column]] = {
    "==": lambda text, value, _: _is(text, value),
    "!=": lambda text, value, _: ~_is(text, value),
    "in": lambda text, value, _: _one_of(text, value),
    "not in": lambda text, value, _: ~_one_of(text, value),
    "contains": lambda text, value, _: text.contains(str(value)),
    "starts_with": lambda text, value, _: text.startswith(str(value)),
    "ends_with": lambda text, value, _: text.endswith(str(value)),
    "exists": lambda _text, _value, _: f.lit(True),
    "before": lambda text, value, _: moment(text) < f.lit(value),
    "after": lambda text, value, _: moment(text) > f.lit(value),
    "within": _recent,
}
