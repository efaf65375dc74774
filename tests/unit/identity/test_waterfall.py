"""A weight as a page: all bars, all sentences, nothing fetched, nothing that markup could hide in."""

import re

from identity.explanation.explain import Evidence, apart, why
from identity.explanation.waterfall import Section, page, svg
from identity.model import MICRO, Reason
from infra.ids import RecordKey

A, B, C = RecordKey("a"), RecordKey("b"), RecordKey("c")
EDGE = Evidence(
    A, B, 5 * MICRO, "kept", "",
    (
        Reason("prior", "before anything is known", -13 * MICRO),
        Reason("given_name", "same <b>", 8 * MICRO),
        Reason("email", "shared", 24 * MICRO),
        Reason("household", "could be somebody else at home", -14 * MICRO),
    ),
)  # fmt: skip


def test_each_step_has_a_bar_and_the_last_is_the_sum() -> None:
    drawn = svg(why(EDGE))
    bars = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="\d+" width="([\d.]+)"', drawn)
    assert [style for style, _, _ in bars] == ["minus", "plus", "plus", "minus", "sum"]
    scale = float(bars[0][2]) / 13
    assert [round(float(width) / scale) for _, _, width in bars] == [13, 24, 8, 14, 5]


def test_a_weight_of_nothing_is_drawn_too() -> None:
    assert svg(why(Evidence(A, B, 0, "suppressed", "below_threshold", ()))).count("<rect") == 1


def test_a_page_fetches_nothing_and_escapes_what_it_says() -> None:
    made = page("Why", "Because <i>", [Section("a and b", why(EDGE))])
    assert not re.search(r"https?:|src=|@import|url\(|<script|<link", made)
    assert "same <b>" not in made
    assert "Because &lt;i&gt;" in made
    assert made.count("<li>") == 5


def test_two_profiles_are_held_apart_by_their_best_evidence() -> None:
    across = [Evidence(A, C, w * MICRO, "suppressed", "ambiguous", ()) for w in (1, 3)]
    elsewhere = Evidence(B, RecordKey("x"), 9 * MICRO, "suppressed", "ambiguous", ())
    assert apart([EDGE, elsewhere, *across], [A, B], [C]) == across[1]
    assert apart([EDGE], [A, B], [C]) is None
