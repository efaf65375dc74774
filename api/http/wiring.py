"""The ports of the HTTP side filled by the packages that they belong to."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import lmdb

import consent.recall
from api.http.ports import Json, Known, Question, Statement
from consent import kept, officer, store
from consent.choices import Choice, choices
from consent.model import ALL, Link
from consent.overlay import DenyOverlay
from identity.stewardship import inbox, steward
from identity.stewardship.review import Answer, Task
from infra.clock import Clock, system_clock
from infra.errors import KindredError
from infra.ids import ProfileId, Purpose, Token
from profiles.errors import OverlayUnreadable
from profiles.serving import ProfileReader

NEVER: Final = datetime.max.replace(tzinfo=UTC)
# Moments with the tokens whose words end then, the earliest first, and the moment up to which that is all.
_Foreseen = tuple[tuple[tuple[datetime, str], ...], datetime]
NOTHING: Final[_Foreseen] = ((), NEVER)


@dataclass(frozen=True, slots=True)
class _Copy:
    """What the overlay denied at one revision; replaced whole, so that no thread ever sees two revisions mixed."""

    revision: int
    everything: frozenset[str]
    by_purpose: Mapping[str, frozenset[str]]
    # Whoever said anything, or whose word has ended since the build: their decision may be old for any purpose.
    moved: frozenset[str] = frozenset()
    touched: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # When each of them was last told of, by whose clock ever that is.
    latest: Mapping[str, datetime] = field(default_factory=dict)
    # What was foreseen, and the first end in it that is still to come.
    foreseen: _Foreseen = NOTHING
    until: datetime = NEVER
    # Nobody has looked ahead so far: what ends now is not known.
    blind: bool = False


class Denied:
    """The deny overlay as sets in memory, read anew whenever any process has written it.

    Asking the overlay itself costs two look-ups an identifier; asking whether it has changed costs one for all.
    """

    def __init__(self, overlay: DenyOverlay, clock: Clock = system_clock) -> None:
        self._overlay, self._clock = overlay, clock
        self._foreseen = NOTHING
        self._copy = _Copy(-1, frozenset(), {})

    def denied_any(self, tokens: Iterable[str], purpose: str) -> bool:
        """Say whether any of a person's identifiers is denied the purpose."""
        copy = self._current()
        refused = copy.by_purpose.get(purpose, copy.everything)
        return bool(refused) and not refused.isdisjoint(tokens)

    def touched(self, tokens: Iterable[str], purpose: str) -> bool:
        """Say whether anything was said or has ended under any of a person's identifiers since the build."""
        copy = self._current()
        told = copy.touched.get(purpose, copy.moved)
        return copy.blind or (bool(told) and not told.isdisjoint(tokens))

    def standing(self, tokens: Collection[str], purpose: str) -> tuple[int, frozenset[str], datetime | None]:
        """Return at which revision which of the tokens are denied the purpose, and when any of them was last told of.

        Another machine's clock may run ahead: what it wrote down has happened all the same.
        """
        copy = self._current()
        refused = copy.by_purpose.get(purpose, copy.everything).intersection(tokens)
        told = [copy.latest[token] for token in tokens if token in copy.latest]
        return copy.revision, refused, max(told, default=None)

    def foresee(self, ahead: Iterable[tuple[datetime, str]], through: datetime) -> None:
        """Have tokens count as touched from a moment on, and from `through` on all, in place of what was foreseen."""
        self._foreseen = (tuple(sorted(ahead)), through)

    def _current(self) -> "_Copy":
        try:
            # The number is read first: a write that comes between is then read once more, never missed.
            revision, copy = self._overlay.entries.revision(), self._copy
            if revision != copy.revision or copy.foreseen is not self._foreseen or self._clock() >= copy.until:
                copy = self._copy = self._read(revision)
        except lmdb.Error as error:
            raise OverlayUnreadable from error
        return copy

    def _read(self, revision: int) -> "_Copy":
        foreseen, now, told = self._foreseen, self._clock(), self._overlay.told()
        ahead, through = foreseen
        pairs = {(token, purpose) for token, purpose, _ in told.denied}
        everything = frozenset(token for token, purpose in pairs if purpose == ALL)
        by_purpose = {
            purpose: everything | {token for token, p in pairs if p == purpose} for purpose in {p for _, p in pairs}
        }
        ended = {token for moment, token in ahead if moment <= now}
        moved = everything | ended | {token for token, _ in told.moved}
        latest: dict[str, datetime] = {}
        for token, at in (*((token, at) for token, _, at in told.denied), *told.moved):
            latest[token] = max(at, latest.get(token, at))
        return _Copy(
            revision,
            everything,
            by_purpose,
            moved,
            {purpose: moved | tokens for purpose, tokens in by_purpose.items()},
            latest,
            foreseen,
            next((moment for moment, _ in ahead if now < moment < through), through if now < through else NEVER),
            now >= through,
        )


def recall(desk: officer.Desk, built: Callable[[], datetime | None]) -> int:
    """Deny again what the ledger refused since the served build, and return how many words that were.

    Only an overlay that nobody has ever written needs it: a new workspace's, or one whose files were lost. The
    ledger is what readers obey; the overlay is its fastest copy.
    """
    if desk.overlay.entries.revision() > 0:
        return 0
    try:
        since = built()
    except KindredError:
        since = None  # a generation that cannot be opened does not say what it has seen
    return consent.recall.recall(desk.database, desk.overlay, desk.policy, since)


def keep_away(root: Path, desk: officer.Desk) -> int:
    """Deny whom the second copy of those kept out tells of and the database does not; return how many tokens that were.

    A backup was restored over both what is served and what it was known by. They are denied before anybody is
    answered; the list is left as it is, for the next run knows by it whom to look for in the lake, and to erase again.
    """
    found = kept.forgotten(root, desk.database)
    for cause, tokens in found.items():
        gone = [token for _, token in tokens]
        desk.overlay.restrict(gone, [ALL], at=cause.at, sequence=store.last_sequence(desk.database))
    return sum(map(len, found.values()))


@dataclass(frozen=True, slots=True)
class ReviewDesk:
    """`Stewards` at the desk where their words are taken down."""

    desk: steward.Desk

    def waiting(self, at: datetime, *, kind: str | None = None, limit: int | None = None) -> list[Task]:
        """Return the questions that nobody has answered, the most urgent first."""
        return inbox.waiting(self.desk.engine, at, kind=kind, limit=limit)

    def counts(self, at: datetime) -> dict[str, int]:
        """Return how many questions of each kind wait."""
        return inbox.counts(self.desk.engine, at)

    def task(self, task_id: str) -> Task:
        """Return one question."""
        return inbox.task(self.desk.engine, task_id)

    def decide(
        self, task: Task, answer: Answer, *, actor: str, reason: str, until: datetime | None, at: datetime
    ) -> int:
        """Keep an answer and return how many constraints it made."""
        return len(steward.decide(self.desk, task, answer, steward.Wish(actor, reason, at, until)))


@dataclass(frozen=True, slots=True)
class Ledger:
    """`Consents` at the officer's desk; whose identifiers belong together is asked of the served profiles."""

    desk: officer.Desk
    profiles: ProfileReader

    def purposes(self) -> tuple[Purpose, ...]:
        """Return the purposes of the policy, in its order."""
        return tuple(self.desk.policy.purposes)

    def record(self, statement: Statement) -> Json:
        """Append a statement, deny at once what it denies, and return the receipt."""
        said = officer.Statement(
            kind=statement.identifier.type,
            token=statement.identifier.token,
            purpose=statement.purpose,
            action=statement.action,
            occurred_at=statement.occurred_at,
            received_at=statement.received_at,
            mechanism=statement.mechanism,
            channel=statement.channel,
            jurisdiction=statement.jurisdiction,
            notice=statement.notice,
            expires_at=statement.expires_at,
            request_id=statement.request_id,
        )
        return officer.record(self.desk, said)

    def show(self, identifier: Known) -> list[Json]:
        """Return what the ledger holds under an identifier, the oldest first."""
        return list(officer.show(self.desk, [identifier.token]))

    def decide(self, question: Question) -> Json:
        """Return the decision about the person behind an identifier; somebody unknown is their identifier alone."""
        profile_id = self.profiles.find(question.identifier.token)
        holders = self._holders(profile_id) or {question.identifier.token: "own"}
        inquiry = officer.Inquiry(
            purpose=question.purpose,
            at=question.at,
            actor=question.actor,
            channel=question.channel,
            contact=question.identifier.token,
            profile_id=profile_id,
        )
        kept = () if profile_id is None else self.profiles.borrowed(profile_id)
        return officer.decide_for(self.desk, holders, inquiry, kept).facts()

    def state(self, profile_id: ProfileId, *, at: datetime) -> list[Json]:
        """Return for each purpose whether the person may be used for it, and why."""
        holders = self._holders(profile_id)
        if not holders:
            return []
        kept = self.profiles.borrowed(profile_id)
        return [officer.decision_facts(d) for d in officer.state(self.desk, holders, at=at, borrowed=kept)]

    def heard(self, profile_id: ProfileId, *, at: datetime) -> list[Json]:
        """Return every word under the person's identifiers that was known at a moment, the oldest first."""
        return [
            officer.entry_facts(entry) | {"link": link}
            for token, link in self._holders(profile_id).items()
            for entry in store.history(self.desk.database, [token])
            if entry.received_at <= at
        ]

    def choices(self, token: Token, *, at: datetime) -> tuple[Choice, ...]:
        """Return what whoever holds an identifier may choose, by all that is said under their profile's."""
        profile_id = self.profiles.find(token)
        kept = () if profile_id is None else self.profiles.borrowed(profile_id)
        return choices(self.desk, token, self._holders(profile_id), at=at, borrowed=kept)

    def said(self, token: Token) -> list[Json]:
        """Return what the ledger holds under an identifier's token, the oldest first."""
        return list(officer.show(self.desk, [token]))

    def _holders(self, profile_id: ProfileId | None) -> dict[Token, Link]:
        header = None if profile_id is None else self.profiles.header(profile_id)
        return {} if header is None else dict(header.tokens)
