"""A model outlives the run that learnt it, as text that any engine reads."""

from dataclasses import replace

import pytest

from identity.errors import ForeignModel, UnevenModel
from identity.matching.registry import FORMAT, MatchModel, TrainedComparison, TrainedLevel, as_text, from_text, usable

MODEL = MatchModel(
    prior=0.001,
    one_person_at_home=0.4,
    comparisons=(
        TrainedComparison("sex", (TrainedLevel("same", 0.98, 0.5, 0.5), TrainedLevel("different", 0.02, 0.5, None))),
    ),
    floors={"given_name": 0.01},
    frequencies_digest="abc",
    records=100,
)


def test_a_model_comes_back_as_it_was() -> None:
    assert from_text(as_text(MODEL)) == MODEL
    assert from_text(as_text(MODEL)).version == MODEL.version


def test_its_name_changes_with_any_figure() -> None:
    assert replace(MODEL, prior=0.002).version != MODEL.version


def test_a_model_serves_until_it_is_outgrown() -> None:
    text = as_text(MODEL)
    assert usable(text, ("sex",), 299, 3.0)
    assert not usable(text, ("sex",), 300, 3.0)
    assert usable(text, ("sex",), 10**9, None)
    assert not usable(text, ("sex", "suffix"), 100, 3.0)
    assert not usable(text.replace(f'"format":{FORMAT}', '"format":-1'), ("sex",), 100, 3.0)


@pytest.mark.parametrize(
    ("stored", "found", "says"),
    [
        (f'"format":{FORMAT}', '"format":-1', f"it is of format -1, and this Kindred reads format {FORMAT}"),
        ('"name":"sex"', '"name":"age"', "it compares age, which this Kindred does not know"),
        ('"label":"same"', '"label":"equal"', "its levels of sex are not those that this Kindred compares"),
        ('"prior":0.001', '"priors":0.001', "it lacks prior"),
    ],
)
def test_a_model_of_another_kindred_is_refused_and_told_what_to_do(stored: str, found: str, says: str) -> None:
    text = as_text(MODEL)
    assert stored in text
    with pytest.raises(ForeignModel, match=says) as caught:
        from_text(text.replace(stored, found))
    assert "run `kindred train` to learn a new one" in str(caught.value)
    assert not usable(text.replace(stored, found), ("sex",), 100, 3.0)


def test_a_model_without_a_comparison_that_is_declared_now_is_learnt_anew() -> None:
    assert not usable(as_text(replace(MODEL, comparisons=())), ("sex",), 100, 3.0)


def test_levels_that_do_not_fit_the_comparison_are_told() -> None:
    assert MODEL.comparison("sex", 2).name == "sex"
    with pytest.raises(UnevenModel, match="has 2 levels for sex, the configuration 3"):
        MODEL.comparison("sex", 3)
    with pytest.raises(UnevenModel, match="has 0 levels for age"):
        MODEL.comparison("age", 1)
