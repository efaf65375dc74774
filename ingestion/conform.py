"""A contract's checks as Spark expressions: the twin of `ingestion.check`, for rows by the million."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any, Final, cast

from pyspark.sql import Column
from pyspark.sql import functions as f

from ingestion.check import BLANKS, SHAPES, Check

# The first sign that is no blank and no control, as bytes are ordered.
_PRINTED: Final = "!"
_ZONED = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"


def trimmed(column: Column) -> Column:
    """Return a text without blanks around it, null where nothing is left."""
    bare = f.trim(column, f.lit(BLANKS))
    # Most texts have none, which two bytes tell: Spark's trim of more than spaces takes every text apart.
    clean = (column >= _PRINTED) & (f.substring(column, -1, 1) >= _PRINTED)
    return f.when(clean, column).when(bare != "", bare)


def moment(column: Column, zone: str) -> Column:
    """Return the moment that an ISO 8601 text means, null where it is none; without an offset it is `zone`'s time."""
    seconds = f.regexp_replace(column, "^(.{10}[T ][0-9]{2}:[0-9]{2})($|Z|[+-])", "$1:00$2")
    spelled = f.regexp_replace(seconds, "([+-][0-9]{2})([0-9]{2})$", "$1:$2")
    # Where seconds are told and it ends in Z, which is most often, there is nothing to replace.
    usual = column.endswith("Z") & (f.substring(column, 17, 1) == ":")
    found = f.when(usual, column).otherwise(spelled).try_cast("timestamp")
    if zone == "UTC":
        return found
    local = f.to_utc_timestamp(found, zone)
    clock = f.substring(column, 11, 40)
    return f.when(clock.rlike(_ZONED), found).otherwise(local)


@dataclass(frozen=True, slots=True)
class Value:
    """A column as its checks see it: its trimmed text and, where the file's own type vouches for it, itself."""

    text: Column
    native: Column | None = None
    kind: str = ""


def breaks(check: Check, value: Value, zone: str) -> Column:
    """Return whether a value breaks a check: never null, and for an absent value only `present` breaks."""
    if check.test == "present":
        return value.text.isNull()
    broken = f.coalesce(~_passes(check, value, zone), f.lit(True)) & value.text.isNotNull()
    return reduce(lambda so_far, first: so_far & ~breaks(first, value, zone), check.only_if, broken)


def _passes(check: Check, value: Value, zone: str) -> Column:
    argument: Any = check.argument
    if check.test == "from_":
        return _comparable(value, argument, zone) >= f.lit(argument)
    if check.test == "until":
        return _comparable(value, argument, zone) <= f.lit(argument)
    if check.test == "finite":
        return f.abs(number_of(value)) < float("inf")
    return _TESTS[check.test](value.text, argument)


_TESTS: Final[Mapping[str, Callable[[Column, Any], Column]]] = {
    "matches": lambda text, pattern: text.rlike(rf"\A(?:{pattern})\z"),
    "calendar": lambda text, _none: f.substring(text, 1, 10).try_cast("date").isNotNull(),
    "shorter": lambda text, most: f.length(text) <= most,
    "among": lambda text, known: text.isin(list(known)),
}
# What a file's own type vouches for, so that the value need not be read as text to know it.
_VOUCHED: Final[Mapping[str, frozenset[tuple[str, str]]]] = {
    "integer": frozenset({("matches", SHAPES["integer"]), ("matches", SHAPES["number"]), ("finite", "")}),
    "number": frozenset({("matches", SHAPES["number"])}),
    "timestamp": frozenset({("matches", SHAPES["timestamp"]), ("calendar", "")}),
}


def _comparable(value: Value, bound: Any, zone: str) -> Column:
    if isinstance(bound, datetime):
        return moment_of(value, zone)
    return value.text if isinstance(bound, str) else number_of(value)


def number_of(value: Value) -> Column:
    """Return the number that a value means, null where it is none."""
    if value.native is not None and value.kind in ("integer", "number"):
        return value.native.cast("double")
    return value.text.try_cast("double")


def moment_of(value: Value, zone: str) -> Column:
    """Return the moment that a value means, null where it is none."""
    return value.native if value.native is not None and value.kind == "timestamp" else moment(value.text, zone)


def faults(checks: Sequence[Check], values: Mapping[str, Value], zone: str) -> dict[str, Column]:
    """Return for each promised column its first broken check as a struct, null where it keeps its promises."""
    by_column: dict[str, list[Check]] = {}
    for check in checks:
        if (check.test, check.argument) not in _VOUCHED.get(values[check.column].kind, ()):
            by_column.setdefault(check.column, []).append(check)
    return {name: _first(promised, values[name], zone) for name, promised in by_column.items()}


def _first(promised: Sequence[Check], value: Value, zone: str) -> Column:
    chain: Any = f
    for check in promised:
        told = f.struct(
            f.lit(check.column).alias("field"),
            f.lit(check.rule).alias("rule"),
            value_class(value.text).alias("value_class"),
            f.lit(check.reason).alias("reason"),
            f.lit(check.vital).alias("vital"),
        )
        chain = chain.when(breaks(check, value, zone), told)
    return cast("Column", chain)


def value_class(value: Column) -> Column:
    """Return what kind of value it is without repeating it, in the words of `infra.errors.value_class`."""
    length = f.length(value).cast("string")
    return (
        f.when(value.isNull() | (value == ""), f.lit("empty"))
        .when(value.rlike(r"\A[0-9]+\z"), f.concat(length, f.lit(" digits")))
        .otherwise(f.concat(f.lit("text of "), length, f.lit(" characters")))
    )
