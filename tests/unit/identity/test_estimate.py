"""Intervals: inside 0 and 1, wider for less, and right about as often as they say."""

import random

import pytest

from identity.quality.estimate import Cluster, Stratum, clustered, recall, stratified, wilson


def test_wilson_is_the_textbook_interval() -> None:
    share = wilson(0.9, 10, 10)
    assert (round(share.low, 4), round(share.high, 4)) == (0.5958, 0.9821)
    assert wilson(1.0, 20, 20).high == 1.0
    assert wilson(1.0, 20, 20).low < 0.9
    assert wilson(0.5, 0, 0) == wilson(0.5, -1, 0)


def test_one_stratum_that_is_known_whole_leaves_no_doubt() -> None:
    share = stratified([Stratum(50, 50, 40)])
    assert share is not None
    assert (share.value, share.low, share.high) == (0.8, 0.8, 0.8)


def test_what_nobody_judged_is_not_known() -> None:
    assert stratified([Stratum(50, 0, 0)]) is None
    assert recall([Stratum(50, 5, 5)], []) is None
    assert recall([Stratum(50, 5, 0)], [Stratum(50, 5, 0)]) is None
    assert clustered([Cluster(0, 0)]) is None


def test_a_large_stratum_counts_more_and_a_flawless_sample_is_not_certain() -> None:
    share = stratified([Stratum(9_000, 50, 50), Stratum(1_000, 50, 0)])
    assert share is not None
    assert share.value == 0.9
    assert share.low < 0.9 < share.high
    flawless = stratified([Stratum(9_000, 50, 50)])
    assert flawless is not None
    assert flawless.low < 0.97


def test_recall_counts_what_was_missed() -> None:
    share = recall([Stratum(900, 90, 90)], [Stratum(1_000, 100, 10)])
    assert share is not None
    assert share.value == pytest.approx(0.9)
    assert 0.8 < share.low < 0.9 < share.high < 0.96


def test_a_hundred_pairs_of_one_profile_are_one_observation() -> None:
    one = clustered([Cluster(50, 100)])
    many = clustered([Cluster(n % 2, 1) for n in range(100)])
    assert one is not None
    assert many is not None
    assert one.value == many.value == 0.5
    assert one.high - one.low > 3 * (many.high - many.low)


@pytest.mark.parametrize("size", [20, 60])
def test_the_intervals_hold_the_truth_about_as_often_as_they_say(size: int) -> None:
    chance = random.Random(size)  # noqa: S311 - seeded, not secret
    sides = {
        True: [
            [chance.random() < rate for _ in range(count)] for rate, count in ((0.99, 3_000), (0.8, 800), (0.6, 300))
        ],
        False: [[chance.random() < rate for _ in range(count)] for rate, count in ((0.01, 4_000), (0.3, 400))],
    }
    same = {side: sum(map(sum, strata)) for side, strata in sides.items()}
    truth = {"precision": same[True] / 4_100, "recall": same[True] / (same[True] + same[False])}
    held = dict.fromkeys(truth, 0)
    rounds = 300
    for _ in range(rounds):
        drawn = {
            side: [Stratum(len(s), size, sum(chance.sample(s, size))) for s in strata] for side, strata in sides.items()
        }
        shares = {"precision": stratified(drawn[True]), "recall": recall(drawn[True], drawn[False])}
        for what, share in shares.items():
            assert share is not None
            held[what] += share.low <= truth[what] <= share.high
    assert min(held.values()) >= 0.93 * rounds
