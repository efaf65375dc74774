"""Households as they are: what must come together, what must not, with the figures as declared."""

from collections.abc import Callable
from typing import Any

import pytest

Resolve = Callable[..., Any]
ANN = {
    "given_name": "Ann",
    "family_name": "Carver",
    "birth_date": "1980-02-03",
    "street": "5 Elm St",
    "postcode": "43017",
}
BOB = {
    "given_name": "Robert",
    "family_name": "Carver",
    "birth_date": "1978-07-09",
    "street": "5 Elm St",
    "postcode": "43017",
}


def test_one_person_in_many_spellings_is_one(resolved: Resolve, told: Any) -> None:
    found = resolved(
        [
            told("crm", BOB, {"email": "rob.carver@example.org"}),
            told("loyalty", {"full_name": "Carver, Bob", "birth_date": "7/9/1978", "postcode": "43017-1111"}),
            told(
                "shop",
                {"given_name": "ROBERT", "family_name": "Carver", "street": "5 Elm Street"},
                {"email": "rob.carver@example.org"},
            ),
            told("news", {"given_name": "Bob"}, {"email": "Rob.Carver@example.org".lower()}),
        ]
    )
    assert found.together("crm", "loyalty", "shop", "news")


def test_spouses_who_share_address_phone_card_and_mailbox_are_two(resolved: Resolve, told: Any) -> None:
    shared = {"email": "carvers@example.org", "phone": "+16145550101", "loyalty": "28123"}
    found = resolved([told("ann", ANN, shared), told("bob", BOB, shared)])
    assert not found.together("ann", "bob")


def test_twins_are_two(resolved: Resolve, told: Any) -> None:
    twin = {**ANN, "given_name": "Julia", "birth_date": "1980-02-03"}
    shared = {"phone": "+16145550101"}
    assert not resolved([told("ann", ANN, shared), told("julia", twin, shared)]).together("ann", "julia")


def test_father_and_son_of_one_name_are_two(resolved: Resolve, told: Any) -> None:
    son = {**BOB, "birth_date": "2003-01-02"}
    shared = {"phone": "+16145550101"}
    assert not resolved([told("father", BOB, shared), told("son", son, shared)]).together("father", "son")


def test_senior_and_junior_are_two_without_birth_dates(resolved: Resolve, told: Any) -> None:
    plain = {k: v for k, v in BOB.items() if k != "birth_date"}
    found = resolved([told("sr", {**plain, "suffix": "Sr"}), told("jr", {**plain, "suffix": "Jr."})])
    assert not found.together("sr", "jr")


def test_namesakes_far_apart_are_two(resolved: Resolve, told: Any) -> None:
    other = {
        "given_name": "Ann",
        "family_name": "Carver",
        "birth_date": "1951-11-30",
        "street": "9 Bay Rd",
        "postcode": "90210",
    }
    assert not resolved([told("here", ANN), told("there", other)]).together("here", "there")


def test_a_changed_surname_and_a_move_stay_one_by_mailbox_and_birth_date(resolved: Resolve, told: Any) -> None:
    married = {**ANN, "family_name": "Oyelaran", "street": "77 Depot St", "postcode": "43004"}
    mail = {"email": "ann80@example.org"}
    assert resolved([told("before", ANN, mail), told("after", married, mail)]).together("before", "after")


def test_a_card_at_the_till_follows_its_only_owner(resolved: Resolve, told: Any) -> None:
    found = resolved(
        [
            told("ann", ANN, {"loyalty": "28123"}),
            told("bob", BOB, {"loyalty": "28777"}),
            told("till", {}, {"loyalty": "28123"}),
        ]
    )
    assert found.together("ann", "till")
    assert not found.together("bob", "till")


def test_a_card_that_two_people_show_joins_nobody(resolved: Resolve, told: Any) -> None:
    card = {"loyalty": "28123"}
    found = resolved([told("ann", ANN, card), told("bob", BOB, card), told("till", {}, card)])
    assert not found.together("ann", "bob")
    assert not found.together("ann", "till")
    assert found.why["ann", "till"] == "shared"


def test_an_anonymous_device_follows_one_person_and_never_two(resolved: Resolve, told: Any) -> None:
    device = {"device": "d1"}
    alone = resolved([told("ann", ANN, device), told("anon", {}, device, known=False)])
    assert alone.together("ann", "anon")
    two = resolved([told("ann", ANN, device), told("bob", BOB, device), told("anon", {}, device, known=False)])
    assert not two.together("ann", "bob")
    assert not two.together("ann", "anon")


@pytest.mark.parametrize("email", ["test@test.com", "noreply@example.com", "info@example.org"])
def test_placeholders_link_nobody(resolved: Resolve, told: Any, email: str) -> None:
    people = [told(f"p{i}", {"given_name": "Max", "family_name": f"Odd{i}"}, {"email": email}) for i in range(4)]
    assert len({resolved(people).cluster_of.get(f"p{i}", f"p{i}") for i in range(4)}) == 4


def test_a_value_that_too_many_records_share_links_nobody(resolved: Resolve, told: Any) -> None:
    crowd = [told(f"p{i:02d}", {"given_name": "Kim"}, {"email": "kiosk@example.org"}) for i in range(30)]
    assert not resolved(crowd).together("p00", "p01")


def test_a_steward_has_the_last_word(resolved: Resolve, told: Any, must_link: Any) -> None:
    records = [told("ann", ANN), told("bob", BOB)]
    assert not resolved(records).together("ann", "bob")
    assert resolved(records, must_link("ann", "bob")).together("ann", "bob")
    assert not resolved(records, must_link("ann", "gone")).together("ann", "bob")


def test_nothing_and_nobody_are_fine(resolved: Resolve, told: Any) -> None:
    assert resolved([]).cluster_of == {}
    assert resolved([told("ann", ANN)], trained=True).together("ann")
    assert resolved([told("a", {}), told("b", {})], trained=True).cluster_of == {}


def test_a_crowd_that_hangs_together_is_cut_at_higher_weights(
    resolved: Resolve, told: Any, identity_config: Any
) -> None:
    small = identity_config.model_copy(update={"limits": identity_config.limits.model_copy(update={"jumbo": 2})})
    same = [told(f"p{i}", ANN, {"email": "ann80@example.org"}) for i in range(3)]
    assert resolved(same, config=small).cluster_of is not None
