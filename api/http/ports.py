"""What the HTTP side needs of the rest of the house, as small protocols; the composition root fills them in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from consent.choices import Choice
from consent.model import Link
from identity.stewardship.review import Answer, Task
from infra.ids import ProfileId, Purpose, Token
from ingestion.health import Health, Runs

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """An identifier in its one spelling, with the token that stands for it."""

    type: str
    value: str = field(repr=False)
    token: Token


class Profiles(Protocol):
    """Profiles as they were published, under the denials that came after."""

    def moment(self) -> "Profiles":
        """Return all of them as they are at this moment, for one answer made of several reads."""

    def read(self, token: Token, purpose: Purpose) -> tuple[ProfileId, bytes, bytes] | None:
        """Return whom an identifier leads to, with the ETag and the answer of the same moment."""

    def find(self, token: Token, purpose: Purpose | None = None) -> ProfileId | None:
        """Return the profile that an identifier belongs to, as closely as the purpose demands where one is named."""

    def search(self, words: str, purpose: Purpose, limit: int) -> list[ProfileId]:
        """Return people whose names begin with each of the words, as far as the purpose may see names."""

    def successors(self, profile_id: ProfileId) -> tuple[ProfileId, ...]:
        """Return who answers for an id that was given up: one after a merge, several after a split."""

    def tagged(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes] | None:
        """Return ETag and answer of a read with later denials applied, or None: unknown, erased and denied alike."""

    def view(self, profile_id: ProfileId, purpose: Purpose) -> bytes | None:
        """Return the answer alone."""

    def usable(self, profile_id: ProfileId, purpose: Purpose) -> frozenset[str] | None:
        """Return the records that the purpose may use now, or None where `view` would say None."""

    def remasked(self, body: bytes, purpose: Purpose) -> bytes:
        """Return an answer of another time without what the purpose's masks of now take out."""

    def timeline(self, profile_id: ProfileId, purpose: Purpose) -> list[Json] | None:
        """Return what happened, the newest first, or None where `view` would say None."""

    def graph(self, profile_id: ProfileId, purpose: Purpose) -> Json | None:
        """Return records, edges and constraints of the profile, or None where `view` would say None."""

    def links(self, profile_id: ProfileId) -> Mapping[Token, Link]:
        """Return the tokens that a profile is made of, each with how surely it is theirs; empty where unknown."""

    def generation(self) -> str | None:
        """Name the published generation that is being read, or None before the first."""

    def counted(self) -> datetime | None:
        """Return when what is served was last worked out as a whole, or None where nobody can tell."""

    def find_all(self, tokens: Sequence[Token], purpose: Purpose) -> list[ProfileId | None]:
        """Return what `find` says of each token."""

    def tagged_all(self, ids: Sequence[ProfileId], purpose: Purpose) -> list[tuple[bytes, bytes] | None]:
        """Return what `tagged` says of each id."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody said about one purpose under one identifier."""

    identifier: Known
    purpose: Purpose
    action: str
    mechanism: str
    occurred_at: datetime
    received_at: datetime
    actor: str
    jurisdiction: str | None = None
    channel: str | None = None
    notice: str | None = None
    expires_at: datetime | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Whether the person behind an identifier may be used for a purpose, and who asks."""

    identifier: Known
    purpose: Purpose
    at: datetime
    actor: str
    channel: str | None = None


class Consents(Protocol):
    """The ledger and its rule, as far as HTTP asks them."""

    def purposes(self) -> tuple[Purpose, ...]:
        """Return the purposes of the policy, in its order."""

    def record(self, statement: Statement) -> Json:
        """Append a statement, deny at once what it denies, and return the receipt."""

    def show(self, identifier: Known) -> list[Json]:
        """Return what the ledger holds under an identifier, the oldest first."""

    def decide(self, question: Question) -> Json:
        """Return the decision about one identifier's person, with its reasons, once it is logged."""

    def state(self, profile_id: ProfileId, *, at: datetime) -> list[Json]:
        """Return for each purpose whether the person may be used for it, and why."""

    def heard(self, profile_id: ProfileId, *, at: datetime) -> list[Json]:
        """Return every word under the person's identifiers that was known at a moment, the oldest first."""

    def choices(self, token: Token, *, at: datetime) -> tuple[Choice, ...]:
        """Return what whoever holds an identifier may choose, in the policy's order."""

    def said(self, token: Token) -> list[Json]:
        """Return what the ledger holds under an identifier's token, the oldest first."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a program heard of one visit: of whom, and the signals as they came."""

    identifiers: tuple[Known, ...]
    gpc: bool
    at: datetime
    received_at: datetime
    tcf: str | None = field(default=None, repr=False)
    gpp: str | None = field(default=None, repr=False)
    categories: Mapping[str, bool] = field(default_factory=dict)
    jurisdiction: str | None = None


@dataclass(frozen=True, slots=True)
class OptIn:
    """A yes that somebody typed and nobody has confirmed yet."""

    identifier: Known
    purpose: Purpose
    at: datetime
    actor: str
    channel: str | None = None
    jurisdiction: str | None = None
    notice: str | None = None


class Signalling(Protocol):
    """Signals of consent, and yeses confirmed by mail."""

    def support(self) -> Json:
        """Return what `/.well-known/gpc.json` says."""

    def signal(self, heard: Heard) -> Json:
        """Keep what is new of a visit's signals and obey it; return the entries and how much was no news."""

    def request(self, wish: OptIn) -> Json:
        """Return a signed slip for the mail, and when it runs out."""

    def confirm(self, slip: str, at: datetime) -> Json:
        """Record the yes of a slip once and return its receipt; raise `Missing` for all other slips alike."""


class Notary(Protocol):
    """The sealed ledger, as far as HTTP asks it: who holds its public key can check every answer."""

    def public_key(self) -> str:
        """Return the public half of the key that signs, as text."""

    def heads(self, *, before: int | None, limit: int) -> list[Json]:
        """Return signed heads, the newest first."""

    def receipt(self, entry: str) -> Json:
        """Return the receipt of an entry; raise `UnknownEntry` or `NotSealed`."""

    def receipts(self, identifier: Known) -> list[Json]:
        """Return the receipts of what was said under an identifier."""

    def consistency(self, first: int, second: int | None) -> Json:
        """Return the proof that the ledger of an earlier head is the beginning of a later one."""


class Stewards(Protocol):
    """The review queue and the desk where its answers are taken down."""

    def waiting(self, at: datetime, *, kind: str | None = None, limit: int | None = None) -> list[Task]:
        """Return the questions that nobody has answered, the most urgent first."""

    def counts(self, at: datetime) -> dict[str, int]:
        """Return how many questions of each kind wait."""

    def task(self, task_id: str) -> Task:
        """Return one question; raise `UnknownTask` where there is none."""

    def decide(
        self, task: Task, answer: Answer, *, actor: str, reason: str, until: datetime | None, at: datetime
    ) -> int:
        """Keep an answer and return how many constraints it made; raise `Contradiction` where it may not be."""


class Verdicts(Protocol):
    """What became of rows and events."""

    def of(self, key: str) -> list[dict[str, Any]]:
        """Return every verdict on a message id or `source:key`; raise `Missing` for what never came."""


class Tended(Protocol):
    """How the sources are."""

    def health(self, at: datetime) -> Health:
        """Return how the declared sources are at a moment."""

    def runs(self) -> Runs:
        """Return how the runs go that take them in: a question that may be asked each second."""


class Decider(Protocol):
    """The choice of what to do next for a person."""

    def decide(self, request: Json, *, at: datetime) -> Json:
        """Return the decision event: candidates, choice, propensity, reasons."""
