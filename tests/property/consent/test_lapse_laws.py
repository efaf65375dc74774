"""The laws of what runs out: held against the decision itself, on random people, words and policies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import event, given
from hypothesis import strategies as st

from consent.decide import decide
from consent.lapse import Span, lapsed
from consent.model import (
    ACTIONS,
    BASES,
    ENDINGS,
    GIVEN,
    LINKS,
    REFUSALS,
    RESTRICTED,
    UNRESTRICTED,
    ConsentEntry,
    Holder,
    MatrixRow,
    Policy,
    PurposeTerms,
    Question,
)
from infra.ids import Purpose, Sid

START = datetime(2026, 1, 1, tzinfo=UTC)
SIDS = ("a", "b", "c")
PURPOSES = ("analytics", "email", "ads")
CHANNELS = (*[None] * 6, "email", "sms")

days = st.integers(0, 20).map(lambda n: START + timedelta(days=n))
spans = st.tuples(st.integers(0, 12), st.integers(1, 12)).map(
    lambda n: Span(START + timedelta(days=n[0]), START + timedelta(days=n[0] + n[1]))
)


@st.composite
def policies(draw: st.DrawFn, places: tuple[str, ...] = ("*", "*", "*", "US", "US-CA", "DE")) -> Policy:
    terms = {
        Purpose(name): PurposeTerms(
            name=Purpose(name),
            line=number,
            level=draw(st.sampled_from(("person", "contact"))),
            channel=draw(st.sampled_from(CHANNELS)),
            direct_marketing=draw(st.booleans()),
            gpc=draw(st.booleans()),
        )
        for number, name in enumerate(PURPOSES, start=1)
    }
    row = st.builds(
        MatrixRow,
        purpose=st.sampled_from(PURPOSES).map(Purpose),
        basis=st.sampled_from((*["consent"] * 6, "opt_out", *BASES)),
        line=st.integers(10, 99),
        jurisdiction=st.sampled_from(places),
        channel=st.sampled_from((*CHANNELS, None, None)),
        expires_after_days=st.none() | st.integers(1, 15),
        min_age=st.sampled_from((None, None, 13)),
    )
    rows = draw(st.lists(row, min_size=3, max_size=7))
    return Policy(version="v", purposes=terms, rows=tuple(rows), masks={})


words = st.builds(
    ConsentEntry,
    id=st.uuids().map(str),
    sid=st.sampled_from(SIDS).map(Sid),
    identifier_kind=st.just("email"),
    purpose=st.sampled_from((*PURPOSES, "all")).map(Purpose),
    # Mostly a yes with an end: what else is said about it must stay seldom, or there is nothing left to run out.
    action=st.sampled_from((*ACTIONS, *[GIVEN] * 20)),
    mechanism=st.sampled_from(("centre", "banner", "gpc")),
    occurred_at=days,
    received_at=days,
    channel=st.sampled_from(CHANNELS),
    jurisdiction=st.sampled_from((None, None, "US-CA", "DE")),
    asserted_by=st.sampled_from(("subject", "guardian")),
    age_band=st.sampled_from((*[None] * 9, "u13")),
    expires_at=st.none() | days,
)


def running_out(said: list[ConsentEntry], span: Span) -> list[ConsentEntry]:
    """The words, with a plain yes among the first of them that ends between the two moments."""
    plain = {"action": GIVEN, "channel": None, "age_band": None, "expires_at": span.until}
    ending = [replace(e, **plain, occurred_at=span.since, received_at=span.since) for e in said[:2]]
    return [*ending, *said[2:]]


def before(said: list[ConsentEntry], at: datetime) -> tuple[ConsentEntry, ...]:
    """What a build knew, and words that end a yes; other words of later are not what has run out."""
    plain = [replace(e, jurisdiction=None) if e.received_at > at else e for e in said]
    return tuple(e for e in plain if e.received_at <= at or e.action in ENDINGS)


@given(st.lists(words, max_size=7), policies(), spans, st.data())
def test_whoever_may_no_longer_be_used_is_denied_under_an_identifier_of_theirs(
    said: list[ConsentEntry], policy: Policy, span: Span, data: st.DataObject
) -> None:
    """The safety of it: whatever the person's links and places, nothing that ran out stays allowed."""
    entries = before(running_out(said, span), span.since)
    question = Question(
        purpose=Purpose("analytics"),
        as_of=span.since,
        holders=tuple(Holder(Sid(sid), data.draw(st.sampled_from((*LINKS, "own")))) for sid in SIDS),
        entries=entries,
        jurisdictions=tuple(data.draw(st.lists(st.sampled_from(("US-CA", "US-OH", "DE", "FR")), max_size=2))),
    )
    fallen = {
        purpose
        for purpose in policy.purposes
        if decide(replace(question, purpose=purpose), policy).allowed
        and not decide(replace(question, purpose=purpose, as_of=span.until), policy).allowed
    }
    event("something fell" if fallen else "nothing fell")
    assert fallen <= {p for sid in SIDS for p in lapsed([e for e in entries if e.sid == sid], policy, span)}


@given(st.lists(words, max_size=6), policies(places=("*",)), spans)
def test_a_sid_is_denied_when_its_own_answer_fell_and_only_then(
    said: list[ConsentEntry], policy: Policy, span: Span
) -> None:
    """The exactness of it, where one row answers: yes at the build, no now - or a refusal that is back."""
    rows = {(row.purpose, row.jurisdiction): row for row in policy.rows}
    policy = replace(policy, rows=tuple(replace(row, channel=None) for row in rows.values()))
    entries = tuple(replace(e, sid=Sid("a"), jurisdiction=None) for e in before(running_out(said, span), span.since))
    found = lapsed(entries, policy, span)
    for purpose in policy.purposes:
        question = Question(
            purpose=purpose,
            as_of=span.since,
            holders=(Holder(Sid("a"), "own"),),
            entries=entries,
            jurisdictions=("FR",),
        )
        then, now = (decide(replace(question, as_of=at), policy) for at in (span.since, span.until))
        if then.allowed and not now.allowed:
            assert purpose in found
        elif purpose in found:
            # Never more than this: it is no now, and it is a refusal that makes it so.
            assert not now.allowed
            assert now.reason in {*REFUSALS, "gpc", "age", "restricted"}


@given(st.lists(words, max_size=6), policies(), spans)
def test_what_holds_at_both_moments_and_all_along_is_never_denied(
    said: list[ConsentEntry], policy: Policy, span: Span
) -> None:
    """Where no yes ends and nothing new is said, nothing has run out."""
    rows = tuple(replace(row, expires_after_days=None) for row in policy.rows)
    entries = tuple(
        replace(e, sid=Sid("a"), expires_at=None)
        for e in said
        if e.received_at <= span.since and e.action not in {RESTRICTED, UNRESTRICTED}
    )
    assert lapsed(entries, replace(policy, rows=rows), span) == ()
