from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from profiles.model import Claim, Rule
from profiles.survive import survivor

RULES: tuple[Rule, ...] = ("most_trusted", "most_recent", "most_frequent", "longest")
claims = st.lists(
    st.builds(
        Claim,
        value=st.sampled_from(["Ann", "Anna", "Bea", "Zoë"]),
        source=st.sampled_from(["crm", "shop"]),
        record_key=st.sampled_from(["r1", "r2", "r3"]),
        observed_at=st.integers(0, 3).map(lambda d: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=d)),
        trust=st.sampled_from([0.0, 0.5, 0.9]),
    ),
    max_size=8,
)
orders = st.permutations(RULES).flatmap(lambda rules: st.integers(1, 4).map(lambda n: tuple(rules[:n])))


@given(claims, orders, st.randoms(use_true_random=False))
def test_order_of_arrival_never_matters(said: list[Claim], rules: tuple[Rule, ...], random: Random) -> None:
    assert survivor(said, rules) == survivor(random.sample(said, len(said)), rules)


@given(claims, orders)
def test_the_believed_value_was_claimed_by_the_named_record(said: list[Claim], rules: tuple[Rule, ...]) -> None:
    believed = survivor(said, rules)
    assert (believed is None) == (not said)
    assert believed is None or (believed.claim in said and 0 <= believed.confidence <= 1)


@given(claims, orders)
def test_more_agreement_never_costs_confidence(said: list[Claim], rules: tuple[Rule, ...]) -> None:
    believed = survivor(said, rules)
    if believed is None:
        return
    best = believed.claim
    echo = Claim(best.value, best.source, "r9", best.observed_at, best.trust)
    again = survivor([*said, echo], rules)
    assert again is not None
    assert again.claim.value == best.value
    assert again.confidence >= believed.confidence
