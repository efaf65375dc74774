"""What an officer, a preference centre or a program does with consent: record a word, look it up, ask for a decision.

No Spark here: the command line and the HTTP processes call these functions.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from consent import store
from consent.borrowed import with_borrowed
from consent.config import known_purposes, load_policy
from consent.decide import decide, denied_at_once
from consent.errors import NotSealed, UnknownIdentifier, UnknownPurpose, UnknownWord
from consent.ledger.group import Grouped
from consent.ledger.receipt import promise, receipt
from consent.model import ACTIONS, AGE_BANDS, GIVEN, MECHANISMS, ConsentEntry, Decision, Holder, Link, Policy, Question
from consent.overlay import Denial, DenyOverlay, Moved
from infra.identifiers import IdentifierType, load_identifier_types, normalise, token
from infra.ids import Purpose, Sid, Token, content_digest
from infra.settings import secret
from infra.signing import VARIABLE, Signer
from infra.workspace import Workspace

# What stays in the ledger: the mark of a person, and the proof of what they said.
_UNTOLD: Final = ("sid", "evidence")


Borrowed = Sequence[tuple[Sid, datetime]]


def sealing_key(workspace: Workspace) -> Signer | None:
    """Return what seals a workspace's ledger, or None where it has no key: then its entries wait unsealed."""
    return workspace.signer() if secret(workspace.environ, VARIABLE) else None


def _minted() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Desk:
    """What an officer works with; `mint` draws ids that nobody can guess."""

    database: Engine
    overlay: DenyOverlay
    policy: Policy
    kinds: Mapping[str, IdentifierType]
    region: str
    key: bytes = field(repr=False)
    mint: Callable[[], str] = _minted
    signer: Signer | None = None
    grouped: Grouped | None = None

    @classmethod
    def open(cls, workspace: Workspace, database: Engine) -> "Desk":
        """Return the desk of a workspace."""
        return cls(
            database=database,
            overlay=DenyOverlay.open(workspace.serving_path),
            policy=load_policy(workspace),
            kinds=load_identifier_types(workspace),
            region=workspace.settings.region,
            key=workspace.token_key(),
            signer=sealing_key(workspace),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A word as it is handed in; `request_id` makes a repeated request one entry."""

    kind: str
    token: Token
    purpose: str
    action: str
    occurred_at: datetime
    received_at: datetime
    mechanism: str = "operator"
    asserted_by: str = "subject"
    channel: str | None = None
    recipient: str | None = None
    jurisdiction: str | None = None
    notice: str | None = None
    language: str | None = None
    age_band: str | None = None
    expires_at: datetime | None = None
    supersedes: str | None = None
    evidence: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """A question as an officer or a program puts it; who asks is written down with the answer."""

    purpose: str
    at: datetime
    actor: str
    channel: str | None = None
    recipient: str | None = None
    jurisdictions: tuple[str, ...] = ()
    contact: Token | None = None
    age_band: str | None = None
    profile_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision under the id it was logged with, and the entries it rests on."""

    id: str
    decision: Decision
    evidence: tuple[ConsentEntry, ...]

    def facts(self, *, coarse: bool = False) -> dict[str, Any]:
        """Return the answer as data; the coarse form tells no more than any reader of the purpose may know."""
        told: dict[str, Any] = {"id": self.id, "purpose": self.decision.purpose, "allowed": self.decision.allowed}
        told["because"] = self.decision.because
        if coarse:
            return told
        return told | decision_facts(self.decision) | {"evidence": [entry_facts(entry) for entry in self.evidence]}


def token_of(desk: Desk, kind: str, value: str) -> Token:
    """Return the token of an identifier as somebody types it; the value itself goes no further."""
    if kind not in desk.kinds:
        raise UnknownIdentifier(kind, "unknown type", f"declared in identity.yaml: {', '.join(desk.kinds)}")
    normalised = normalise(desk.kinds[kind].normaliser, value, desk.region)
    if normalised is None:
        raise UnknownIdentifier(kind, "not a valid value", f"give one that reads as {desk.kinds[kind].normaliser}")
    return token(desk.key, kind, normalised)


def record(desk: Desk, statement: Statement) -> dict[str, Any]:
    """Add a word to the ledger and return its receipt, with our signed promise that it will be sealed as it stands.

    When this returns the word is durable, and what it denies is denied to every reader of the serving store. Without
    a key to sign with there is no promise: no word waits for one, least of all a refusal.
    """
    entry = _entry(desk, statement)
    if not _append(desk, store.Said(statement.token, entry)):
        # Asked again: the receipt tells of the entry that stands in the ledger, and when that was heard.
        before = store.history(desk.database, [statement.token])
        entry = next((one for one in before if one.id == entry.id), entry)
    denied = denied_at_once(entry, desk.policy)
    sequence = store.sequence_of(desk.database, entry.id)
    denials = [Denial(statement.token, denied, entry.received_at, sequence)] if denied else []
    desk.overlay.restrict_all([*denials, Moved(statement.token, entry.received_at, sequence)])
    promised = None if desk.signer is None else promise(desk.database, entry.id, desk.signer, entry.received_at)
    facts = {"denied_at_once": list(denied), "policy_version": desk.policy.version, "promise": promised}
    return entry_facts(entry) | facts


def entry_id(desk: Desk, said: Statement) -> str:
    """Return the id that a statement's entry gets: of a repeated request the same again."""
    return content_digest(["request", said.request_id, said.token]) if said.request_id else desk.mint()


def _append(desk: Desk, said: store.Said) -> bool:
    """Put a word on disk and say whether it is new; a server's desk writes it together with others' words."""
    if desk.grouped is not None:
        return desk.grouped.append(said)
    return store.append(desk.database, [said], lambda _: Sid(desk.mint())) == 1


def _entry(desk: Desk, said: Statement) -> ConsentEntry:
    _check(desk, said)
    notice, _, version = (said.notice or "").partition("@")
    shown = next((one for one in desk.policy.notices if one.name == said.notice), None)
    # A text that is there in one language only is the one that was shown.
    language = said.language or (next(iter(shown.sha256)) if shown and len(shown.sha256) == 1 else None)
    return ConsentEntry(
        id=entry_id(desk, said),
        sid=Sid(""),
        identifier_kind=said.kind,
        purpose=Purpose(said.purpose),
        action=said.action,
        mechanism=said.mechanism,
        occurred_at=said.occurred_at,
        received_at=said.received_at,
        controller=desk.policy.controller,
        channel=said.channel,
        recipient=said.recipient,
        jurisdiction=said.jurisdiction,
        notice_id=notice or None,
        notice_version=version or None,
        notice_hash=shown.sha256.get(language) if shown and language else None,
        notice_language=language,
        asserted_by=said.asserted_by,
        age_band=said.age_band,
        expires_at=said.expires_at,
        supersedes=said.supersedes,
        evidence=said.evidence,
    )


def _check(desk: Desk, said: Statement) -> None:
    known = known_purposes(desk.policy)
    if said.purpose not in known:
        raise UnknownPurpose(known)
    if said.action not in ACTIONS:
        raise UnknownWord("action", ACTIONS)
    if said.mechanism not in MECHANISMS:
        raise UnknownWord("mechanism", MECHANISMS)
    # A no is taken whatever notice it names.
    if said.action == GIVEN:
        _check_notice(desk, said)
    if said.age_band is not None and said.age_band not in AGE_BANDS:
        raise UnknownWord("age band", AGE_BANDS)


def _check_notice(desk: Desk, said: Statement) -> None:
    declared = {one.name: one for one in desk.policy.notices if one.id == (said.notice or "").partition("@")[0]}
    if not declared:
        return
    if said.notice not in declared:
        raise UnknownWord("version of the notice", declared)
    texts = declared[said.notice].sha256
    if said.language is not None and said.language not in texts:
        raise UnknownWord("language of the notice", texts)


def receipts(desk: Desk, tokens: list[Token]) -> list[dict[str, Any]]:
    """Return the receipts of what was said under the tokens, the oldest first; what awaits its seal has none yet."""
    signer = signing(desk)
    found = []
    for entry in store.history(desk.database, tokens):
        with suppress(NotSealed):
            found.append(receipt(desk.database, entry.id, desk.policy, signer))
    return found


def signing(desk: Desk) -> Signer:
    """Return what signs receipts; raise `Unavailable` where the workspace has no key for it."""
    return desk.signer or Signer.from_environment({})


def show(desk: Desk, tokens: list[Token]) -> list[dict[str, Any]]:
    """Return what was said under the tokens, the oldest first; of an unknown token nothing was said."""
    return [entry_facts(entry) for entry in store.history(desk.database, tokens)]


def decide_for(desk: Desk, holders: Mapping[Token, Link], inquiry: Inquiry, borrowed: Borrowed = ()) -> Answer:
    """Return the decision about a person whose tokens and links the caller knows; it is logged before it returns.

    `borrowed` are the sids whose refusals the person keeps of somebody else, each up to a moment.
    The ledger itself is read, so a word counts from the moment it was recorded.
    """
    question = _question(desk, holders, inquiry, borrowed)
    decision = decide(question, desk.policy)
    identifier = desk.mint()
    store.log_decision(
        desk.database, identifier, decision, at=inquiry.at, actor=inquiry.actor, profile_id=inquiry.profile_id
    )
    rests_on = set(decision.entries)
    return Answer(identifier, decision, tuple(entry for entry in question.entries if entry.id in rests_on))


def state(
    desk: Desk,
    holders: Mapping[Token, Link],
    *,
    at: datetime,
    jurisdictions: tuple[str, ...] = (),
    borrowed: Borrowed = (),
    contact: Token | None = None,
) -> tuple[Decision, ...]:
    """Return what each purpose may do with a person, in the policy's order; a look that is not logged."""
    inquiry = Inquiry(purpose="", at=at, actor="", jurisdictions=jurisdictions, contact=contact)
    question = _question(desk, holders, inquiry, borrowed)
    return tuple(decide(replace(question, purpose=purpose), desk.policy) for purpose in desk.policy.purposes)


def _question(desk: Desk, holders: Mapping[Token, Link], inquiry: Inquiry, borrowed: Borrowed) -> Question:
    known = store.sids(desk.database, holders)
    asked = Question(
        purpose=Purpose(inquiry.purpose),
        as_of=inquiry.at,
        # A token of which nothing was ever said has no sid; it stands for itself.
        holders=tuple(Holder(known.get(held, Sid(held)), link) for held, link in holders.items()),
        entries=store.history(desk.database, holders),
        contact=None if inquiry.contact is None else known.get(inquiry.contact, Sid(inquiry.contact)),
        channel=inquiry.channel,
        recipient=inquiry.recipient,
        jurisdictions=inquiry.jurisdictions,
        age_band=inquiry.age_band,
    )
    if not borrowed:
        return asked
    return with_borrowed(asked, borrowed, store.words_of(desk.database, [sid for sid, _ in borrowed]))


def entry_facts(entry: ConsentEntry) -> dict[str, Any]:
    """Return a ledger entry as data, without the person's mark and the evidence."""
    told = {f.name: getattr(entry, f.name) for f in fields(entry) if f.name not in _UNTOLD}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}


def decision_facts(decision: Decision) -> dict[str, Any]:
    """Return a decision as data, with its fine reason."""
    told = {f.name: getattr(decision, f.name) for f in fields(decision)}
    told = {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}
    return told | {"because": decision.because}
