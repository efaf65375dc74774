"""The ports of the HTTP side filled by the packages that they belong to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import lmdb

from api.http.ports import Json, Known, Question, Statement
from consent import officer
from consent.model import ALL, Link
from consent.overlay import DenyOverlay
from infra.ids import ProfileId, Purpose, Token
from profiles.errors import OverlayUnreadable
from profiles.serving import ProfileReader


class Denied:
    """The deny overlay as sets in memory, read anew whenever any process has written it.

    Asking the overlay itself costs two look-ups an identifier; asking whether it has changed costs one for all.
    """

    def __init__(self, overlay: DenyOverlay) -> None:
        self._overlay = overlay
        self._revision = -1
        self._everything: frozenset[str] = frozenset()
        self._by_purpose: dict[str, frozenset[str]] = {}

    def denied_any(self, tokens: Iterable[str], purpose: str) -> bool:
        """Say whether any of a person's identifiers is denied the purpose."""
        try:
            # The number is read first: a write that comes between is then read once more, never missed.
            revision = self._overlay.entries.revision()
            if revision != self._revision:
                self._read()
                self._revision = revision
        except lmdb.Error as error:
            raise OverlayUnreadable from error
        refused = self._by_purpose.get(purpose, self._everything)
        return bool(refused) and not refused.isdisjoint(tokens)

    def _read(self) -> None:
        pairs = self._overlay.denials()
        everything = frozenset(token for token, purpose in pairs if purpose == ALL)
        self._by_purpose = {
            purpose: everything | {token for token, p in pairs if p == purpose} for purpose in {p for _, p in pairs}
        }
        self._everything = everything


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
        return officer.decide_for(self.desk, holders, inquiry).facts()

    def state(self, profile_id: ProfileId, *, at: datetime) -> list[Json]:
        """Return for each purpose whether the person may be used for it, and why."""
        holders = self._holders(profile_id)
        return [officer.decision_facts(d) for d in officer.state(self.desk, holders, at=at)] if holders else []

    def _holders(self, profile_id: ProfileId | None) -> dict[Token, Link]:
        header = None if profile_id is None else self.profiles.header(profile_id)
        return {} if header is None else dict(header.tokens)
