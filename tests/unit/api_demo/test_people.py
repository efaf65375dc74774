"""The invented people: traps are traps, and what hands do to names and numbers stays within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from api.demo.chance import dice, scattered
from api.demo.households import Traps
from api.demo.journey import Journey, household_order
from api.demo.slips import mailbox_typo, phone_as_typed, typo
from api.demo.world import World, build_world
from infra.identifiers import normalise


def built(journey: Journey, count: int) -> World:
    return build_world(7, journey, count)


def test_a_longer_world_begins_with_the_shorter_one(journey: Journey) -> None:
    assert built(journey, 60).households[:25] == built(journey, 25).households


def test_all_households_are_in_the_order_once(journey: Journey) -> None:
    order = household_order(journey, 7)
    assert sorted(order) == sorted(int(i) for i in set(journey.lines["household_id"]))
    assert order != household_order(journey, 8)


def test_mailboxes_and_phones_belong_to_one_household(journey: Journey) -> None:
    whose: dict[str, int] = {}
    for household in built(journey, 250).households:
        for person in household.people:
            for value in (*person.emails, person.mobile, person.former_mobile, person.landline):
                if value:
                    assert whose.setdefault(value, household.household_id) == household.household_id


def test_traps_are_what_they_are_called(journey: Journey) -> None:
    world = built(journey, 120)
    by_id = {p.person_id: p for p in world.people}
    kinds = {h.trap for h in world.households}
    assert {"twins", "father_son", "namesake", "shared_tablet", "shared_email"} <= kinds
    for household in world.households:
        first, last = household.people[0], household.people[-1]
        if household.trap == "twins":
            twin = household.people[-2]
            assert (twin.birth_date, twin.family) == (last.birth_date, last.family)
            assert twin.given != last.given
        if household.trap == "father_son":
            assert (first.given, first.family) == (last.given, last.family)
            assert first.birth_date.year + 18 < last.birth_date.year
        if household.namesake_of:
            other = by_id[household.namesake_of]
            assert (first.given, first.family) == (other.given, other.family)
            assert first.household_id != other.household_id


def test_household_sizes_follow_the_demographics(journey: Journey) -> None:
    for household in built(journey, 250).households:
        known = journey.demographics.get(household.household_id)
        if known:
            low, high = (5, 6) if known["household_size"] == "5+" else (int(known["household_size"] or 0),) * 2
            assert low <= len(household.people) <= high


@given(st.lists(st.integers(1, 4), min_size=1, max_size=60))
def test_a_trap_goes_only_where_it_fits(sizes: list[int]) -> None:
    traps = Traps()
    dealt = [traps.deal(position, size) for position, size in enumerate(sizes, start=3)]
    assert all(size > 1 or trap in {None, "namesake"} for size, trap in zip(sizes, dealt, strict=True))


@given(st.integers(0, 10_000), st.integers(4, 10))
def test_scattered_numbers_differ_and_have_their_length(first: int, digits: int) -> None:
    numbers = [scattered(7, "card", first + n, digits) for n in range(40)]
    assert len(set(numbers)) == 40
    assert {len(str(n)) for n in numbers} == {digits}


@given(st.integers(0), st.integers(0, 99))
def test_every_spelling_of_a_phone_is_the_same_number(seed: int, line: int) -> None:
    number = f"+161455501{line:02d}"
    assert normalise("phone", phone_as_typed(dice(seed, "hand"), number)) == number


@given(st.integers(0), st.text("abcdefghijklmnop.", min_size=1, max_size=20))
def test_a_slip_is_one_slip_and_stays_in_its_domain(seed: int, local: str) -> None:
    rng = dice(seed, "hand")
    assert abs(len(typo(rng, local)) - len(local)) <= 1
    assert mailbox_typo(rng, f"{local}@example.org").endswith("@example.org")
