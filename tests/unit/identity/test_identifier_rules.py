"""Limits and hand-overs in stories; a type of which a person has one value only, through the whole resolution."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from identity.clustering.limits import Limit, broken, by_type
from identity.config import IdentityConfig
from identity.cookies.validity import Sighting, holder, shared, tenancies
from identity.model import Seen
from infra.identifiers import IdentifierType
from infra.ids import RecordKey, Token

DAY = 86_400
Resolve = Callable[..., Any]
ANN = {
    "given_name": "Ann",
    "family_name": "Carver",
    "birth_date": "1980-02-03",
    "street": "5 Elm St",
    "postcode": "43017",
}


def moment(year: int, month: int = 1, day: int = 1) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def seen(token: str, first: int, last: int) -> Seen:
    return Seen("phone", Token(token), first, last)


def test_nine_phones_in_a_life_are_a_life_and_nine_in_a_week_are_a_crowd() -> None:
    life = by_type(seen(f"t{n}", moment(2005 + n), moment(2006 + n)) for n in range(9))
    week = by_type(seen(f"t{n}", moment(2026, 1, 1 + n % 7), moment(2026, 1, 1 + n % 7)) for n in range(9))
    limits = {"phone": Limit(5, 7)}
    assert broken(life, {}, limits) == ""
    assert broken(week, {}, limits) == "phone"
    assert broken(life, {}, {"phone": Limit(8)}) == "phone"
    assert broken(life, {}, {"phone": Limit(9)}) == ""


def test_where_it_is_not_known_when_it_counts_as_always() -> None:
    unknown = by_type(Seen("phone", Token(f"t{n}")) for n in range(3))
    assert broken(unknown, {}, {"phone": Limit(2, 7)}) == "phone"


def test_one_value_seen_again_and_again_is_one() -> None:
    again = by_type(seen("t", moment(2026, 1, n), moment(2026, 1, n)) for n in range(1, 20))
    assert broken(again, {}, {"phone": Limit(1, 7)}) == ""


def test_a_number_that_was_given_to_somebody_else_ties_nobody_to_its_former_holder() -> None:
    number = Token("1:phone")
    before = [
        Sighting(number, RecordKey("ann-crm"), moment(2015), moment(2019, 6)),
        Sighting(number, RecordKey("ann-shop"), moment(2018), moment(2019, 8)),
    ]
    after = [
        Sighting(number, RecordKey("bob-crm"), moment(2020, 3), moment(2026)),
        Sighting(number, RecordKey("bob-till"), moment(2024), moment(2024)),
    ]
    pause = 90 * DAY
    assert shared([*before, *after], pause) == {("ann-crm", "ann-shop"), ("bob-crm", "bob-till")}
    held = tenancies([*before, *after], pause)
    assert [sorted(t.records) for t in held] == [["ann-crm", "ann-shop"], ["bob-crm", "bob-till"]]
    assert holder(held, number, moment(2019, 12)) == held[0]
    assert holder(held, number, moment(2020, 3)) == held[1]
    assert holder(held, number, moment(2014)) is None


def test_who_shows_a_number_again_after_years_has_kept_it() -> None:
    number = Token("1:phone")
    found = [
        Sighting(number, RecordKey("ann-crm"), moment(2015), moment(2015)),
        Sighting(number, RecordKey("ann-till"), moment(2020), moment(2020)),
        Sighting(number, RecordKey("ann-crm"), moment(2025), moment(2025)),
    ]
    assert shared(found, 90 * DAY) == {("ann-crm", "ann-till")}


@pytest.fixture
def one_each(identity_config: IdentityConfig) -> IdentityConfig:
    """The template with a passport number, of which a person has one."""
    passport = IdentifierType(normaliser="code", strength="decisive", limit=1)
    return identity_config.model_copy(update={"identifiers": {**identity_config.identifiers, "passport": passport}})


def test_two_values_of_a_unique_type_are_two_persons_however_alike(
    resolved: Resolve, told: Any, one_each: IdentityConfig
) -> None:
    mail = {"email": "ann80@example.org"}
    twins = [told("a", ANN, {**mail, "passport": "P1"}), told("b", ANN, {**mail, "passport": "P2"})]
    found = resolved(twins, config=one_each)
    assert not found.together("a", "b")
    assert found.why["a", "b"] == "limit:passport"


def test_one_value_of_a_unique_type_is_no_hindrance(resolved: Resolve, told: Any, one_each: IdentityConfig) -> None:
    mail = {"email": "ann80@example.org"}
    passport = {**mail, "passport": "P1"}
    same = [told("a", ANN, passport), told("b", ANN, passport), told("c", ANN, mail)]
    assert resolved(same, config=one_each).together("a", "b", "c")


def test_a_record_without_the_value_goes_with_one_of_two_and_never_joins_them(
    resolved: Resolve, told: Any, one_each: IdentityConfig
) -> None:
    mail = {"email": "ann80@example.org"}
    people = [
        told("a", ANN, {**mail, "passport": "P1"}),
        told("b", ANN, {**mail, "passport": "P2"}),
        told("c", ANN, mail),
    ]
    found = resolved(people, config=one_each)
    assert not found.together("a", "b")
    assert sum(found.together("c", key) for key in ("a", "b")) <= 1
