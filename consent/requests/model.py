"""The nouns of privacy requests, and which step may follow which, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, get_args

from infra.ids import Token

Right = Literal["access", "portability", "rectification", "restriction", "objection", "erasure"]
Status = Literal[
    "received",
    "verifying",
    "accepted",
    "refused",
    "frozen",
    "planned",
    "deleting",
    "purging",
    "expiring",
    "notifying",
    "shredding",
    "verifying_residue",
    "certified",
    "certified_with_exceptions",
    "closed",
    "cancelled",
    "extended",
    "waiting_subject",
    "failed",
]
Asker = Literal["subject", "agent", "guardian"]

RIGHTS: Final[tuple[Right, ...]] = get_args(Right)
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
ASKERS: Final[tuple[Asker, ...]] = get_args(Asker)
ENDS: Final[frozenset[Status]] = frozenset({"closed", "refused", "cancelled"})
# Notes on the way, from which a request goes on where it stood.
ASIDE: Final[frozenset[Status]] = frozenset({"waiting_subject", "failed"})
# From here on nobody can take an erasure back: every reader denies, and data may be gone.
FROZEN: Final[tuple[Status, ...]] = (
    "frozen",
    "planned",
    "deleting",
    "purging",
    "expiring",
    "notifying",
    "shredding",
    "verifying_residue",
    "certified",
    "certified_with_exceptions",
)

Steps = Mapping[Status, frozenset[Status]]


def _steps(**following: str) -> dict[Status, frozenset[Status]]:
    known = {status: status for status in STATUSES}
    return {known[name]: frozenset(known[one] for one in names.split()) for name, names in following.items()}  # type: ignore[index]


_INTAKE: Final = _steps(
    received="verifying refused cancelled",
    verifying="accepted waiting_subject refused cancelled",
    refused="",
    cancelled="",
    closed="",
)
_ANSWERED: Final[Steps] = _INTAKE | _steps(
    accepted="planned waiting_subject refused cancelled",
    planned="notifying failed refused cancelled",
    notifying="closed failed",
)
STEPS: Final[Mapping[Right, Steps]] = {
    **dict.fromkeys(("access", "portability", "rectification", "restriction", "objection"), _ANSWERED),
    "erasure": _INTAKE
    | _steps(
        accepted="frozen waiting_subject refused cancelled",
        frozen="planned failed",
        # Where nobody is held there is nothing to delete; the freeze stays.
        planned="deleting closed failed",
        deleting="purging failed",
        purging="expiring failed",
        expiring="notifying failed",
        notifying="shredding failed",
        shredding="verifying_residue failed",
        # Where something was left it is deleted again; nothing is certified that was not found clean.
        verifying_residue="certified certified_with_exceptions deleting failed",
        certified="closed",
        certified_with_exceptions="closed",
    ),
}


def following(right: Right, status: Status, resumes: Status | None = None) -> frozenset[Status]:
    """Return the steps that may follow; from a note on the way a request goes on where it stood, or ends."""
    if status not in ASIDE:
        return STEPS[right].get(status, frozenset())
    if resumes is None:
        return frozenset()
    return frozenset({resumes}) | (STEPS[right][resumes] & {"refused", "cancelled"})


def opendsr(right: Right, status: Status) -> str:
    """Return the status by the words of OpenDSR 2.0, which knows neither failure nor refusal.

    What a person reads is complete when it can be fetched; what is done to data when it is done.
    """
    if status == "cancelled":
        return "cancelled"
    if status in {"refused", "closed", "certified", "certified_with_exceptions"}:
        return "completed"
    if status == "notifying" and right != "erasure":
        return "completed"
    return "pending" if status in {"received", "verifying", "accepted", "waiting_subject"} else "in_progress"


def segment(status: Status, ground: str | None = None) -> str:
    """Return the status by the words of Segment's regulations."""
    if status == "refused":
        return "NOT_SUPPORTED" if ground == "claim_not_covered" else "INVALID"
    if status == "certified_with_exceptions":
        return "PARTIAL_SUCCESS"
    told = {"cancelled": "INVALID", "closed": "FINISHED", "certified": "FINISHED", "failed": "FAILED"}
    early = {"received", "verifying", "accepted", "waiting_subject"}
    return told.get(status, "INITIALIZED" if status in early else "RUNNING")


class Claimed(NamedTuple):
    """An identifier that somebody says is theirs: its type, its token, and its value for as long as it is needed."""

    kind: str
    token: Token
    value: str

    def __repr__(self) -> str:
        return f"Claimed({self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for. `details` holds what the right needs and no person's data: purposes, modes.

    `sealed` may hold personal data (corrections, a mandate): nobody reads it without the request's key.
    `vouched` names who verified the person before the request came to us, such as an OpenDSR controller.
    """

    right: Right
    identifiers: tuple[Claimed, ...] = field(repr=False)
    received_at: datetime
    actor: str
    channel: str = "officer"
    regulation: str | None = None
    jurisdiction: str | None = None
    asked_by: Asker = "subject"
    external_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    sealed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    vouched: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it stands: no value and no token of a person, only the kinds of their identifiers."""

    id: str
    right: Right
    status: Status
    resumes: Status | None
    regulation: str
    jurisdiction: str | None
    channel: str
    asked_by: Asker
    opened_by: str
    approved_by: str | None
    external_id: str | None
    received_at: datetime
    opened_at: datetime
    due_at: datetime
    confirm_by: datetime | None
    extended_at: datetime | None
    verified_at: datetime | None
    ended_at: datetime | None
    ground: str | None
    kinds: tuple[str, ...]
    details: Mapping[str, Any]

    @property
    def open(self) -> bool:
        """Whether somebody still waits for an answer."""
        return self.status not in ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a request, written before what it announces is done."""

    request_id: str
    sequence: int
    step: str
    store: str | None
    status: Status
    at: datetime
    actor: str
    facts: Mapping[str, Any]
