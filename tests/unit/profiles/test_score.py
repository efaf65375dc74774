from profiles.score import quintile


def test_ten_people_fill_five_fifths() -> None:
    assert [quintile(v, range(10)) for v in range(10)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_those_who_tie_share_the_lower_score() -> None:
    assert {quintile(1, [1] * 9 + [2])} == {1}
    assert quintile(2, [1] * 9 + [2]) == 5


def test_a_value_above_everybody_is_among_the_best() -> None:
    assert quintile(99, [1, 2, 3]) == 5


def test_nobody_to_compare_with() -> None:
    assert quintile(7, []) == 1
