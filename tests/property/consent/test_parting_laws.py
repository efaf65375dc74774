"""The laws of merges and splits: what two people are denied together, each is denied when they are parted."""

from dataclasses import replace

from histories_drawn import entries, policies, questions
from hypothesis import given
from hypothesis import strategies as st

from consent.borrowed import with_borrowed
from consent.decide import decide
from consent.model import ConsentEntry, Holder, Policy, Question
from infra.ids import Sid

# What a word denies; the rest is the lack of a yes, or a rule.
SAID_NO = {"restricted", "age", "gpc", "objected", "withdrawn", "refused"}
OTHERS = ("x", "y")

words = st.lists(entries, max_size=6)
links = st.sampled_from(("own", "verified", "probable"))


def others(said: list[ConsentEntry]) -> list[ConsentEntry]:
    return [replace(word, sid=Sid(OTHERS[number % 2])) for number, word in enumerate(said)]


@given(questions(), policies(), words, links)
def test_a_split_keeps_what_the_merge_denied(
    question: Question, policy: Policy, said: list[ConsentEntry], link: str
) -> None:
    alone = replace(question, jurisdictions=(), age_band=None)
    theirs = others(said)
    holders = tuple(Holder(Sid(sid), link) for sid in OTHERS)  # type: ignore[arg-type]
    merged = replace(alone, holders=(*alone.holders, *holders), entries=(*alone.entries, *theirs))
    parted = with_borrowed(alone, [(Sid(sid), alone.as_of) for sid in OTHERS], theirs)
    if decide(merged, policy).reason in SAID_NO:
        assert not decide(parted, policy).allowed


@given(questions(), policies(), words)
def test_what_is_borrowed_never_opens(question: Question, policy: Policy, said: list[ConsentEntry]) -> None:
    theirs = others(said)
    parted = with_borrowed(question, [(Sid(sid), question.as_of) for sid in OTHERS], theirs)
    decision = decide(parted, policy)
    if decision.allowed:
        alone = decide(question, policy)
        assert alone.allowed
        assert decision.entries == alone.entries, "and it rests on the person's own words"


@given(questions(), policies(), words)
def test_nothing_but_a_no_of_theirs_is_ever_told(question: Question, policy: Policy, said: list[ConsentEntry]) -> None:
    parted = with_borrowed(question, [(Sid(sid), question.as_of) for sid in OTHERS], others(said))
    assert decide(parted, policy).reason in {*SAID_NO, decide(question, policy).reason}


@given(questions(), policies(), words)
def test_what_somebody_says_after_the_split_is_theirs_alone(
    question: Question, policy: Policy, said: list[ConsentEntry]
) -> None:
    theirs = others(said)
    parted_at = min((word.received_at for word in theirs), default=question.as_of)
    before = [word for word in theirs if word.received_at <= parted_at]
    kept = [(Sid(sid), parted_at) for sid in OTHERS]
    if decide(with_borrowed(question, kept, before), policy).allowed:
        assert decide(with_borrowed(question, kept, theirs), policy).allowed
