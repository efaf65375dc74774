"""What the compiler of SQL conditions refuses, and the few answers that Python alone would give differently."""

import pytest

from identity.errors import Uncompiled
from identity.matching import conditions, places
from identity.matching.comparisons import COMPARISONS
from identity.matching.described import COLUMNS

PAIR = places.of_pair(("a", "b"))


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("soundex(a_l) = soundex(a_r)", "soundex"),
        ("list_bool_or(list_transform(a_l, lambda x: x = soundex(b_r)))", "soundex"),
        ("CAST(a_l AS DATE) = CAST(a_r AS DATE)", "DATE"),
        ("a_l = c_r", "c_r"),
        ("a_l LIKE 'x%'", "Like"),
        ("a_l[-1] = 'x'", "a_l"),
    ],
)
def test_what_has_no_python_fails_by_name_when_it_is_compiled(sql: str, named: str) -> None:
    with pytest.raises(Uncompiled, match=named):
        conditions.condition(sql, PAIR)


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_comparison_of_the_house_compiles(name: str) -> None:
    place = places.of_pair(COLUMNS)
    conditions.condition(COMPARISONS[name].null, place)
    for level in COMPARISONS[name].levels:
        conditions.condition(level.condition, place)


def test_a_year_that_is_none_fails_as_it_does_in_duckdb() -> None:
    with pytest.raises(ValueError, match="text of 3 characters"):
        conditions.condition("CAST(a_l AS INTEGER) = 1", PAIR)(("xyz", None), (None, None))
    assert conditions.value("TRY_CAST(a_l AS INTEGER)", PAIR)(("xyz", None), (None, None)) is None


def test_unknown_is_neither_true_nor_false() -> None:
    unknown = (None, None)
    for sql in ("a_l = a_r", "NOT a_l = a_r", "a_l <> a_r", "a_l = a_r OR b_l = 'x'"):
        assert conditions.value(sql, PAIR)(unknown, unknown) is None
        assert conditions.condition(sql, PAIR)(unknown, unknown) is False
    assert conditions.value("a_l = a_r OR 1 = 1", PAIR)(unknown, unknown) is True
    assert conditions.value("a_l = a_r AND 1 = 2", PAIR)(unknown, unknown) is False
