"""What may be said of blocking rules: estimates are shares of what was caught, a choice keeps to its budget."""

from hypothesis import given
from hypothesis import strategies as st

from identity.modelling.blocking import Cost, Pattern, Rule, chosen, found, identifier, recaptured, subjects

RULES: tuple[Rule, ...] = (
    ("birth_date",), ("family_name",), ("family_name", "birth_year"), ("postcode",), ("given_name", "postcode"), ("street",),
)  # fmt: skip
KINDS: tuple[Rule, ...] = (identifier("email"), identifier("card"))
CATCHERS = (*RULES[:3], *KINDS)

patterns = st.lists(
    st.builds(Pattern, st.frozensets(st.sampled_from((*RULES, *KINDS)), min_size=1), st.integers(1, 50)), max_size=12
)
costs = st.lists(
    st.builds(Cost, st.sampled_from(RULES), st.integers(0, 900), st.just(9), st.just(9), st.integers(0, 20)),
    unique_by=lambda c: c.rule,
)
sets = st.lists(st.sampled_from(RULES), unique=True)


@given(sets, patterns)
def test_recapture_counts_every_catch_that_a_rule_without_its_fields_could_find(
    rules: list[Rule], caught: list[Pattern]
) -> None:
    catches = again = 0
    for pattern in caught:
        for catcher in CATCHERS:
            apart = {r for r in rules if r != catcher and subjects(r).isdisjoint(subjects(catcher))}
            for _ in range(pattern.pairs if catcher in pattern.found_by and apart else 0):
                catches += 1
                again += bool(apart & pattern.found_by)
    said = recaptured(rules, caught, CATCHERS)
    assert (said.catches, said.again) == (catches, again)
    assert said.recall is None or 0 <= said.recall <= 1
    assert recaptured(reversed(rules), caught, CATCHERS) == said


@given(sets, st.sampled_from(RULES), patterns)
def test_more_rules_find_no_fewer(rules: list[Rule], more: Rule, caught: list[Pattern]) -> None:
    assert found(rules, caught) <= found([*rules, more], caught) <= sum(p.pairs for p in caught)
    assert recaptured(rules, caught, CATCHERS).again <= recaptured([*rules, more], caught, CATCHERS).again


@given(costs, patterns, st.integers(1, 100), st.floats(0, 20))
def test_a_choice_keeps_to_its_budget_and_takes_what_is_needed(
    offered: list[Cost], caught: list[Pattern], records: int, budget: float
) -> None:
    taken = chosen(offered, caught, CATCHERS, records, budget, given=KINDS)
    rules = [choice.cost.rule for choice in taken]
    assert len(set(rules)) == len(rules)
    assert sum(choice.cost.pairs for choice in taken) <= budget * records
    assert all(choice.cost.silenced <= 0.1 * records for choice in taken)
    for n, choice in enumerate(taken):
        assert choice.together == recaptured((*KINDS, *rules[: n + 1]), caught, CATCHERS)
    whole = recaptured((*KINDS, *rules), caught, CATCHERS).again
    for rule in rules:
        assert recaptured((*KINDS, *(r for r in rules if r != rule)), caught, CATCHERS).again < whole


@given(costs, patterns, st.integers(1, 100), st.floats(0, 20), st.randoms())
def test_a_choice_does_not_depend_on_the_order_of_what_is_offered(
    offered: list[Cost], caught: list[Pattern], records: int, budget: float, order: object
) -> None:
    taken = chosen(offered, caught, CATCHERS, records, budget)
    order.shuffle(offered)  # type: ignore[attr-defined]
    order.shuffle(caught)  # type: ignore[attr-defined]
    assert chosen(offered, caught, CATCHERS, records, budget) == taken
