"""What an erasure asks of the house: whose the identifiers are, and of each store that it lets go of a person.

`consent` owns the workflow and knows no table of another package. Each package implements `Erasable` for its own tables
and stores, identity the `Closure`; the composition root hands them in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from consent.residue.model import Place, ScanReport
from consent.residue.needles import Needles
from infra.ids import ProfileId, RecordKey, Sid, Token
from infra.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which a browser that several people use was this person's."""

    source: str
    anonymous_id: str = field(repr=False)
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom an erasure means: all that the identity graph holds of one person, and what of it is somebody else's too.

    `tokens` are the person's alone; `shared` lead to other people too and go to review, they are not erased. Values are
    what a scan looks for; they live in memory and in the sealed file of a request that is under way.
    """

    tokens: tuple[Token, ...]
    shared: tuple[Token, ...] = ()
    record_keys: tuple[RecordKey, ...] = ()
    profile_ids: tuple[ProfileId, ...] = ()
    sids: tuple[Sid, ...] = ()
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    source_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    stretches: tuple[Stretch, ...] = field(default=(), repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that was ever given out for the person: of records and of profiles."""
        return tuple(sorted({*self.record_keys, *self.profile_ids}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What a package answers for: Delta tables, database tables, folders and files below the workspace.

    `without` names those that hold no person, each with its ground.
    """

    tables: tuple[Table, ...] = ()
    database: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)
    scanned: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one store holds of a person: rows by table or file, and why something of it stays."""

    store: str
    rows: Mapping[str, int] = field(default_factory=dict)
    stays: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a recipient was told, and whether it said that it has done it."""

    recipient: str
    notified_at: datetime
    acknowledged_at: datetime | None = None
    outcome: str = "told"


class Erasable(Protocol):
    """A package's stores, as an erasure sees them. Every act may be cut off and done again."""

    @property
    def name(self) -> str:
        """What the step is called in the book."""

    def places(self) -> Places:
        """Return what it answers for."""

    def plan(self, subject: Subject) -> Plan:
        """Return what it holds of a person, and change nothing."""

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Let go of the person, so that no reader of the newest state finds them; say how much that was."""

    def purge(self, subject: Subject) -> None:
        """Rewrite what still carries deleted rows in its files."""

    def expire(self, subject: Subject) -> None:
        """Delete the files that only older states need."""


Closure = Callable[[Sequence[Token]], Subject]
Scan = Callable[[Sequence[Place], Needles], ScanReport]
Shred = Callable[[Sequence[Sid]], int]
Notify = Callable[[Subject], Sequence[Notice]]
# Reports whether the request may go on, as long as a law or a court wants the data kept; raises where it may not.
Holds = Callable[[Subject], Sequence[str]]
# From the request, the scans before and after, notices and keys destroyed to the signed document.
Certify = Callable[["Facts"], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a certificate tells of one erasure."""

    request_id: str
    subject: Subject = field(repr=False)
    before: ScanReport
    after: ScanReport
    notices: tuple[Notice, ...]
    keys_destroyed: int
    stays: Mapping[str, str]
    started_at: datetime
    finished_at: datetime


def folder_of(state: Path, request_id: str) -> Path:
    """Return the work folder of a request; it is gone once the request is certified."""
    return state / "work" / f"erase-{request_id}"
