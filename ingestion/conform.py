"""A contract's checks as Spark expressions: the twin of `ingestion.check`, for rows by the million."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from pyspark.sql import Column
from pyspark.sql import functions as f

from ingestion.check import BLANKS, Check

_ZONED = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"


def trimmed(column: Column) -> Column:
    """Return a text without blanks around it, null where nothing is left."""
    bare = f.trim(column, f.lit(BLANKS))
    return f.when(bare != "", bare)


def moment(column: Column, zone: str) -> Column:
    """Return the moment that an ISO 8601 text means, null where it is none; without an offset it is `zone`'s time."""
    seconds = f.regexp_replace(column, "^(.{10}[T ][0-9]{2}:[0-9]{2})($|Z|[+-])", "$1:00$2")
    found = f.regexp_replace(seconds, "([+-][0-9]{2})([0-9]{2})$", "$1:$2").try_cast("timestamp")
    if zone == "UTC":
        return found
    local = f.to_utc_timestamp(found, zone)
    clock = f.substring(column, 11, 40)
    return f.when(clock.rlike(_ZONED), found).otherwise(local)


def breaks(check: Check, value: Column, zone: str) -> Column:
    """Return whether a trimmed value breaks a check: never null, and for an absent value only `present` breaks."""
    if check.test == "present":
        return value.isNull()
    return f.coalesce(~_passes(check, value, zone), f.lit(True)) & value.isNotNull()


def _passes(check: Check, value: Column, zone: str) -> Column:
    argument: Any = check.argument
    if check.test == "from_":
        return _comparable(value, argument, zone) >= f.lit(argument)
    if check.test == "until":
        return _comparable(value, argument, zone) <= f.lit(argument)
    return _TESTS[check.test](value, argument)


_TESTS: Final[Mapping[str, Callable[[Column, Any], Column]]] = {
    "matches": lambda value, pattern: value.rlike(rf"\A(?:{pattern})\z"),
    "calendar": lambda value, _none: f.substring(value, 1, 10).try_cast("date").isNotNull(),
    "finite": lambda value, _none: f.abs(value.try_cast("double")) < float("inf"),
    "shorter": lambda value, most: f.length(value) <= most,
    "among": lambda value, known: value.isin(list(known)),
}


def _comparable(value: Column, bound: Any, zone: str) -> Column:
    if isinstance(bound, datetime):
        return moment(value, zone)
    return value if isinstance(bound, str) else value.try_cast("double")


def faults(checks: Sequence[Check], columns: Mapping[str, Column], zone: str) -> dict[str, Column]:
    """Return for each promised column its first broken check as a struct, null where it keeps its promises."""
    by_column: dict[str, list[Check]] = {}
    for check in checks:
        by_column.setdefault(check.column, []).append(check)
    return {name: _first(promised, columns[name], zone) for name, promised in by_column.items()}


def _first(promised: Sequence[Check], value: Column, zone: str) -> Column:
    chain: Any = f
    for check in promised:
        told = f.struct(
            f.lit(check.column).alias("field"),
            f.lit(check.rule).alias("rule"),
            value_class(value).alias("value_class"),
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
