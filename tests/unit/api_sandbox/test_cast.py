"""The sandbox's people: the same for a seed, nobody's, and each findable."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sandbox.cast import MOST, cast
from infra.identifiers import normalise
from infra.phones import e164


@given(seed=st.integers(0, 10_000), count=st.integers(8, 250))
def test_the_same_seed_gives_the_same_people_and_more_of_them_change_nobody(seed: int, count: int) -> None:
    few, many = cast(seed, 8), cast(seed, count)
    assert many.people[:8] == few.people
    assert (few.merged_id, few.split_id) == (many.merged_id, many.split_id)
    assert cast(seed + 1, 8).people != few.people


def test_everybody_is_nobody_and_has_identifiers_of_their_own() -> None:
    everybody = cast(7, MOST).people
    for one in everybody:
        assert re.fullmatch(r"[a-z0-9.]+@example\.(org|com|net)", one.email), one.email
        assert re.fullmatch(r"\+1 \d{3}-555-01\d\d", one.phone)
        assert one.orders
        for (_, value), normaliser in zip(one.identifiers, ("email", "phone", "code", "code", "code"), strict=True):
            assert normalise(normaliser, value, "US"), normaliser
    for place in range(5):
        assert len({one.identifiers[place] for one in everybody}) == len(everybody)
    assert len({one.id for one in everybody}) == len(everybody)
    assert e164(cast(7, 8).shared_phone, "US") not in {e164(o.phone, "US") for o in everybody}


def test_nobody_is_shown_by_their_representation() -> None:
    whole = cast(7, 8)
    for one in whole.people:
        assert one.email not in repr(whole)
        assert one.family not in repr(one)


@pytest.mark.parametrize("count", [0, 7, MOST + 1])
def test_a_cast_has_its_named_ones_and_no_more_than_there_are_numbers(count: int) -> None:
    with pytest.raises(ValueError, match="8 to 2000"):
        cast(7, count)
