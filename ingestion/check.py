"""A field contract as a list of checks, and their verdict on one row: the reference that the Spark twin is held to.

A value is first trimmed; an empty one counts as absent. `ingestion.conform` says the same in Spark, and a property test
holds both equal over whole lists of rows.
"""

import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from infra.errors import value_class
from ingestion.config import Source
from ingestion.contract import FieldContract, FieldRule, FieldType, OnViolation
from ingestion.pattern import portable

BLANKS: Final = " \t\n\r\x0b\x0c"

Test = Literal["present", "matches", "calendar", "finite", "shorter", "among", "from_", "until"]
Order = Literal["text", "number", "moment"]

_DAY = r"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])"
_CLOCK = rf"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?{_ZONE}?"
_WORDS = ("true", "false", "yes", "no", "t", "f", "y", "n", "1", "0")


def _any_case(word: str) -> str:
    # Spelled out: Python's IGNORECASE folds letters beyond ASCII, Java's does not.
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word)


SHAPES: Final[Mapping[FieldType, str]] = {
    "email": r"[^@ \t\n\r\x0b\x0c\"<>(),:;]{1,64}@[^@ \t\n\r\x0b\x0c\"<>(),:;.]+(?:\.[^@ \t\n\r\x0b\x0c\"<>(),:;.]+)+",
    "phone": r"\+?(?:[ ()./-]*[0-9]){7,15}[ ()./-]*",
    "date": _DAY,
    "timestamp": rf"{_DAY}(?:[T ]{_CLOCK})?",
    "integer": r"[+-]?[0-9]{1,18}",
    "number": r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?",
    "boolean": "|".join(map(_any_case, _WORDS)),
}
_RIGHT: Final[Mapping[FieldType, str]] = {
    "email": "an email address",
    "phone": "a phone number of 7 to 15 digits",
    "date": "a date such as 2001-12-31",
    "timestamp": "a moment such as 2001-12-31T23:59:59Z",
    "integer": "a whole number",
    "number": "a number such as 12.50",
    "boolean": "true or false",
}
_ORDERS: Final[Mapping[FieldType, Order]] = {"date": "text", "timestamp": "moment"}


@dataclass(frozen=True, slots=True)
class Check:
    """One promise about one column: which test with which argument, and how a breach of it is told.

    `vital` checks stand for what the platform itself cannot do without; no `on_violation` softens them. A check is
    asked `only_if` a value passes others: where these have another consequence, being no number is not also being
    below a bound.
    """

    column: str
    rule: str
    test: Test
    argument: str | int | float | datetime | tuple[str, ...]
    reason: str
    vital: bool = False
    action: OnViolation = "quarantine"
    only_if: tuple["Check", ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """A breach of a row's contract: where, of what, and what kind of value it was."""

    column: str
    rule: str
    value_class: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a contract makes of a row: why it is rejected, if it is, else which values are dropped and which flagged."""

    fault: Fault | None
    dropped: tuple[Fault, ...] = ()
    flagged: tuple[Fault, ...] = ()


def checks(source: Source, at: datetime, words: Mapping[str, tuple[str, ...]]) -> tuple[Check, ...]:
    """Return what the rows of a source must pass, in the order in which a breach is reported.

    Vital checks come first; `at` is what `today` and `now` mean, `words` the vocabulary of consent.
    """
    declared = [c for column, rules in source.contract.items() for c in _declared(column, rules, source, at)]
    found: dict[tuple[object, ...], Check] = {}
    for check in (*_vital(source), *_worded(source, words), *_typed(source), *declared):
        found.setdefault((check.column, check.test, check.argument), check)
    vital = {check.column for check in found.values() if check.vital}
    acted = [replace(check, action=_action(source, check, vital)) for check in found.values()]
    return tuple(replace(check, only_if=_before(check, acted)) for check in acted)


def _action(source: Source, check: Check, vital: Container[str]) -> OnViolation:
    """Return what becomes of a breach; a value that the platform cannot do without is never dropped."""
    rules = source.contract.get(check.column)
    own = rules.on_violation.get(cast("FieldRule", check.rule)) if rules else None
    if check.column in vital:
        return "accept_and_flag" if own == "accept_and_flag" and not check.vital else "quarantine"
    return own or source.on_violation


def _before(check: Check, acted: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks of its column's type that a bound is asked after, where these have another consequence."""
    if check.test not in ("from_", "until"):
        return ()
    return tuple(c for c in acted if (c.column, c.rule) == (check.column, "type") and c.action != check.action)


def _vital(source: Source) -> Iterator[Check]:
    for column in source.key:
        yield _present(column, vital=True)
    if source.occurred_at:
        yield _present(source.occurred_at, vital=True)
        yield from _shape(source.occurred_at, "timestamp", vital=True)
    if source.consent:
        for column in (source.consent.purpose, source.consent.action):
            if not column.startswith("="):
                yield _present(column, vital=True)


def _worded(source: Source, words: Mapping[str, tuple[str, ...]]) -> Iterator[Check]:
    for name, known in words.items():
        column = getattr(source.consent, name, None)
        if column and not column.startswith("="):
            yield Check(column, "values", "among", known, f"{column} must be one of {', '.join(known)}", vital=True)


def _typed(source: Source) -> Iterator[Check]:
    """Yield what follows from the mapping: columns that become moments and numbers must be such."""
    expires = source.consent.expires_at if source.consent else None
    for column in filter(None, (source.observed_at, expires)):
        yield from _shape(column, "timestamp")
    for column in filter(None, (source.order.quantity, source.order.amount)):
        yield from _shape(column, "number")


def _declared(column: str, rules: FieldContract, source: Source, at: datetime) -> Iterator[Check]:
    if rules.required:
        yield _present(column)
    yield from _shape(column, rules.type)
    if rules.max_length is not None:
        reason = f"{column} must not be longer than {rules.max_length} characters"
        yield Check(column, "max_length", "shorter", rules.max_length, reason)
    if rules.pattern is not None:
        reason = f"{column} must match {rules.pattern}"
        yield Check(column, "pattern", "matches", portable(rules.pattern), reason)
    if rules.values:
        yield Check(column, "values", "among", rules.values, f"{column} must be one of {', '.join(rules.values)}")
    if rules.min is not None:
        bound = _bound(rules.type, rules.min, source, at)
        yield Check(column, "min", "from_", bound, f"{column} must not be below {rules.min}")
    if rules.max is not None:
        bound = _bound(rules.type, rules.max, source, at)
        yield Check(column, "max", "until", bound, f"{column} must not be above {rules.max}")


def _present(column: str, *, vital: bool = False) -> Check:
    return Check(column, "required", "present", "", f"{column} must not be empty", vital)


def _shape(column: str, kind: FieldType, *, vital: bool = False) -> Iterator[Check]:
    if kind not in SHAPES:
        return
    reason = f"{column} must be {_RIGHT[kind]}"
    yield Check(column, "type", "matches", SHAPES[kind], reason, vital)
    if kind in ("date", "timestamp"):
        yield Check(column, "type", "calendar", "", reason, vital)
    if kind == "number":
        yield Check(column, "type", "finite", "", reason, vital)


def _bound(kind: FieldType, bound: str, source: Source, at: datetime) -> str | float | datetime:
    if kind == "date":
        return at.astimezone(UTC).date().isoformat() if bound == "today" else bound
    if kind == "timestamp":
        return at if bound == "now" else moment(bound, source.time_zone or "UTC")
    return float(bound)


def trimmed(value: str | None) -> str | None:
    """Return a value without blanks around it, or None where nothing is left."""
    return (value.strip(BLANKS) or None) if value is not None else None


def moment(text: str, zone: str) -> datetime:
    """Return the moment that an ISO 8601 text means; one without an offset is local time of `zone`."""
    found = datetime.fromisoformat(text)
    return (found.replace(tzinfo=ZoneInfo(zone)) if found.tzinfo is None else found).astimezone(UTC)


def breaks(check: Check, value: str | None, zone: str) -> bool:
    """Say whether a trimmed value breaks a check; an absent one breaks only `present`."""
    if value is None:
        return check.test == "present"
    if any(breaks(first, value, zone) for first in check.only_if):
        return False
    return check.test != "present" and not _TESTS[check.test](value, check.argument, zone)


def calendar(value: str) -> bool:
    """Say whether the day that a text begins with is one of the calendar."""
    try:
        date.fromisoformat(value[:10])
    except ValueError:
        return False
    return True


def _compared(value: str, bound: Any, zone: str) -> Any:
    if isinstance(bound, datetime):
        return moment(value, zone)
    return value if isinstance(bound, str) else float(value)


_TESTS: Final[Mapping[str, Callable[[str, Any, str], bool]]] = {
    "matches": lambda value, pattern, _zone: re.fullmatch(pattern, value) is not None,
    "calendar": lambda value, _none, _zone: calendar(value),
    "finite": lambda value, _none, _zone: math.isfinite(float(value)),
    "shorter": lambda value, most, _zone: len(value) <= most,
    "among": lambda value, known, _zone: value in known,
    "from_": lambda value, least, zone: bool(_compared(value, least, zone) >= least),
    "until": lambda value, most, zone: bool(_compared(value, most, zone) <= most),
}


def row_model(name: str, promised: Sequence[Check], zone: str = "UTC") -> type[BaseModel]:
    """Return the pydantic model of a source's rows: columns by alias, values trimmed, each check a validator.

    For rows that come one at a time; many rows go through the Spark plan of the same checks.
    """
    by_column: dict[str, list[Check]] = {}
    for check in promised:
        by_column.setdefault(check.column, []).append(check)
    fields: dict[str, Any] = {
        f"column_{index}": (
            Annotated[str | None, BeforeValidator(_validator(column_checks, zone))],
            Field(default=None, alias=column, validate_default=True),
        )
        for index, (column, column_checks) in enumerate(by_column.items())
    }
    config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)
    return create_model(name, __config__=config, **fields)


def _validator(column_checks: Sequence[Check], zone: str) -> Callable[[str | None], str | None]:
    def validate(value: str | None) -> str | None:
        text = trimmed(value)
        for check in column_checks:
            if breaks(check, text, zone):
                reason = check.reason.replace("{", "(").replace("}", ")")
                raise PydanticCustomError(check.rule, reason, {"value_class": value_class(text)})
        return text

    return validate


def first_fault(model: type[BaseModel], row: Mapping[str, str | None]) -> Fault | None:
    """Return the first breach of a row, or None where it keeps its contract."""
    try:
        model.model_validate(row)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        return Fault(str(found["loc"][0]), found["type"], found["ctx"]["value_class"])
    return None


def judgement(promised: Sequence[Check], row: Mapping[str, str | None], zone: str = "UTC") -> Judgement:
    """Return what becomes of a row by its contract: of each column the first breach of each consequence counts.

    The twin of `ingestion.judge.judged`.
    """
    found: dict[OnViolation, dict[str, Fault]] = {"quarantine": {}, "drop_field": {}, "accept_and_flag": {}}
    for check in promised:
        value = trimmed(row.get(check.column))
        if check.column not in found[check.action] and breaks(check, value, zone):
            found[check.action][check.column] = Fault(check.column, check.rule, value_class(value))
    stern = [found["quarantine"][c.column] for c in promised if c.column in found["quarantine"]]
    if stern:
        return Judgement(stern[0])
    return Judgement(None, tuple(found["drop_field"].values()), tuple(found["accept_and_flag"].values()))
