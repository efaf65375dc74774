"""Blocking rules measured on records, against counting by hand."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from identity.config import BLOCKING_KEYS, IdentityConfig
from identity.matching.scoring import make_candidates, weigh
from identity.modelling import blocking, measuring, training
from infra.identifiers import IdentifierType

Opened = Callable[..., Any]


@pytest.fixture
def people(told: Any) -> list[Any]:
    def person(n: int, spelling: str) -> Any:
        home = {
            "family_name": f"Carver{n % 7}",
            "birth_date": f"19{60 + n % 31}-02-0{1 + n % 5}",
            "postcode": f"4301{n % 4}",
        }
        return told(
            f"{spelling}{n:03d}",
            {**home, "given_name": spelling, "street": f"{n} Elm St"},
            {"email": f"p{n}@example.org"},
        )

    return [person(n, spelling) for n in range(40) for spelling in ("Robert", "Bob")]


def test_cost_is_what_counting_by_hand_says(opened: Opened, people: list[Any], identity_config: IdentityConfig) -> None:
    connection = resolved(opened, people, identity_config)
    cap = 12
    rules: list[blocking.Rule] = [("postcode",), ("family_name", "birth_year"), ("given_form", "birth_day")]
    by_hand = {
        ("postcode",): Counter((n, r.attributes["postcode"]) for n, r in enumerate(people)),
        ("family_name", "birth_year"): Counter(
            (n, (r.attributes["family_name"], r.attributes["birth_date"][:4])) for n, r in enumerate(people)
        ),
    }
    measured = measuring.measured(connection, identity_config, rules, cap)
    assert measured.records == len(people)
    for cost in measured.costs[:2]:
        blocks = Counter(block for _, block in by_hand[cost.rule])
        assert cost.largest == max(blocks.values())
        assert cost.pairs == sum(n * (n - 1) // 2 for n in blocks.values() if n <= cap)
        assert cost.silenced == sum(n for n in blocks.values() if n > cap)
        assert cost.reached == sum(n for n in blocks.values() if 2 <= n <= cap)
    # Robert and Bob meet under their common form, and nobody else is born on each one's day of another name
    days = Counter(r.attributes["birth_date"][5:] for r in people)
    assert measured.costs[2].largest == max(days.values())
    connection.close()


def test_what_a_rule_finds_is_what_agrees_on_it(
    opened: Opened, people: list[Any], identity_config: IdentityConfig
) -> None:
    connection = resolved(opened, people, identity_config)
    measured = measuring.measured(connection, identity_config, measuring.candidate_rules(identity_config), 250)
    assert measured.likely == sum(p.pairs for p in measured.patterns) >= 40
    assert blocking.found([("street",)], measured.patterns) >= 40
    assert blocking.found([blocking.identifier("email")], measured.patterns) == 40
    assert blocking.found([("given_name",)], measured.patterns) <= measured.likely - 40
    connection.close()


def resolved(opened: Opened, people: list[Any], config: IdentityConfig) -> Any:
    """Return the records with their weighed pairs in place of the lake's edges."""
    connection = opened(people)
    make_candidates(connection, config)
    weigh(connection, training.declared(connection, config), config, "candidates", "stored_edges")
    return connection


def test_keys_of_one_field_and_two_lists_make_no_pair() -> None:
    rules = blocking.candidates(BLOCKING_KEYS, frozenset({"given_form", "phone"}))
    assert ("birth_date", "postcode") in rules
    assert ("birth_date", "birth_year") not in rules
    assert ("given_form", "phone") not in rules
    assert all(len(blocking.subjects(rule)) == len(rule) for rule in rules)
    assert set(blocking.SUBJECTS) == set(BLOCKING_KEYS)
    assert len(rules) <= len(BLOCKING_KEYS) + len(list(combinations(BLOCKING_KEYS, 2)))


def test_types_of_one_field_and_its_digest_are_one_catcher(identity_config: IdentityConfig) -> None:
    types = {
        "mail": IdentifierType(normaliser="email"),
        "mail_digest": IdentifierType(normaliser="sha256", digest_of="mail"),
        "mobile": IdentifierType(normaliser="phone"),
        "card": IdentifierType(normaliser="code"),
        "card_digest": IdentifierType(normaliser="sha256", digest_of="card"),
    }
    found = measuring.kinds(identity_config.model_copy(update={"identifiers": types}))
    assert found["mail"] == found["mail_digest"] == blocking.identifier("email")
    assert blocking.subjects(found["mobile"]) == blocking.subjects(("phone",))
    assert blocking.subjects(found["mail"]) == blocking.subjects(("handle",))
    assert found["card"] == found["card_digest"] == blocking.identifier("card")


def test_too_few_catches_tell_nothing() -> None:
    few = blocking.Pattern(frozenset({("birth_date",), blocking.identifier("email")}), blocking.FEWEST - 1)
    assert blocking.recaptured([("birth_date",)], [few], [blocking.identifier("email")]).recall is None
    assert blocking.recaptured([("birth_date",)], [few, few], [blocking.identifier("email")]).recall == 1.0


def test_what_is_pasted_is_a_configuration(identity_config: IdentityConfig) -> None:
    from ruamel.yaml import YAML

    text = blocking.as_yaml([("birth_date",), ("family_name", "given_start")], 250)
    pasted = IdentityConfig.model_validate({"identifiers": {}, **YAML(typ="safe").load(text)})
    assert pasted.blocking == (("birth_date",), ("family_name", "given_start"))
    assert pasted.limits == identity_config.limits
