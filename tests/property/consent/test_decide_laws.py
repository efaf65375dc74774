"""The laws of the decision, on random people, ledgers and policies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consent.decide import decide
from consent.model import (
    ACTIONS,
    BASES,
    GIVEN,
    LINKS,
    REFUSALS,
    RESTRICTED,
    ConsentEntry,
    Decision,
    Holder,
    MatrixRow,
    Policy,
    PurposeTerms,
    Question,
)
from infra.ids import Purpose, Sid

START = datetime(2026, 1, 1, tzinfo=UTC)
SIDS = ("a", "b", "c", "d")
PURPOSES = ("service", "analytics", "email", "ads")
CHANNELS = (None, None, "email", "sms")

days = st.integers(0, 12).map(lambda n: START + timedelta(days=n))
maybe_day = st.none() | days


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    terms = {
        Purpose(name): PurposeTerms(
            name=Purpose(name),
            line=number,
            level=draw(st.sampled_from(("person", "contact"))),
            channel=draw(st.sampled_from(CHANNELS)),
            direct_marketing=draw(st.booleans()),
            gpc=draw(st.booleans()),
            notices=draw(st.sampled_from(((), (), ("terms@2",)))),
        )
        for number, name in enumerate(PURPOSES, start=1)
    }
    row = st.builds(
        MatrixRow,
        purpose=st.sampled_from(PURPOSES).map(Purpose),
        basis=st.sampled_from(BASES),
        line=st.integers(10, 99),
        jurisdiction=st.sampled_from(("*", "*", "US", "US-CA", "DE")),
        channel=st.sampled_from(CHANNELS),
        recipient=st.sampled_from((None, None, "vendor")),
        expires_after_days=st.none() | st.integers(1, 9),
        min_age=st.none() | st.sampled_from((13, 16, 18)),
    )
    return Policy(version="v", purposes=terms, rows=tuple(draw(st.lists(row, max_size=9))), masks={})


entries = st.builds(
    ConsentEntry,
    id=st.uuids().map(str),
    sid=st.sampled_from(SIDS).map(Sid),
    identifier_kind=st.just("email"),
    purpose=st.sampled_from((*PURPOSES, "all")).map(Purpose),
    action=st.sampled_from((*ACTIONS, GIVEN, GIVEN, GIVEN)),
    mechanism=st.sampled_from(("centre", "banner", "gpc")),
    occurred_at=days,
    received_at=days,
    channel=st.sampled_from(CHANNELS),
    recipient=st.sampled_from((None, None, "vendor")),
    jurisdiction=st.sampled_from((None, "US-CA", "DE", "FR")),
    notice_id=st.just("terms"),
    notice_version=st.sampled_from(("1", "2")),
    asserted_by=st.sampled_from(("subject", "guardian")),
    age_band=st.sampled_from((None, None, "u13", "adult")),
    effective_from=maybe_day,
    expires_at=maybe_day,
)
refusals = entries.flatmap(
    lambda e: st.sampled_from((*REFUSALS, RESTRICTED)).map(lambda action: replace(e, action=action))
)
links = st.sampled_from(LINKS)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    holders = tuple(Holder(Sid(sid), draw(links)) for sid in SIDS[: draw(st.integers(0, 3))])
    return Question(
        purpose=Purpose(draw(st.sampled_from(PURPOSES))),
        as_of=draw(days),
        holders=holders,
        entries=tuple(draw(st.lists(entries, max_size=8))),
        contact=draw(st.none() | st.sampled_from(SIDS).map(Sid)),
        channel=draw(st.sampled_from(CHANNELS)),
        recipient=draw(st.sampled_from((None, "vendor", "self"))),
        jurisdictions=tuple(draw(st.lists(st.sampled_from(("US-CA", "US-OH", "DE")), max_size=2))),
        age_band=draw(st.sampled_from((None, None, "u13", "adult"))),
    )


@given(questions(), policies(), st.randoms(use_true_random=False))
def test_order_of_arrival_never_matters(question: Question, policy: Policy, random: object) -> None:
    shuffled = replace(
        question,
        entries=tuple(random.sample(question.entries, len(question.entries))),  # type: ignore[attr-defined]
        holders=tuple(random.sample(question.holders, len(question.holders))),  # type: ignore[attr-defined]
    )
    assert decide(question, policy) == decide(shuffled, policy)


@given(questions(), policies(), refusals)
def test_a_refusal_more_never_turns_a_no_into_a_yes(question: Question, policy: Policy, refusal: ConsentEntry) -> None:
    before = decide(question, policy)
    after = decide(replace(question, entries=(*question.entries, refusal)), policy)
    assert before.allowed or not after.allowed


@given(questions(), policies(), links, st.lists(entries, max_size=4))
def test_a_node_more_never_enlarges_an_opt_out_allow(
    question: Question, policy: Policy, link: str, words: list[ConsentEntry]
) -> None:
    # A named contact and an age the caller knows are answered by the person's own sids, so these may not be new.
    rows = tuple(r for r in policy.rows if r.basis != "consent")
    rules = replace(policy, rows=rows)
    question = replace(question, age_band=None)
    added = tuple(replace(word, sid=Sid("new")) for word in words)
    larger = replace(
        question,
        holders=(*question.holders, Holder(Sid("new"), link)),  # type: ignore[arg-type]
        entries=(*question.entries, *added),
    )
    assert decide(question, rules).allowed or not decide(larger, rules).allowed


@given(questions(), policies(), st.lists(entries, max_size=4))
def test_a_probable_node_never_turns_a_no_into_a_yes(
    question: Question, policy: Policy, words: list[ConsentEntry]
) -> None:
    added = tuple(replace(word, sid=Sid("new")) for word in words)
    larger = replace(
        question, holders=(*question.holders, Holder(Sid("new"), "probable")), entries=(*question.entries, *added)
    )
    assert decide(question, policy).allowed or not decide(larger, policy).allowed


@given(questions(), policies(), st.lists(entries, max_size=4), st.integers(1, 30))
def test_what_arrives_later_never_changes_what_was_answered_before(
    question: Question, policy: Policy, words: list[ConsentEntry], later: int
) -> None:
    arrived = tuple(replace(word, received_at=question.as_of + timedelta(days=later)) for word in words)
    assert decide(question, policy) == decide(replace(question, entries=(*question.entries, *arrived)), policy)


@given(questions(), policies())
def test_the_unknown_jurisdiction_is_never_laxer_than_a_known_one(question: Question, policy: Policy) -> None:
    if decide(replace(question, jurisdictions=()), policy).allowed:
        assert decide(question, policy).allowed


@given(questions(), policies())
def test_an_allow_rests_on_a_row_and_a_denial_on_a_reason(question: Question, policy: Policy) -> None:
    decision: Decision = decide(question, policy)
    assert decision.allowed == (decision.reason in BASES)
    assert decision.policy_line.startswith("policy.yaml:")
    known = {entry.id for entry in question.entries}
    assert known.issuperset(decision.entries)
    if decision.reason == "consent":
        assert decision.entries
