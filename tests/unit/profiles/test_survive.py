from datetime import UTC, datetime, timedelta

import pytest

from profiles.model import Claim, Rule
from profiles.survive import survivor

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def claim(value: str, source: str = "crm", *, day: int = 0, trust: float = 0.5, record: str = "") -> Claim:
    return Claim(value, source, record or f"{source}-{day}", DAY + timedelta(days=day), trust)


def test_nobody_claims_anything() -> None:
    assert survivor([], ("longest",)) is None


@pytest.mark.parametrize(
    ("rule", "winner"),
    [("most_trusted", "Cathy"), ("most_recent", "Kate"), ("most_frequent", "Kat"), ("longest", "Catherine")],
)
def test_each_rule_believes_another(rule: Rule, winner: str) -> None:
    claims = [
        claim("Cathy", "crm", trust=0.9),
        claim("Kate", "shop", day=9),
        claim("Kat", "web", day=1),
        claim("Kat", "till", day=2),
        claim("Catherine", "letter", day=3),
    ]
    believed = survivor(claims, (rule,))
    assert believed is not None
    assert (believed.claim.value, believed.rule) == (winner, rule)


def test_the_next_rule_decides_where_the_first_ties() -> None:
    believed = survivor([claim("Ann", day=1), claim("Anna", "web", day=2)], ("most_trusted", "most_recent"))
    assert believed is not None
    assert (believed.claim.value, believed.rule) == ("Anna", "most_recent")


def test_a_rule_that_only_chose_the_record_did_not_decide_the_value() -> None:
    claims = [claim("Ann", "a", trust=0.9, day=1), claim("Ann", "b", trust=0.9, day=5), claim("Bea", "c", trust=0.1)]
    believed = survivor(claims, ("most_trusted", "most_recent"))
    assert believed is not None
    assert (believed.claim.source, believed.rule) == ("b", "most_trusted")


def test_agreement_is_unopposed_and_as_sure_as_its_best_source() -> None:
    believed = survivor([claim("Ann", "a", trust=0.9), claim("Ann", "b", trust=0.4)], ("most_recent",))
    assert believed is not None
    assert (believed.rule, believed.confidence) == ("unopposed", 0.9)


def test_dissent_costs_confidence() -> None:
    believed = survivor([claim("Ann", "a", trust=0.9), claim("Bea", "b", trust=0.3)], ("most_trusted",))
    assert believed is not None
    assert believed.confidence == 0.675


def test_what_ties_under_all_rules_goes_to_the_first_in_the_alphabet() -> None:
    believed = survivor([claim("Bea", "a"), claim("Ann", "b")], ("most_trusted",))
    assert believed is not None
    assert (believed.claim.value, believed.rule) == ("Ann", "alphabetical")


def test_a_record_counts_once_for_a_value() -> None:
    twice = [claim("Ann", "a"), claim("Ann", "a"), claim("Bea", "b"), claim("Bea", "c")]
    believed = survivor(twice, ("most_frequent",))
    assert believed is not None
    assert believed.claim.value == "Bea"


def test_trust_in_nobody_is_no_confidence() -> None:
    believed = survivor([claim("Ann", trust=0.0)], ("longest",))
    assert believed is not None
    assert believed.confidence == 0.0
