"""Sources as their YAML declares them, checked on the way in; every complaint says what would be right."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from consent.config import known_purposes, load_policy
from consent.model import ACTIONS, MECHANISMS, Policy
from infra.dates import Order
from infra.errors import ConfigurationError
from infra.identifiers import IdentifierType, load_identifier_types
from infra.phones import known_region
from infra.workspace import Workspace
from ingestion.connectors.declared import TREES, Collector, Connector, Queried, Section
from ingestion.contract import FieldContract, OnViolation, Words
from ingestion.duplicates import Duplicates, named
from ingestion.expected import Evolution, Expect, faults_of
from ingestion.tracking.declared import TrackingPlan
from ingestion.tracking.load import load_plans

RecordKind = Literal["person", "event", "consent", "catalogue"]

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
    "on_personal_data": ("person", "event", "catalogue"),
}
# Where an event of the log says when it came.
RECEIVED = "receivedAt"
# What a flag says where it is raised, in any case.
_RAISED = ("true", "yes", "1", "t", "y")


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _flagged(value: Any) -> Any:
    """Return a column that is a flag as the values that it is raised by."""
    return {value: list(_RAISED)} if isinstance(value, str) else value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, such as America, is none
        msg = "not a time zone; use a name such as UTC or America/New_York"
        raise ValueError(msg) from None
    return value


Columns = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Region = Annotated[str, AfterValidator(known_region)]


# What needs no saying of a source whose events come in Segment's format; all that they tell is kept.
_COLLECTED: Mapping[str, Any] = {
    "record": "event",
    "key": ("messageId",),
    "occurred_at": "timestamp",
    "event": {"type": "type", "name": "event"},
    "channel": "channel",
    "properties": ("properties.*", "traits.*", "context.*", "skew.*"),
    "duplicates": "key",
}


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
    fields: dict[str, str] = Field(default_factory=dict)
    identifiers: dict[str, Columns] = Field(default_factory=dict)
    contract: dict[str, FieldContract] = Field(default_factory=dict)
    on_violation: OnViolation = "quarantine"
    event: EventColumns | None = None
    properties: tuple[str, ...] = ()
    order: OrderColumns = OrderColumns()
    channel: str | None = None
    consent_gate: str | None = None
    deleted: Annotated[dict[str, Words], BeforeValidator(_flagged)] = Field(default_factory=dict)
    free_text: dict[str, Literal["redact", "label"]] = Field(default_factory=dict)
    consent: ConsentColumns | None = None
    duplicates: Annotated[Duplicates, BeforeValidator(named)] = Duplicates(by="content")
    on_personal_data: Literal["alarm", "quarantine", "redact"] | None = None
    # The tracking plan that names the source, if one does; it stands in a file of its own.
    tracking: TrackingPlan | None = None
    expect: Expect = Expect()
    evolution: Evolution = Field(default=Evolution(), alias="schema")

    @model_validator(mode="before")
    @classmethod
    def _collected(cls, said: Any) -> Any:
        """Return what was declared over what the source's kind is without saying."""
        if isinstance(said, Mapping) and said.get("tracking") is not None:
            raise ValueError("a tracking plan has a file of its own, tracking/*.yaml, which names its `sources`")
        connector = said.get("connector") if isinstance(said, Mapping) else None
        if not isinstance(connector, Mapping):
            return said
        if connector.get("type") == "collector":
            return {**_COLLECTED, **said}
        if connector.get("format") == "debezium":
            at = {"person": "observed_at", "catalogue": "observed_at"}.get(str(said.get("record")), "occurred_at")
            return {at: "__source_ts_ms", "deleted": "__deleted", **said}
        if connector.get("type") == "delta":
            own = {"observed_at": "_commit_timestamp"} if said.get("record") in ("person", "catalogue") else {}
            return {**own, "deleted": {"_change_type": "delete"}, **said}
        return said

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        for name in _NEEDS[self.record]:
            if not getattr(self, name):
                raise ValueError(f"a source of record: {self.record} needs `{name}`")
        for name in sorted(self.model_fields_set):
            kinds = _ONLY.get(name)
            if kinds and self.record not in kinds:
                raise ValueError(f"`{name}` is for record: {' or '.join(kinds)}, not for {self.record}; leave it out")
        if any(map(is_open, self.properties)) and self.connector.format not in TREES:
            raise ValueError("`properties: [name.*]` is for JSON, where a value may be an object; name the columns")
        for column in self.vital():
            if "drop_field" in self.contract.get(column, FieldContract()).on_violation.values():
                raise ValueError(f"nothing can be taken in without {column}, so it cannot be dropped; say quarantine")
        stray = [name for name in self.free_text if self.record not in ("person", "event")]
        if stray:
            raise ValueError(f"`free_text` is for record: person or event, not for {self.record}; leave it out")
        return self

    def vital(self) -> tuple[str, ...]:
        """Return the columns without which a row is nothing: its key, its time, and of a consent what was said."""
        said = (self.consent.purpose, self.consent.action) if self.consent else ()
        return (*self.key, *filter(None, [self.occurred_at]), *(name for name in said if not name.startswith("=")))

    @model_validator(mode="after")
    def _tells_repetitions(self) -> Self:
        """Raise where the lake would not keep all that an event says: it could not be told from another one then."""
        whole = self.duplicates.by == "key" or self.duplicates.within
        if isinstance(self.connector, Collector) and (self.record != "event" or not whole):
            raise ValueError("a collector takes in events, each message id once; leave `record` and `duplicates` out")
        if not self.duplicates.within:
            return self
        if self.record != "event":
            raise ValueError(f"`duplicates.within` is for record: event, not for {self.record}; leave it out")
        if self.duplicates.memory:
            return self
        fronts = tuple(column.removesuffix("*") for column in self.properties if is_open(column))
        kept = {*self.properties, *self.free_text}
        lost = [c for c in self.fields.values() if c not in kept and not (fronts and c.startswith(fronts))]
        if lost:
            raise ValueError(f"`duplicates.within` needs all that an event says among its properties; add {lost[0]}")
        return self

    @property
    def once(self) -> bool:
        """Whether a key comes once: whatever comes under it later is a repetition."""
        return self.duplicates.by == "key" or isinstance(self.connector, Collector)

    def dates(self) -> tuple[str, ...]:
        """Return the columns whose days are read by `date_order`: births, and what the contract calls a date."""
        if self.date_order is None:
            return ()
        promised = [column for column, rules in self.contract.items() if rules.type == "date"]
        return tuple(dict.fromkeys([*promised, *(c for name, c in self.fields.items() if name == "birth_date")]))

    def columns(self) -> tuple[str, ...]:
        """Return every column (or path) of the source that the declaration names, each once."""
        return tuple(dict.fromkeys(name for name in self._named() if name and not name.startswith("=")))

    def of_the_person(self) -> frozenset[str]:
        """Return the properties, as the lake calls them, that stand for the person's fields and identifiers."""
        columns = (*self.fields.values(), *(one for several in self.identifiers.values() for one in several))
        return frozenset(property_name(column) for column in columns if not column.startswith("="))

    def _named(self) -> Iterator[str | None]:
        yield from self.key
        yield from (self.observed_at, self.occurred_at, self.channel, self.consent_gate, *self.deleted)
        if isinstance(self.connector, Collector):
            yield RECEIVED
        for columns in self.identifiers.values():
            yield from columns
        yield from self.fields.values()
        yield from self.properties
        yield from self.free_text
        yield from self.contract
        yield from self.expect.reference
        for part in (self.event, self.order, self.consent):
            if part is not None:
                yield from part.model_dump().values()


def load_sources(workspace: Workspace) -> tuple[Source, ...]:
    """Return the workspace's sources in the order of their files; raise `ConfigurationError` at the first mistake."""
    kinds = load_identifier_types(workspace)
    found: dict[str, Source] = {}
    paths: dict[str, str] = {}
    for file in sorted(workspace.root.glob("sources/*.yaml")):
        path = file.relative_to(workspace.root).as_posix()
        source = workspace.load(path, Source)
        _check_identifiers(workspace, path, source, kinds)
        _check_words(workspace, path, source)
        if source.source in found:
            raise ConfigurationError(path, 1, "source", "another file declares this name already", "choose another")
        found[source.source] = source
        paths[source.source] = path
    for path, plan in load_plans(workspace).items():
        for place, name in enumerate(plan.sources):
            wrong = _unplannable(name, found)
            if wrong is not None:
                line = workspace.lines(path)["sources"].lc.item(place)[0] + 1
                raise ConfigurationError(path, line, f"sources.{place}", *wrong)
            found[name] = found[name].model_copy(update={"tracking": plan})
    for name, path in paths.items():
        _check_expected(workspace, path, found[name], found)
    return tuple(found.values())


def _unplannable(name: str, sources: Mapping[str, Source]) -> tuple[str, str] | None:
    """Return why a tracking plan cannot hold for a source of this name, and what would be right."""
    if name not in sources:
        near = get_close_matches(name, sources, n=1)
        return "no source has this name", f"did you mean {near[0]}?" if near else f"declared: {', '.join(sources)}"
    source = sources[name]
    if source.record != "event" or source.connector.format not in TREES or isinstance(source.connector, Queried):
        right = "name a collector, or events that come as JSON; `contract:` of the source is for all others"
        return "a tracking plan judges events of JSON, and this source has none", right
    if source.tracking is not None:
        return f"tracking plan {source.tracking.tracking_plan} holds for this source already", "a source has one plan"
    return None


def _check_expected(workspace: Workspace, path: str, source: Source, known: Mapping[str, Source]) -> None:
    """Raise where what a source expects of its loads cannot be had."""
    kept = {name: len(one.key) for name, one in known.items() if one.record != "consent"}
    wrong = faults_of(
        source.expect,
        source.evolution,
        source.record,
        collects=isinstance(source.connector, Collector),
        dated=bool(source.observed_at or source.occurred_at),
        keys=kept.get,
    )
    if wrong:
        tree = workspace.lines(path)
        where = "expect" if "expect" in tree else "schema"
        right = f"sources whose keys are kept: {', '.join(kept)}" if "reference" in wrong else ""
        raise ConfigurationError(path, tree.lc.key(where)[0] + 1, where, wrong, right)


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


def is_open(column: str) -> bool:
    """Say whether a path names all entries of an object, such as `properties.*`."""
    return column.endswith(".*")
