"""The nouns of identity: evidence between records, constraints, clusters and their names."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from infra.ids import ProfileId, RecordKey, Token

MICRO = 1_000_000
"""Micro-bits in a bit: a weight is rounded once to whole micro-bits, so that sums are exact and ties are real."""

ConstraintKind = Literal["must_link", "cannot_link"]
EdgeState = Literal["kept", "suppressed"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of a weight: what was compared, how it came out, and how many micro-bits that is worth."""

    comparison: str
    level: str
    weight_micro: int


ALWAYS = (-62_135_596_800, 253_402_300_799)
"""Where it is not known when a record carried a value, it may have been at any time: all whole seconds of the calendar."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A value of an identifier type, by its token, and when a record carried it: whole seconds since 1970, ends included."""

    type: str
    token: Token
    first: int = ALWAYS[0]
    last: int = ALWAYS[1]


@dataclass(frozen=True, slots=True)
class Node:
    """A record as clustering sees it: how it ranks, what it may limit, whether it describes anybody.

    A `bare` record carries identifiers only (a card at a till, a login): it follows persons and makes none one.
    """

    record_key: RecordKey
    known: bool = True
    bare: bool = False
    limited: frozenset[Seen] = frozenset()


@dataclass(frozen=True, slots=True)
class Edge:
    """Evidence between two records, smaller key first.

    `weight_micro` says how much better "one person" explains the pair than "two"; `conflict_micro` is the part
    of it that compares the persons alone, against two members of one household: below zero it speaks against.
    """

    left: RecordKey
    right: RecordKey
    weight_micro: int
    conflict_micro: int = 0


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a steward decided about two records, by whom, why, and until when."""

    kind: ConstraintKind
    left: RecordKey
    right: RecordKey
    actor: str = ""
    reason: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None

    def stands(self, at: datetime) -> bool:
        """Whether it still counts at that moment."""
        return self.expires_at is None or self.expires_at > at


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an edge: `kept` inside a cluster, or `suppressed` by the first rule that spoke against it."""

    left: RecordKey
    right: RecordKey
    state: EdgeState
    why: str


@dataclass(frozen=True, slots=True)
class Clustering:
    """The outcome for one component: each record's cluster (named by its smallest key) and each edge's verdict."""

    cluster_of: dict[RecordKey, RecordKey]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """A record's rank for life; the smallest is a cluster's anchor: known, then arrival, then source, then key."""

    anonymous: bool
    arrival: int
    source: str
    record_key: RecordKey


@dataclass(frozen=True, slots=True)
class Bequest:
    """A name whose record is gone, with its rank, and the record that holds it since a batch (none: empty)."""

    name: Rank
    heir: RecordKey
    batch: int


@dataclass(frozen=True, slots=True)
class Alias:
    """A profile id that once was published, and whom it means now."""

    alias_id: ProfileId
    profile_id: ProfileId
