"""What is proposed: sources with their reasons, identifier types, labels, and what was not understood. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from consent.discovery.proposal import Proposal as LabelProposal
from infra.dates import Order
from ingestion.config import RecordKind
from ingestion.proposal.meanings import Left

KEPT: Final = "kept as it is"


@dataclass(frozen=True, slots=True)
class Line:
    """One choice of a declaration, with its reason; `sure` is from 0 to 1."""

    value: Any
    because: str
    sure: float = 1.0


@dataclass(frozen=True, slots=True)
class Proposed:
    """One proposed source. Every choice carries its reason; `doubts` say in words what else it could be.

    `numbered` is a column that the copy which is taken in gets: the number of each row.
    """

    source: str
    connector: Mapping[str, Any]
    record: RecordKind
    because: str
    key: Line
    rows: int
    numbered: str | None = None
    at: Line | None = None
    date_order: tuple[Order, str] | None = None
    region: tuple[str, str] | None = None
    fields: Mapping[str, Line] = field(default_factory=dict)
    identifiers: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)
    contract: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    event: Mapping[str, Line] = field(default_factory=dict)
    properties: tuple[str, ...] = ()
    order: Mapping[str, Line] = field(default_factory=dict)
    channel: str | None = None
    consent: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewType:
    """An identifier type that `identity.yaml` does not have yet, its settings and why it is needed."""

    name: str
    settings: Mapping[str, Any]
    because: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A file of which nothing is taken in, with why and what would be right."""

    file: str
    because: str


@dataclass(frozen=True, slots=True)
class WorkspaceProposal:
    """All that is proposed for several files together."""

    sources: tuple[Proposed, ...]
    types: tuple[NewType, ...]
    labels: tuple[LabelProposal, ...]
    region: tuple[str, str] | None
    doubts: tuple[str, ...] = ()
