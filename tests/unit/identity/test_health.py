"""A profile too large or too strange is held; a steward's tie vouches for all but its size."""

from dataclasses import replace

import pytest

from identity.clustering.health import Borders, Health, beyond, status
from identity.model import MICRO

BORDERS = Borders(size=10, density=0.2, weakest_micro=MICRO, negative_share=0.5, births=2, forenames=3, phones=4)
FIT = Health(size=10, density=0.2, weakest_micro=MICRO, negative_share=0.5, births=2, forenames=3, phones=4)


def test_what_is_at_its_border_is_published() -> None:
    assert beyond(FIT, BORDERS) == ()
    assert status(FIT, BORDERS, vouched=False) == "live"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"size": 11}, "size"),
        ({"density": 0.1999}, "density"),
        ({"weakest_micro": MICRO - 1}, "weakest"),
        ({"negative_share": 0.5001}, "negative_share"),
        ({"births": 3}, "births"),
        ({"forenames": 4}, "forenames"),
        ({"phones": 5}, "phones"),
    ],
)
def test_each_measure_alone_holds_a_profile(change: dict[str, float], name: str) -> None:
    strange = replace(FIT, **change)
    assert beyond(strange, BORDERS) == (name,)
    assert status(strange, BORDERS, vouched=False) == "held"
    # whoever tied two of its records has looked at it, but one tie is no word for thousands
    assert status(strange, BORDERS, vouched=True) == ("held" if name == "size" else "live")


def test_no_border_holds_nobody_and_no_tie_is_no_weak_one() -> None:
    odd = Health(size=9, density=0.0, weakest_micro=-MICRO, negative_share=1.0, births=9, forenames=9, phones=9)
    assert beyond(odd, Borders(size=10)) == ()
    assert beyond(replace(FIT, weakest_micro=None), BORDERS) == ()
