"""The one decision: may this person's data be used for this purpose. `consent.screen` is its twin in Spark.

The order is the law (design, "The decision"): suppressed or restricted, jurisdiction, age, basis, then what was
said. A refusal is heeded on every link, a grant only on links that are certain, and silence is no.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

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
from infra.ids import Purpose, Sid


@dataclass(frozen=True, slots=True)
class Lens:
    """Through what a sid's entries are seen: the purpose, a row's limits, the channel asked about, the moment."""

    policy: Policy
    terms: PurposeTerms
    row: MatrixRow | None
    channel: str | None
    recipient: str | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What one sid's entries come to: the ids of those that count, by what they do."""

    restrictions: tuple[str, ...] = ()
    refusals: tuple[tuple[str, str], ...] = ()  # (reason, id)
    grants: tuple[str, ...] = ()
    guarded: bool = False
    young: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()


def decide(question: Question, policy: Policy) -> Decision:
    """Return whether the purpose is allowed, by which line and on which entries; the same for ever for one `as_of`."""
    terms = terms_of(policy, question.purpose)
    channel = question.channel or terms.channel
    chosen = selection(policy, terms, channel, question.recipient)
    known = [e for e in question.entries if e.received_at <= question.as_of and e.controller == policy.controller]
    answers = []
    for index in candidates(chosen, _stated(question, policy), _heard(question.holders, known)):
        row = None if index == NO_ROW else policy.rows[index]
        lens = Lens(policy, terms, row, channel, question.recipient, question.as_of)
        standings = {h: standing([e for e in known if e.sid == h.sid], lens) for h in question.holders}
        reason, entries = _verdict(question, lens, standings)
        answers.append((RANK[reason], index, entries))
    rank, index, entries = min(answers)
    return _decision(policy, terms, REASONS[rank], index, entries)


def _decision(policy: Policy, terms: PurposeTerms, reason: str, index: int, entries: tuple[str, ...]) -> Decision:
    allowed = reason in BASES
    # A denial before the matrix is read rests on the purpose itself.
    early = index == NO_ROW or reason in DENIALS[:2]
    return Decision(
        purpose=terms.name,
        allowed=allowed,
        reason=reason,
        policy_line=policy.place(terms.line if early else policy.rows[index].line),
        policy_version=policy.version,
        entries=entries,
        masked=policy.masks.get(terms.name, ()) if allowed else (),
        links=readable(terms, reason) if allowed else (),
    )


def denied_at_once(entry: ConsentEntry, policy: Policy) -> tuple[Purpose, ...]:
    """Return the purposes that serving must deny from this word on, before any rebuild; `all` for a restriction."""
    if entry.action == RESTRICTED:
        return (ALL,)
    refusable = {row.purpose for row in policy.rows if row.basis not in UNREFUSABLE}
    lenses = (Lens(policy, t, None, t.channel, None, entry.received_at) for t in policy.purposes.values())
    return tuple(lens.terms.name for lens in lenses if lens.terms.name in refusable and _bears(entry, lens))


def readable(terms: PurposeTerms, basis: str) -> tuple[Link, ...]:
    """Return the links over which data may be used: those of the purpose, and of a grant where it rests on one."""
    links = terms.readable_links()
    return tuple(link for link in links if basis != "consent" or link in GRANT_LINKS["person"])


def _stated(question: Question, policy: Policy) -> tuple[str, ...]:
    return question.jurisdictions or ((policy.jurisdiction,) if policy.jurisdiction else ())


def _heard(holders: Iterable[Holder], known: Iterable[ConsentEntry]) -> set[str]:
    certain = {h.sid for h in holders if h.link in GRANT_LINKS["person"]}
    return {e.jurisdiction for e in known if e.sid in certain and e.jurisdiction is not None}


def _verdict(question: Question, lens: Lens, standings: dict[Holder, Standing]) -> tuple[str, tuple[str, ...]]:
    if before := _barred(question, standings):
        return before
    if lens.row is None:
        return "no_basis", ()
    if (young := _ids(s.young for s in standings.values())) or _too_young(question, lens.row, standings):
        return "age", young
    if lens.row.basis in UNREFUSABLE:
        return lens.row.basis, ()
    return _refused(standings) or _permitted(question, lens.terms, lens.row, standings)


def _barred(question: Question, standings: dict[Holder, Standing]) -> tuple[str, tuple[str, ...]] | None:
    if question.frozen:
        return "suppressed", ()
    restrictions = _ids(s.restrictions for s in standings.values())
    return ("restricted", restrictions) if restrictions else None


def _refused(standings: dict[Holder, Standing]) -> tuple[str, tuple[str, ...]] | None:
    found = sorted({r for s in standings.values() for r in s.refusals}, key=lambda r: (RANK[r[0]], r[1]))
    if not found:
        return None
    worst = found[0][0]
    return worst, tuple(identifier for reason, identifier in found if reason == worst)


def _permitted(
    question: Question, terms: PurposeTerms, row: MatrixRow, standings: dict[Holder, Standing]
) -> tuple[str, tuple[str, ...]]:
    """Return the basis where nobody needs to be asked, else the grant that stands on a certain link or what lacks."""
    if row.basis != "consent":
        return row.basis, ()
    contact = question.contact if terms.level == "contact" else None
    own = {h: s for h, s in standings.items() if _may_grant(h, terms, contact)}
    if grants := _ids(s.grants for s in own.values()):
        return "consent", grants
    if changed := _ids(s.changed for s in own.values()):
        return "notice_changed", changed
    if expired := _ids(s.expired for s in own.values()):
        return "expired", expired
    if elsewhere := _ids(s.grants for h, s in standings.items() if h.link != PARTED):
        return "link", elsewhere
    return "no_consent", ()


def _may_grant(holder: Holder, terms: PurposeTerms, contact: Sid | None) -> bool:
    return holder.sid == contact if contact is not None else holder.link in GRANT_LINKS[terms.level]


def _too_young(question: Question, row: MatrixRow, standings: dict[Holder, Standing]) -> bool:
    """Say whether the age that the caller knows is below the row's, with no guardian's word on a sid of their own."""
    age = AGE_BANDS.get(question.age_band or "")
    if age is None or row.min_age is None or age >= row.min_age:
        return False
    return not any(s.guarded for h, s in standings.items() if h.link == "own")


def _ids(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({identifier for group in groups for identifier in group}))


def standing(entries: Iterable[ConsentEntry], lens: Lens) -> Standing:
    """Return what one sid's entries come to; their order never matters.

    A word is taken back only by a later one of the very same scope, so a broad grant never lifts a narrow refusal
    and a narrow grant never lifts a broad withdrawal; of two words of one moment the refusal stands.
    """
    entries = tuple(entries)
    given = [e for e in entries if e.action == GIVEN]
    live = [e for e in given if _lapse(e, entries, lens) is None]
    grants = [g for g in live if _covers(g, lens) and not _taken_back(g, entries)]
    guarded = any(g.asserted_by == GUARDIAN for g in grants)
    lapsed = [(e, _lapse(e, entries, lens)) for e in given if _covers(e, lens)]
    return Standing(
        restrictions=_restrictions(entries),
        refusals=tuple((_reason(e), e.id) for e in entries if _bears(e, lens) and not _lifted(e, live)),
        grants=tuple(g.id for g in grants),
        guarded=guarded,
        young=() if guarded else tuple(e.id for e in entries if _is_young(e, lens)),
        changed=tuple(e.id for e, why in lapsed if why == "notice_changed"),
        expired=tuple(e.id for e, why in lapsed if why == "expired"),
    )


def _restrictions(entries: tuple[ConsentEntry, ...]) -> tuple[str, ...]:
    """Return the restrictions that nobody lifted later; they hold for every purpose."""
    lifts = [e.told_at for e in entries if e.action == UNRESTRICTED]
    standing_ = [e for e in entries if e.action == RESTRICTED and not any(lift > e.told_at for lift in lifts)]
    return tuple(e.id for e in standing_)


def _reason(refusal: ConsentEntry) -> str:
    return GPC if refusal.mechanism == GPC else refusal.action


def _bears(entry: ConsentEntry, lens: Lens) -> bool:
    """Say whether a refusal is about what is asked: broader, narrower or of the same kind."""
    if entry.action not in REFUSALS:
        return False
    terms, policy = lens.terms, lens.policy
    stated = policy.purposes.get(entry.purpose)
    kin = (
        (entry.action == OBJECTED and terms.direct_marketing and stated is not None and stated.direct_marketing)
        or (entry.mechanism == GPC and terms.gpc)
        or entry.purpose in {terms.name, ALL}
    )
    return kin and _overlaps(entry.channel, lens.channel) and _overlaps(entry.recipient, lens.recipient)


def _overlaps(said: str | None, asked: str | None) -> bool:
    return said is None or asked is None or said == asked


def _covers(grant: ConsentEntry, lens: Lens) -> bool:
    """Say whether a grant reaches all of what is asked."""
    return (
        grant.purpose in {lens.terms.name, ALL}
        and grant.channel in {None, lens.channel}
        and grant.recipient in {None, lens.recipient}
    )


def _lapse(grant: ConsentEntry, entries: tuple[ConsentEntry, ...], lens: Lens) -> str | None:
    """Return why a grant counts as never given, or None while it holds."""
    if lens.terms.notices and f"{grant.notice_id}@{grant.notice_version}" not in lens.terms.notices:
        return "notice_changed"
    days = lens.row.expires_after_days if lens.row else None
    over = (
        (grant.effective_from is not None and grant.effective_from > lens.as_of)
        or (grant.expires_at is not None and grant.expires_at <= lens.as_of)
        or (days is not None and grant.told_at + timedelta(days=days) <= lens.as_of)
        or any(e.told_at >= grant.told_at for e in entries if _ends(e, grant, lens))
    )
    return "expired" if over else None


def _ends(entry: ConsentEntry, grant: ConsentEntry, lens: Lens) -> bool:
    return entry.action in ENDINGS and entry.purpose in {ALL, lens.terms.name, grant.purpose}


def _taken_back(grant: ConsentEntry, entries: tuple[ConsentEntry, ...]) -> bool:
    said = [e.told_at for e in entries if e.action in REFUSALS and e.scope == grant.scope]
    return any(at >= grant.told_at for at in said)


def _lifted(refusal: ConsentEntry, live: list[ConsentEntry]) -> bool:
    """Say whether a later grant of the same scope took the refusal back."""
    later = [g for g in live if g.scope == refusal.scope and g.told_at > refusal.told_at]
    return any(refusal.mechanism != GPC or g.mechanism in AUTHENTICATED for g in later)


def _is_young(entry: ConsentEntry, lens: Lens) -> bool:
    least = lens.row.min_age if lens.row else None
    age = AGE_BANDS.get(entry.age_band or "")
    if least is None or age is None:
        return False
    return age + (lens.as_of - entry.told_at).days // DAYS_A_YEAR < least
