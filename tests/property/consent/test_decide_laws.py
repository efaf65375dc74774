"""The laws of the decision, on random people, ledgers and policies."""

from dataclasses import replace
from datetime import timedelta

from histories_drawn import entries, links, policies, questions, refusals
from hypothesis import given
from hypothesis import strategies as st

from consent.compiled import Compiled
from consent.decide import decide
from consent.model import BASES, ConsentEntry, Decision, Holder, Policy, Question
from infra.ids import Sid


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


def test_one_compiled_policy_answers_every_question_as_the_law_does() -> None:
    @given(policies(), st.lists(questions(), min_size=1, max_size=12))
    def equal(policy: Policy, asked: list[Question]) -> None:
        compiled = Compiled(policy)
        asked = [*asked, *(replace(one, frozen=True) for one in asked[:1]), *asked]
        assert [compiled.decide(one) for one in asked] == [decide(one, policy) for one in asked]

    equal()
