"""Sources as their YAML declares them, checked on the way in; every complaint says what would be right."""

import codecs
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from consent.config import known_purposes, load_policy
from consent.model import ACTIONS, MECHANISMS, Policy
from infra.dates import Order
from infra.errors import ConfigurationError
from infra.identifiers import IdentifierType, load_identifier_types
from infra.phones import known_region
from infra.workspace import Workspace
from ingestion.pattern import portable

RecordKind = Literal["person", "event", "consent", "catalogue"]
OnViolation = Literal["quarantine", "drop_field", "accept_and_flag"]
FieldType = Literal["text", "email", "phone", "date", "timestamp", "integer", "number", "boolean", "enum"]

# What each kind of record needs beside `source`, `connector` and `key`, and what only it may have.
_NEEDS: Mapping[RecordKind, tuple[str, ...]] = {
    "person": (),
    "event": ("occurred_at", "event"),
    "consent": ("occurred_at", "consent", "identifiers"),
    "catalogue": (),
}
_ONLY: Mapping[str, tuple[RecordKind, ...]] = {
    "identifiers": ("person", "event", "consent"),
    "observed_at": ("person", "catalogue"),
    "occurred_at": ("event", "consent"),
    "event": ("event",),
    "properties": ("event",),
    "order": ("event",),
    "channel": ("event",),
    "consent": ("consent",),
}
# Spellings of text inside other text: a stray byte stops them, or they read an escape into a value.
_UNSUITED = (
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "unicode-escape",
    "raw-unicode-escape",
    "utf-7",
)
_BOUNDED = ("date", "timestamp", "integer", "number")


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _worded(value: Any) -> Any:
    """Return a YAML scalar as the text it was written as."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, int | float) else value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, such as America, is none
        msg = "not a time zone; use a name such as UTC or America/New_York"
        raise ValueError(msg) from None
    return value


Columns = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
Word = Annotated[str, BeforeValidator(_worded)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Region = Annotated[str, AfterValidator(known_region)]


class Section(BaseModel):
    """A part of a source's declaration: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Connector(Section):
    """Where the rows come from. `path` is a pattern relative to the workspace."""

    type: Literal["files"]
    path: str
    format: Literal["csv", "ndjson", "parquet"]
    encoding: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if not PurePosixPath(value).parts or "\0" in value:
            msg = "not a path; write where the files lie, e.g. data/crm/*.csv"
            raise ValueError(msg)
        if PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            msg = "the path leaves the workspace; write it relative to it, e.g. data/crm/*.csv"
            raise ValueError(msg)
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            # Codecs that are none of text (base64, rot13) and those that cannot keep a stray byte would stop a load.
            "a,b\n".encode(value or "utf-8").decode(value or "utf-8", "surrogateescape")
            suits = codecs.lookup(value or "utf-8").name not in _UNSUITED
        except (LookupError, ValueError):
            suits = False
        if not suits:
            msg = "not an encoding; use a name such as utf-8, cp1252 or utf-16"
            raise ValueError(msg)
        return value

    @field_validator("delimiter")
    @classmethod
    def _no_other_meaning(cls, value: str | None) -> str | None:
        if value in {'"', "\n", "\r", "\0"}:
            msg = "a quote or the end of a line cannot part columns; use one such as ',' or ';' or \"\\t\""
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits_format(self) -> Self:
        if self.format != "csv" and (self.encoding or self.delimiter):
            msg = f"encoding and delimiter are for csv, not for {self.format} (JSON is UTF-8); leave them out"
            raise ValueError(msg)
        return self


class FieldContract(Section):
    """What a column of the source promises of itself."""

    type: FieldType = "text"
    required: bool = False
    min: Word | None = None
    max: Word | None = None
    values: tuple[Word, ...] = ()
    pattern: str | None = None
    max_length: int | None = Field(default=None, ge=1)

    @field_validator("pattern")
    @classmethod
    def _portable_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            portable(value)
        return value

    @model_validator(mode="after")
    def _fits_type(self) -> Self:
        if self.type == "enum" and not self.values:
            raise ValueError("type enum needs `values`, e.g. values: [F, M, X]")
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None:
                _check_bound(self.type, name, bound)
        return self


def _check_bound(kind: FieldType, name: str, bound: str) -> None:
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


class EventColumns(Section):
    """Where an event says what it is; `=word` is a constant."""

    type: str
    name: str | None = None


class OrderColumns(Section):
    """Where an event tells what was bought; everything is optional."""

    order_id: str | None = None
    product_id: str | None = None
    quantity: str | None = None
    amount: str | None = None
    coupon: str | None = None
    campaign: str | None = None


class ConsentColumns(Section):
    """Where a consent row says what was decided; `=word` is a constant."""

    purpose: str
    action: str
    mechanism: str | None = None
    jurisdiction: str | None = None
    notice: str | None = None
    expires_at: str | None = None
    channel: str | None = None


class Source(Section):
    """One source system: where its rows lie, what they mean, and what they promise."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    connector: Connector
    record: RecordKind
    key: Columns
    observed_at: str | None = None
    occurred_at: str | None = None
    trust: float = Field(default=0.5, ge=0, le=1)
    jurisdiction: str | None = None
    time_zone: Zone | None = None
    date_order: Order | None = None
    region: Region | None = None
    fields: dict[str, str] = {}
    identifiers: dict[str, Columns] = {}
    contract: dict[str, FieldContract] = {}
    on_violation: OnViolation = "quarantine"
    event: EventColumns | None = None
    properties: tuple[str, ...] = ()
    order: OrderColumns = OrderColumns()
    channel: str | None = None
    consent_gate: str | None = None
    free_text: dict[str, Literal["redact", "label"]] = {}
    consent: ConsentColumns | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        for name in _NEEDS[self.record]:
            if not getattr(self, name):
                raise ValueError(f"a source of record: {self.record} needs `{name}`")
        for name in sorted(self.model_fields_set):
            kinds = _ONLY.get(name)
            if kinds and self.record not in kinds:
                raise ValueError(f"`{name}` is for record: {' or '.join(kinds)}, not for {self.record}; leave it out")
        stray = [name for name in self.free_text if self.record not in ("person", "event")]
        if stray:
            raise ValueError(f"`free_text` is for record: person or event, not for {self.record}; leave it out")
        return self

    def dates(self) -> tuple[str, ...]:
        """Return the columns whose days are read by `date_order`: births, and what the contract calls a date."""
        if self.date_order is None:
            return ()
        promised = [column for column, rules in self.contract.items() if rules.type == "date"]
        return tuple(dict.fromkeys([*promised, *(c for name, c in self.fields.items() if name == "birth_date")]))

    def columns(self) -> tuple[str, ...]:
        """Return every column (or path) of the source that the declaration names, each once."""
        return tuple(dict.fromkeys(name for name in self._named() if name and not name.startswith("=")))

    def _named(self) -> Iterator[str | None]:
        yield from self.key
        yield from (self.observed_at, self.occurred_at, self.channel, self.consent_gate)
        for columns in self.identifiers.values():
            yield from columns
        yield from self.fields.values()
        yield from self.properties
        yield from self.free_text
        yield from self.contract
        for part in (self.event, self.order, self.consent):
            if part is not None:
                yield from part.model_dump().values()


def load_sources(workspace: Workspace) -> tuple[Source, ...]:
    """Return the workspace's sources in the order of their files; raise `ConfigurationError` at the first mistake."""
    kinds = load_identifier_types(workspace)
    found: dict[str, Source] = {}
    for file in sorted(workspace.root.glob("sources/*.yaml")):
        path = file.relative_to(workspace.root).as_posix()
        source = workspace.load(path, Source)
        _check_identifiers(workspace, path, source, kinds)
        _check_words(workspace, path, source)
        if source.source in found:
            raise ConfigurationError(path, 1, "source", "another file declares this name already", "choose another")
        found[source.source] = source
    return tuple(found.values())


def _check_identifiers(workspace: Workspace, path: str, source: Source, kinds: Mapping[str, IdentifierType]) -> None:
    for name in source.identifiers:
        if name not in kinds:
            near = get_close_matches(name, kinds, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            line = workspace.lines(path)["identifiers"].lc.key(name)[0] + 1
            right = f"{hint}identity.yaml declares {', '.join(kinds)}"
            raise ConfigurationError(path, line, f"identifiers.{name}", "unknown identifier type", right)


def _check_words(workspace: Workspace, path: str, source: Source) -> None:
    """Raise where a constant of a consent source is no word of the ledger."""
    stated = source.consent.model_dump(include={"purpose", "action", "mechanism"}) if source.consent else {}
    constants = {name: word[1:] for name, word in stated.items() if word and word.startswith("=")}
    if constants:
        words = consent_words(load_policy(workspace))
        for name, word in constants.items():
            if word not in words[name]:
                line = workspace.lines(path)["consent"].lc.key(name)[0] + 1
                raise ConfigurationError(
                    path, line, f"consent.{name}", f"unknown {name}", f"use one of {', '.join(words[name])}"
                )


def consent_words(policy: Policy) -> dict[str, tuple[str, ...]]:
    """Return the words that a consent row may use, by what they are for."""
    return {"purpose": known_purposes(policy), "action": ACTIONS, "mechanism": MECHANISMS}


def property_name(column: str) -> str:
    """Return what a property is called in the lake: its path, without Segment's leading `properties.`."""
    return re.sub(r"^properties\.", "", column)
