"""Bad identities as customer data platforms meet them: who must not become one person, and who must, by default.

The values and situations are those that the published documentation of such platforms warns of.
"""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import pytest

from identity.clustering.health import Health, status
from identity.config import health_borders
from infra.identifiers import usable

Resolve = Callable[..., Any]

NOBODY = [
    "null", "none", "None", "undefined", "NaN", "[object Object]", "anonymous", "guest", "-1", "0", "000", "0000-0000",
    "----", "- -", "   ", "\u00a0", "invalid", "not set", "(not set)", "unknown", "user_null", "user_undefined", "void",
    "abc123", "true", "email", "test@test.com", "null@example.org",
]  # fmt: skip
SURNAMES = (
    "Carver",
    "Oyelaran",
    "Lindqvist",
    "Petrov",
    "Nakamura",
    "Abara",
    "Castellano",
    "Whitcombe",
    "Zielinski",
    "Moreau",
)
GIVEN = ("Ann", "Tunde", "Elsa", "Igor", "Yuki", "Chidi", "Rosa", "Margaret", "Pawel", "Claire")


def person(number: int) -> dict[str, str]:
    """Return what somebody says of themselves; nobody else says any of it."""
    return {
        "given_name": GIVEN[number % 10],
        "family_name": SURNAMES[number % 10] + ("" if number < 10 else "sdottir"),
        "birth_date": f"{1931 + 17 * number % 75}-{1 + number % 12:02d}-{1 + 2 * number % 28:02d}",
        "street": f"{11 + 13 * number} {('Elm', 'Oak', 'Bay', 'Hill')[number % 4]} Street",
        "postcode": f"{43001 + 1117 * number}",
    }


def nobody_joined(found: Any, keys: list[str]) -> bool:
    return not any(found.together(a, b) for a, b in combinations(keys, 2))


@pytest.fixture
def kept(identity_config: Any) -> Callable[..., Mapping[str, str]]:
    """Return what is left of identifiers once those that stand for nobody are out, as ingestion leaves them out."""

    def left(**written: str) -> Mapping[str, str]:
        found = {kind: usable(identity_config.identifiers, kind, raw) for kind, raw in written.items()}
        return {kind: value for kind, value in found.items() if value is not None}

    return left


@pytest.mark.parametrize("value", NOBODY)
def test_a_stand_in_is_nobodys_name(identity_config: Any, value: str) -> None:
    for kind in identity_config.identifiers:
        for written in (value, f" {value} ", value.upper(), value.title()):
            assert usable(identity_config.identifiers, kind, written) is None, kind


@pytest.mark.parametrize("value", ["abc-1234-567", "U-100482", "emailia.rossi", "guesthouse-7", "void@example.org"])
def test_what_only_looks_like_one_is_a_name(identity_config: Any, value: str) -> None:
    kind = "email" if "@" in value else "account"
    assert usable(identity_config.identifiers, kind, value) is not None


def test_who_shares_a_stand_in_shares_nothing(resolved: Resolve, told: Any, kept: Any) -> None:
    types = ("customer", "account", "loyalty", "email", "phone", "cookie", "device")
    said = [kept(**dict.fromkeys(types, value)) for value in NOBODY]
    people = [told(f"p{n}", person(n % 2), one) for n, one in enumerate(said[:2])]
    bare = [told(f"b{n}", {}, one, known=bool(n % 2)) for n, one in enumerate(said)]
    assert nobody_joined(resolved([*people, *bare]), [r.key for r in (*people, *bare)])


def test_a_tablet_in_the_shop_joins_neither_customers_nor_passers_by(resolved: Resolve, told: Any) -> None:
    tablet = {"device": "ipad-till-3", "cookie": "c-shop-3"}
    staff = [told(f"p{n}", person(n), {"account": f"W{n}", **tablet}) for n in range(20)]
    passers = [told(f"a{n}", {}, tablet, known=False) for n in range(5)]
    found = resolved([*staff, *passers])
    assert nobody_joined(found, [r.key for r in staff])
    assert not any(found.together(p.key, a.key) for p in staff for a in passers)


def test_a_household_s_phone_does_not_make_one_of_two(resolved: Resolve, told: Any) -> None:
    line = {"phone": "+16145550101"}
    home = {"street": "5 Elm St", "postcode": "43017"}
    ann = {"given_name": "Ann", "family_name": "Carver", "birth_date": "1980-02-03", **home}
    rob = {"given_name": "Robert", "family_name": "Carver", "birth_date": "1978-07-09", **home}
    without = {k: v for k, v in rob.items() if k != "birth_date"}
    found = resolved(
        [
            told("ann-crm", ann, line),
            told("ann-shop", {**ann, "given_name": "Anne"}, line),
            told("rob-crm", rob, line),
            told("rob-shop", without, {**line, "email": "rob.carver@example.org"}),
            told("till", {}, line),
        ]
    )
    assert found.together("ann-crm", "ann-shop")
    assert found.together("rob-crm", "rob-shop")
    assert not found.together("ann-crm", "rob-crm")
    assert not found.together("till", "ann-crm")
    assert not found.together("till", "rob-crm")


def test_a_kiosk_s_laptop_joins_nobody(resolved: Resolve, told: Any) -> None:
    logins = [told(f"l{n}", {}, {"account": f"W{n}", "cookie": "c-kiosk"}) for n in range(8)]
    people = [told(f"p{n}", person(n), {"account": f"W{n}"}) for n in range(8)]
    found = resolved([*logins, *people, told("anon", {}, {"cookie": "c-kiosk"}, known=False)])
    assert all(found.together(f"l{n}", f"p{n}") for n in range(8))
    assert nobody_joined(found, [*(f"p{n}" for n in range(8)), "anon"])


def test_a_couple_on_one_tablet_stays_two_and_who_browses_between_is_neither(resolved: Resolve, told: Any) -> None:
    home = {"street": "5 Elm St", "postcode": "43017", "family_name": "Carver"}
    device = {"device": "tablet-1"}
    found = resolved(
        [
            told("ann", {**home, "given_name": "Ann", "birth_date": "1980-02-03"}, {"account": "WA"}),
            told("rob", {**home, "given_name": "Robert", "birth_date": "1978-07-09"}, {"account": "WB"}),
            told("ann-login", {}, {"account": "WA", **device}),
            told("rob-login", {}, {"account": "WB", **device}),
            told("between", {}, device, known=False),
        ]
    )
    assert found.together("ann", "ann-login")
    assert found.together("rob", "rob-login")
    assert nobody_joined(found, ["ann", "rob", "between"])


def test_one_device_two_logins_and_then_a_visitor_are_three(resolved: Resolve, told: Any) -> None:
    device = {"device": "d-7"}
    logins = [told(f"l{n}", {}, {"account": f"W{n}", **device}) for n in range(2)]
    assert nobody_joined(resolved([*logins, told("visitor", {}, device, known=False)]), ["l0", "l1", "visitor"])


def test_one_device_with_one_login_is_its_visitor_s(resolved: Resolve, told: Any) -> None:
    device = {"device": "d-7"}
    login = told("login", {}, {"account": "W1", **device})
    found = resolved([told("ann", person(0), {"account": "W1"}), login, told("visitor", {}, device, known=False)])
    assert found.together("ann", "login", "visitor")


@pytest.mark.parametrize("later", [{}, {"given_name": "Ann"}, {"family_name": "Carver"}])
def test_a_phone_number_given_to_somebody_else_carries_nobody_over(
    resolved: Resolve, told: Any, later: Mapping[str, str]
) -> None:
    number = {"phone": "+16145550117"}
    holder = {**person(3), **later}
    found = resolved(
        [
            told("before", person(0), {**number, "email": "ann.carver@example.org"}),
            told("before-shop", person(0), {"email": "ann.carver@example.org"}),
            told("after", holder, {**number, "email": "somebody.else@example.net"}),
            told("after-shop", holder, {"email": "somebody.else@example.net"}),
            told("call", {}, number),
        ]
    )
    assert found.together("before", "before-shop")
    assert found.together("after", "after-shop")
    assert nobody_joined(found, ["before", "after", "call"])


@pytest.mark.parametrize("records", [2, 10, 60])
@pytest.mark.parametrize("kind", ["customer", "account"])
def test_a_test_user_s_id_left_in_the_release_joins_nobody(
    resolved: Resolve, told: Any, kind: str, records: int
) -> None:
    # they shop in one town: that is nothing that two records of one person have in common alone
    town = {"city": "Dublin", "postcode": "43017"}
    people = [
        told(f"p{n}", person(n % 20) | {"street": f"{n} Quay", **town}, {kind: "77001"})
        for n in range(min(records, 20))
    ]
    crowd = [told(f"b{n}", {}, {kind: "77001"}) for n in range(records - len(people))]
    assert nobody_joined(resolved([*people, *crowd]), [r.key for r in people])


@pytest.mark.parametrize(
    "later",
    [
        {"family_name": "Smith", "street": "9 Depot Road", "postcode": "90210"},
        {"given_name": "Peggy", "family_name": "Smith", "birth_date": "1999-12-31", "postcode": "90210"},
        {"given_name": "Zoltan", "family_name": "Smith", "postcode": "90210"},
        {"given_name": "Magraret", "birth_date": "1957-09-05"},
    ],
    ids=["married and moved", "nickname", "another name, born the same day", "misspelt"],
)
def test_a_customer_s_number_stands_what_one_person_may_change(
    resolved: Resolve, told: Any, later: Mapping[str, str]
) -> None:
    number = {"customer": "77001"}
    assert resolved([told("then", person(7), number), told("now", person(7) | later, number)]).together("then", "now")


def test_a_number_shared_by_names_alone_joins_them_and_health_holds_them_back(
    resolved: Resolve, told: Any, identity_config: Any
) -> None:
    """Where no date of birth denies it, a decisive identifier decides: what it joins is not published."""
    names = [{"given_name": given, "family_name": family} for given, family in zip(GIVEN, SURNAMES, strict=True)]
    found = resolved([told(f"p{n}", said, {"account": "77001"}) for n, said in enumerate(names)])
    assert found.together(*(f"p{n}" for n in range(10)))
    health = Health(10, density=1, weakest_micro=None, negative_share=0, births=0, forenames=10, phones=0)
    assert status(health, health_borders(identity_config), vouched=False) == "held"


def test_the_same_person_is_found_through_every_mask(resolved: Resolve, told: Any) -> None:
    ann = person(7)
    found = resolved(
        [
            told("crm", ann, {"email": "m.whitcombe@example.org", "phone": "+16145550142"}),
            told("guest", {"given_name": "Peggy", "family_name": "Whitcombe", "postcode": ann["postcode"]},
                 {"phone": "+16145550142"}),
            told("news", {"given_name": "margaret"}, {"email": "m.whitcombe@example.org"}),
            told("moved", {**ann, "street": "9 Depot Road", "postcode": "90210"}, {"phone": "+16145550142"}),
        ]
    )  # fmt: skip
    assert found.together("crm", "guest", "news", "moved")
