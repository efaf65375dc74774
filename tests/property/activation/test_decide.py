"""What holds for every decision, whoever asks and whatever is on offer."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activation.decide import decide, redemption_rates
from activation.model import NO_ACTION, All, Campaign, Comparison, Consent, Context, Facts, Not, Person, Trait
from activation.plan import Cap, Exploration, Plan, Rule, Weights
from activation.select import selected
from infra.ids import ProfileId, Purpose

NOW = datetime(2026, 6, 15, tzinfo=UTC)
shares = st.floats(0, 1)
categories = st.dictionaries(st.sampled_from("abcd"), shares, max_size=4)
days = st.dates(date(2016, 1, 1), date(2018, 12, 31))


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    starts = draw(days)
    redeemers = draw(st.integers(0, 50))
    return Campaign(
        draw(st.text("0123456789", min_size=1, max_size=2)),
        starts,
        starts + timedelta(days=draw(st.integers(0, 200))),
        {"type": draw(st.sampled_from("ABC"))},
        draw(categories),
        redeemers,
        redeemers + draw(st.integers(0, 500)),
    )


offers = st.lists(campaigns(), max_size=8, unique_by=lambda c: c.campaign)
ordered = Trait(Comparison("orders", ">=", 1.0))
plans = st.builds(
    Plan,
    decision=st.just("d"),
    purpose=st.just(Purpose("personalization")),
    yearly=st.booleans(),
    channels=st.sampled_from([frozenset(), frozenset({"web"})]),
    rules=st.sampled_from([(), (Rule({"type": frozenset("A")}, Not(ordered)),), (Rule({}, ordered),)]),
    caps=st.sampled_from([(), (Cap(1, timedelta(days=1)),)]),
    holdout=st.sampled_from([0.0, 0.5]),
    weights=st.builds(Weights, shares, shares, shares),
    exploration=st.builds(Exploration, st.just("softmax"), st.floats(0.01, 10))
    | st.builds(Exploration, st.just("epsilon"), shares),
)
persons = st.builds(
    Person,
    profile=st.text("abc", min_size=1).map(ProfileId),
    consent=st.builds(Consent, allowed=st.booleans(), reason=st.just("said")),
    facts=st.builds(Facts, traits=st.sampled_from([{}, {"orders": "2"}])),
    likes=categories,
    contacts=st.sampled_from([(), (NOW,)]),
)
contexts = st.builds(Context, at=st.just(NOW), now=st.just(NOW), channel=st.sampled_from(["web", "till"]))
keys = st.binary(min_size=16, max_size=16)


@given(plans, persons, contexts, offers, keys)
def test_the_choice_is_one_that_may_be_made(
    plan: Plan, person: Person, context: Context, offered: list[Campaign], key: bytes
) -> None:
    choice = decide(plan, person, context, offered, key)
    assert sum(c.propensity for c in choice.candidates) == pytest.approx(1)
    assert Counter(c.campaign for c in choice.candidates) == Counter([*(c.campaign for c in offered), NO_ACTION])
    chosen = next(c for c in choice.candidates if c.campaign == choice.chosen)
    assert chosen.excluded is None
    assert chosen.propensity == choice.propensity > 0
    assert all(c.propensity == 0 for c in choice.candidates if c.excluded)
    if not person.consent.allowed or choice.holdout:
        assert choice.chosen == NO_ACTION


@given(plans, persons, contexts, offers, keys, st.randoms(use_true_random=False))
def test_the_order_of_the_campaigns_never_matters(
    plan: Plan, person: Person, context: Context, offered: list[Campaign], key: bytes, random: Random
) -> None:
    shuffled = random.sample(offered, len(offered))
    assert decide(plan, person, context, offered, key) == decide(plan, person, context, shuffled, key)


@given(offers)
def test_a_rate_is_between_nothing_and_the_best(offered: list[Campaign]) -> None:
    rates = redemption_rates(offered)
    assert all(0 <= rate <= 1 for rate in rates.values())
    assert not rates or max(rates.values()) in (0.0, pytest.approx(1))


@given(st.text(), st.text())
def test_a_clause_and_its_negation_never_agree(trait: str, wanted: str) -> None:
    clause = Trait(Comparison("t", "==", wanted))
    facts = Facts(traits={"t": trait})
    assert selected(clause, facts, NOW) != selected(Not(clause), facts, NOW)
    assert not selected(All((clause, Not(clause))), facts, NOW)
