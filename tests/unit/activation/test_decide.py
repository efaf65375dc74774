"""The choice: eligibility, consent, caps, score, chance and holdout."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from activation.decide import affinity, canonical, chance, decide, in_holdout, redemption_rates, running
from activation.model import NO_ACTION, Campaign, Choice, Comparison, Consent, Context, Facts, Person, Trait
from activation.plan import Cap, Exploration, Plan, Rule, Weights
from infra.ids import ProfileId, Purpose

KEY = b"k" * 32
NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
YES, NO = Consent(allowed=True, reason="consent"), Consent(allowed=False, reason="withdrawn")
ORDERED = Trait(Comparison("orders", ">=", 1.0))
PLAN = Plan(
    decision="d",
    purpose=Purpose("personalization"),
    yearly=True,
    channels=frozenset(),
    rules=(Rule({}, ORDERED),),
    caps=(Cap(1, timedelta(days=7)),),
    holdout=0.0,
    weights=Weights(0.6, 0.4, 0.1),
    exploration=Exploration("softmax", 0.1),
)
SPRING = Campaign("1", date(2017, 3, 3), date(2017, 4, 9), {"type": "B"}, {"BEER": 1.0}, 10, 100)
PASTA = Campaign("2", date(2017, 3, 8), date(2017, 4, 9), {"type": "C"}, {"PASTA": 1.0}, 1, 100)
AUTUMN = Campaign("3", date(2017, 9, 1), date(2017, 10, 1), {"type": "A"}, {"BEER": 1.0}, 10, 100)
CAMPAIGNS = (SPRING, PASTA, AUTUMN)


def person(name: str = "p1", *, consent: Consent = YES, contacts: tuple[datetime, ...] = ()) -> Person:
    return Person(ProfileId(name), consent, Facts(traits={"orders": "3"}), {"BEER": 0.7, "MILK": 0.3}, contacts)


def context(**said: object) -> Context:
    return replace(Context(at=NOW, now=NOW), **said)  # type: ignore[arg-type]


def reasons(choice: Choice) -> Mapping[str, str | None]:
    return {c.campaign: c.excluded for c in choice.candidates}


def test_every_candidate_has_a_score_and_a_chance_or_a_reason() -> None:
    choice = decide(PLAN, person(), context(), CAMPAIGNS, KEY)
    assert reasons(choice) == {"1": None, "2": None, "3": "not running", NO_ACTION: None}
    assert sum(c.propensity for c in choice.candidates) == pytest.approx(1)
    best = choice.candidates[0]
    assert best.campaign == "1"
    assert best.score == pytest.approx(0.6 * 0.7 / (0.7**2 + 0.3**2) ** 0.5 + 0.4)
    assert choice.propensity == next(c.propensity for c in choice.candidates if c.campaign == choice.chosen)


def test_the_same_question_has_the_same_answer() -> None:
    twice = [decide(PLAN, person(), context(basket=b), CAMPAIGNS, KEY) for b in (("a", "b"), ("b", "a"))]
    assert twice[0] == twice[1]
    assert decide(PLAN, person(), context(), CAMPAIGNS[::-1], KEY) == decide(PLAN, person(), context(), CAMPAIGNS, KEY)


def test_choices_come_as_often_as_their_chances_say() -> None:
    moments = [NOW + timedelta(seconds=i) for i in range(4_000)]
    choices = [decide(PLAN, person(), context(at=at), CAMPAIGNS, KEY) for at in moments]
    share = sum(c.chosen == "1" for c in choices) / len(choices)
    assert share == pytest.approx(choices[0].candidates[0].propensity, abs=0.02)


def test_epsilon_tries_something_else_as_often_as_said() -> None:
    choice = decide(replace(PLAN, exploration=Exploration("epsilon", 0.3)), person(), context(), CAMPAIGNS, KEY)
    assert [c.propensity for c in choice.candidates if c.excluded is None] == pytest.approx([0.8, 0.1, 0.1])


def test_without_consent_nothing_is_done_and_nothing_is_looked_at() -> None:
    choice = decide(PLAN, person(consent=NO), context(), CAMPAIGNS, KEY)
    assert (choice.chosen, choice.propensity, choice.because) == (NO_ACTION, 1.0, "consent")
    assert {c.excluded for c in choice.candidates if c.campaign != NO_ACTION} == {"consent"}
    assert {c.parts.get("affinity", 0.0) for c in choice.candidates} == {0.0}


def test_the_holdout_is_left_alone_for_ever_and_is_as_large_as_said() -> None:
    plan = replace(PLAN, holdout=0.1)
    held = [name for name in map(str, range(5_000)) if in_holdout(plan, name, KEY)]
    assert len(held) / 5_000 == pytest.approx(0.1, abs=0.015)
    choice = decide(plan, person(held[0]), context(), CAMPAIGNS, KEY)
    assert (choice.chosen, choice.holdout, choice.because) == (NO_ACTION, True, "holdout")


def test_a_contact_too_many_is_not_made() -> None:
    recent, old = NOW - timedelta(days=6), NOW - timedelta(days=7)
    assert decide(PLAN, person(contacts=(recent,)), context(), CAMPAIGNS, KEY).because == "cap"
    assert decide(PLAN, person(contacts=(old,)), context(), CAMPAIGNS, KEY).because == "softmax"


def test_a_channel_that_is_not_served_gets_no_action() -> None:
    plan = replace(PLAN, channels=frozenset({"web"}))
    assert decide(plan, person(), context(channel="till"), CAMPAIGNS, KEY).because == "channel"
    assert decide(plan, person(), context(channel="web"), CAMPAIGNS, KEY).because == "softmax"


def test_a_rule_concerns_the_campaigns_it_names() -> None:
    rule = Rule({"type": frozenset({"B"})}, Trait(Comparison("orders", ">", 10.0)))
    choice = decide(replace(PLAN, rules=(rule,)), person(), context(), CAMPAIGNS, KEY)
    assert reasons(choice)["1"] == "condition"
    assert reasons(choice)["2"] is None


def test_nothing_eligible_means_no_action() -> None:
    choice = decide(PLAN, person(), context(), (AUTUMN,), KEY)
    assert (choice.chosen, choice.because) == (NO_ACTION, "nothing eligible")
    assert decide(PLAN, person(), context(), (), KEY).chosen == NO_ACTION


@pytest.mark.parametrize(
    ("day", "yearly", "expected"),
    [
        (date(2017, 3, 3), False, True), (date(2018, 3, 3), False, False), (date(2031, 4, 9), True, True),
        (date(2031, 4, 10), True, False),
    ],
)  # fmt: skip
def test_a_yearly_campaign_runs_on_the_same_days(day: date, *, yearly: bool, expected: bool) -> None:
    assert running(SPRING, day, yearly=yearly) is expected


def test_a_campaign_over_new_year_runs_on_both_sides_of_it() -> None:
    winter = Campaign("x", date(2017, 12, 28), date(2018, 3, 1))
    assert running(winter, date(2030, 1, 5), yearly=True)
    assert running(winter, date(2030, 12, 30), yearly=True)
    assert running(winter, date(2028, 2, 29), yearly=True)
    assert not running(winter, date(2030, 6, 1), yearly=True)


def test_affinity_is_a_cosine() -> None:
    assert affinity({"a": 2.0}, {"a": 5.0}) == pytest.approx(1)
    assert affinity({"a": 1.0}, {"b": 1.0}) == 0.0
    assert affinity({}, {"a": 1.0}) == 0.0


def test_few_redemptions_of_few_people_say_little() -> None:
    lucky = Campaign("lucky", date(2017, 1, 1), date(2017, 2, 1), {}, {}, 1, 1)
    rates = redemption_rates((lucky, replace(lucky, campaign="steady", redeemers=300, reached=1_000)))
    assert rates["steady"] == pytest.approx(rates["lucky"], abs=0.05)
    assert redemption_rates(()) == {}


def test_chance_needs_the_key() -> None:
    assert chance(KEY, "a", "b") != chance(b"x" * 32, "a", "b")
    assert chance(KEY, "ab", "") != chance(KEY, "a", "b")
    assert 0 <= chance(KEY, "a") < 1
    assert "basket" not in canonical(context())
