"""A file as all rules together understand it, and what a workspace has already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.identifiers import IdentifierType
from ingestion.proposal.facts import FileFacts
from ingestion.proposal.joins import Reference
from ingestion.proposal.keys import Key
from ingestion.proposal.meanings import Meanings
from ingestion.proposal.model import Line
from ingestion.proposal.sorts import Sort


@dataclass(frozen=True, slots=True)
class Known:
    """What a workspace has already: identifier types, purposes, the values (marks) under each type, source names."""

    types: Mapping[str, IdentifierType] = field(default_factory=dict)
    purposes: tuple[str, ...] = ()
    marks: Mapping[str, Any] = field(default_factory=dict, repr=False)
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Understood:
    """A file with its key, what its columns mean, what it is, and what it points to.

    `codes` are the identifier types that hang on what other files say, each with its column.
    """

    facts: FileFacts
    key: Key
    meant: Meanings
    sort: Sort
    out: tuple[Reference, ...]
    inwards: tuple[Reference, ...]
    codes: Mapping[str, Line] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the source is called."""
        return self.facts.name
