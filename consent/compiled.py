"""The decision made fast: a policy's rows worked out once for each kind of question, then asked of many people.

`consent.decide` is the law and stays readable; a property test holds the two equal on random histories.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from consent.matrix import NO_ROW, candidates, selection, terms_of
from consent.model import (
    AGE_BANDS,
    ALL,
    AUTHENTICATED,
    BASES,
    DAYS_A_YEAR,
    DENIALS,
    ENDINGS,
    GIVEN,
    GPC,
    GRANT_LINKS,
    GUARDIAN,
    OBJECTED,
    PARTED,
    RANK,
    REASONS,
    REFUSALS,
    RESTRICTED,
    UNREFUSABLE,
    UNRESTRICTED,
    ConsentEntry,
    Decision,
    Holder,
    Link,
    MatrixRow,
    Policy,
    PurposeTerms,
    Question,
)
from infra.ids import Sid

_CERTAIN: Final = GRANT_LINKS["person"]
_REFUSALS: Final = frozenset(REFUSALS)
_LIFE: Final = frozenset({RESTRICTED, UNRESTRICTED})
_Chosen = tuple[tuple[str, tuple[int, ...]], ...]
_Key = tuple[str, str | None, str | None]
_Told = list[tuple[ConsentEntry, datetime]]
_Ends = list[tuple[str, datetime]]


class Standing:
    """What one sid's entries come to under one row; empty where nothing counts."""

    __slots__ = ("changed", "expired", "grants", "guarded", "refusals", "young")

    def __init__(self) -> None:
        self.refusals: list[tuple[int, str]] = []
        self.grants: list[str] = []
        self.young: list[str] = []
        self.changed: list[str] = []
        self.expired: list[str] = []
        self.guarded = False


_NOTHING: Final = Standing()


@dataclass(frozen=True, slots=True)
class _RowLens:
    """One row of the matrix as a question meets it: every limit spelled out."""

    names: frozenset[str]
    kin: frozenset[str]
    gpc: bool
    notices: frozenset[str]
    channel: str | None
    recipient: str | None
    life: timedelta | None
    min_age: int | None

    def standing(self, entries: list[ConsentEntry], as_of: datetime) -> Standing:
        """Return what the entries of one sid come to; words that have no bearing here are passed over early."""
        given, refused, ended, young = self._sorted(entries, as_of)
        # A grant counts where it reaches what is asked, or takes back a refusal that does.
        given = [(g, at) for g, at in given if self._covers(g) or any(_same(e, g) for e, _ in refused)]
        if not given and not refused and not young:
            return _NOTHING
        found = Standing()
        live = [(g, told) for g, told in given if self._holds(found, g, told, ended, as_of)]
        for grant, told in live:
            if self._covers(grant) and not any(r >= told and _same(e, grant) for e, r in refused):
                found.grants.append(grant.id)
                found.guarded = found.guarded or grant.asserted_by == GUARDIAN
        for refusal, told in refused:
            if not _lifted(refusal, told, live):
                found.refusals.append((RANK[GPC] if refusal.mechanism == GPC else RANK[refusal.action], refusal.id))
        if not found.guarded:
            found.young = young
        return found

    def _sorted(self, entries: list[ConsentEntry], as_of: datetime) -> tuple[_Told, _Told, _Ends, list[str]]:
        """Return what was given and refused with its moment, what ended when, and who told of being a child."""
        given: _Told = []
        refused: _Told = []
        ended: _Ends = []
        young: list[str] = []
        for entry in entries:
            action, told = entry.action, min(entry.occurred_at, entry.received_at)
            if action == GIVEN:
                given.append((entry, told))
            elif action in _REFUSALS:
                if self._bears(entry):
                    refused.append((entry, told))
            elif action in ENDINGS:
                ended.append((entry.purpose, told))
            if entry.age_band is not None and self._young(entry.age_band, told, as_of):
                young.append(entry.id)
        return given, refused, ended, young

    def _young(self, band: str, told: datetime, as_of: datetime) -> bool:
        age = AGE_BANDS.get(band)
        if age is None or self.min_age is None:
            return False
        return age + (as_of - told).days // DAYS_A_YEAR < self.min_age

    def _holds(self, found: Standing, grant: ConsentEntry, told: datetime, ended: _Ends, as_of: datetime) -> bool:
        """Say whether a grant counts, and note why one that would reach what is asked does not."""
        if self.notices and f"{grant.notice_id}@{grant.notice_version}" not in self.notices:
            if self._covers(grant):
                found.changed.append(grant.id)
            return False
        over = (
            (grant.effective_from is not None and grant.effective_from > as_of)
            or (grant.expires_at is not None and grant.expires_at <= as_of)
            or (self.life is not None and told + self.life <= as_of)
            or any(at >= told and (about in self.names or about == grant.purpose) for about, at in ended)
        )
        if over and self._covers(grant):
            found.expired.append(grant.id)
        return not over

    def _covers(self, grant: ConsentEntry) -> bool:
        return (
            grant.purpose in self.names
            and (grant.channel is None or grant.channel == self.channel)
            and (grant.recipient is None or grant.recipient == self.recipient)
        )

    def _bears(self, entry: ConsentEntry) -> bool:
        if not (
            entry.purpose in self.names
            or (entry.action == OBJECTED and entry.purpose in self.kin)
            or (self.gpc and entry.mechanism == GPC)
        ):
            return False
        if entry.channel is not None and self.channel is not None and entry.channel != self.channel:
            return False
        return entry.recipient is None or self.recipient is None or entry.recipient == self.recipient


def _same(one: ConsentEntry, other: ConsentEntry) -> bool:
    return one.purpose == other.purpose and one.channel == other.channel and one.recipient == other.recipient


def _lifted(refusal: ConsentEntry, told: datetime, live: _Told) -> bool:
    return any(
        at > told and _same(grant, refusal) and (refusal.mechanism != GPC or grant.mechanism in AUTHENTICATED)
        for grant, at in live
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """One kind of question: a purpose over a channel to a recipient."""

    terms: PurposeTerms
    chosen: _Chosen
    grants: frozenset[Link]
    lenses: Mapping[int, _RowLens]
    # Candidates by what was stated and heard, and whole answers where nobody ever said anything: few of either.
    rows: dict[tuple[tuple[str, ...], frozenset[str]], tuple[int, ...]] = field(default_factory=dict)
    silent: dict[tuple[tuple[str, ...], str | None], Decision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy that answers many questions; it remembers kinds of questions and no person."""

    policy: Policy
    _asked: dict[_Key, _Asked] = field(default_factory=dict)

    def decide(self, question: Question) -> Decision:
        """Return what `consent.decide.decide` returns."""
        key = (question.purpose, question.channel, question.recipient)
        asked = self._asked.get(key) or self._of(key)
        home = self.policy.jurisdiction
        stated = question.jurisdictions or ((home,) if home else ())
        as_of, controller = question.as_of, self.policy.controller
        known = [e for e in question.entries if e.received_at <= as_of and e.controller == controller]
        if known or question.frozen:
            return self._judged(question, asked, stated, known)
        # Without a word the answer rests on the place and the age alone.
        answer = asked.silent.get((stated, question.age_band))
        if answer is None:
            answer = asked.silent[stated, question.age_band] = self._judged(question, asked, stated, known)
        return answer

    def _of(self, key: _Key) -> _Asked:
        purpose, channel, recipient = key
        terms = terms_of(self.policy, purpose)
        meant = channel or terms.channel
        chosen = selection(self.policy, terms, meant, recipient)
        every = {row for _, rows in chosen for row in rows}
        lenses = {row: self._lens(terms, self.policy.rows[row], meant, recipient) for row in every}
        found = _Asked(terms, chosen, frozenset(GRANT_LINKS[terms.level]), lenses)
        self._asked[key] = found
        return found

    def _lens(self, terms: PurposeTerms, row: MatrixRow, channel: str | None, recipient: str | None) -> _RowLens:
        kin = (name for name, one in self.policy.purposes.items() if one.direct_marketing)
        return _RowLens(
            names=frozenset((terms.name, ALL)),
            kin=frozenset(kin) if terms.direct_marketing else frozenset(),
            gpc=terms.gpc,
            notices=frozenset(terms.notices),
            channel=channel,
            recipient=recipient,
            life=None if row.expires_after_days is None else timedelta(days=row.expires_after_days),
            min_age=row.min_age,
        )

    def _judged(
        self, question: Question, asked: _Asked, stated: tuple[str, ...], known: list[ConsentEntry]
    ) -> Decision:
        by_sid: dict[Sid, list[ConsentEntry]] = {}
        for entry in known:
            by_sid.setdefault(entry.sid, []).append(entry)
        heard = _heard(question.holders, by_sid)
        rows = asked.rows.get((stated, heard))
        if rows is None:
            rows = asked.rows[stated, heard] = candidates(asked.chosen, stated, heard)
        held = [(holder, by_sid[holder.sid]) for holder in question.holders if holder.sid in by_sid]
        barred = _barred(question, held)
        if barred is not None:
            # It bars under every row; of equal reasons the first row is told.
            return self._told(asked.terms, barred[0], rows[0], barred[1])
        return self._told(asked.terms, *min(self._verdict(question, asked, row, held) for row in rows))

    def _verdict(
        self, question: Question, asked: _Asked, index: int, held: list[tuple[Holder, list[ConsentEntry]]]
    ) -> tuple[int, int, tuple[str, ...]]:
        if index == NO_ROW:
            return RANK["no_basis"], index, ()
        row, lens = self.policy.rows[index], asked.lenses[index]
        found = [
            (holder, said)
            for holder, entries in held
            if (said := lens.standing(entries, question.as_of)) is not _NOTHING
        ]
        if row.min_age is not None:
            young = _ids(standing.young for _, standing in found)
            if young or _too_young(question.age_band, row.min_age, found):
                return RANK["age"], index, young
        if row.basis in UNREFUSABLE:
            return RANK[row.basis], index, ()
        refusals = [one for _, standing in found for one in standing.refusals]
        if refusals:
            worst = min(rank for rank, _ in refusals)
            return worst, index, tuple(sorted({entry for rank, entry in refusals if rank == worst}))
        if row.basis != "consent":
            return RANK[row.basis], index, ()
        return _granted(question, asked, index, found)

    def _told(self, terms: PurposeTerms, rank: int, index: int, entries: tuple[str, ...]) -> Decision:
        reason, policy = REASONS[rank], self.policy
        allowed = reason in BASES
        early = index == NO_ROW or reason in DENIALS[:2]
        return Decision(
            purpose=terms.name,
            allowed=allowed,
            reason=reason,
            policy_line=policy.place(terms.line if early else policy.rows[index].line),
            policy_version=policy.version,
            entries=entries,
            masked=policy.masks.get(terms.name, ()) if allowed else (),
            links=_links(terms, reason) if allowed else (),
        )


def _links(terms: PurposeTerms, basis: str) -> tuple[Link, ...]:
    return tuple(link for link in terms.readable_links() if basis != "consent" or link in _CERTAIN)


def _granted(
    question: Question, asked: _Asked, index: int, found: list[tuple[Holder, Standing]]
) -> tuple[int, int, tuple[str, ...]]:
    contact = question.contact if asked.terms.level == "contact" else None
    if contact is None:
        own = [standing for holder, standing in found if holder.link in asked.grants]
    else:
        own = [standing for holder, standing in found if holder.sid == contact]
    if grants := _ids(standing.grants for standing in own):
        return RANK["consent"], index, grants
    if changed := _ids(standing.changed for standing in own):
        return RANK["notice_changed"], index, changed
    if expired := _ids(standing.expired for standing in own):
        return RANK["expired"], index, expired
    if elsewhere := _ids(standing.grants for holder, standing in found if holder.link != PARTED):
        return RANK["link"], index, elsewhere
    return RANK["no_consent"], index, ()


def _heard(holders: Iterable[Holder], by_sid: Mapping[Sid, list[ConsentEntry]]) -> frozenset[str]:
    return frozenset(
        entry.jurisdiction
        for holder in holders
        if holder.link in _CERTAIN
        for entry in by_sid.get(holder.sid, ())
        if entry.jurisdiction is not None
    )


def _barred(question: Question, held: list[tuple[Holder, list[ConsentEntry]]]) -> tuple[int, tuple[str, ...]] | None:
    if question.frozen:
        return RANK["suppressed"], ()
    restrictions: list[str] = []
    for _, entries in held:
        words = [e for e in entries if e.action in _LIFE]
        if words:
            lifts = [e.told_at for e in words if e.action == UNRESTRICTED]
            restrictions += [
                e.id for e in words if e.action == RESTRICTED and not any(lift > e.told_at for lift in lifts)
            ]
    return (RANK["restricted"], tuple(sorted(set(restrictions)))) if restrictions else None


def _too_young(band: str | None, least: int, found: list[tuple[Holder, Standing]]) -> bool:
    age = AGE_BANDS.get(band or "")
    if age is None or age >= least:
        return False
    return not any(standing.guarded for holder, standing in found if holder.link == "own")


def _ids(groups: Iterable[list[str]]) -> tuple[str, ...]:
    return tuple(sorted({identifier for group in groups for identifier in group}))
