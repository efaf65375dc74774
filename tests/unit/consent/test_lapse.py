from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from consent.lapse import Span, lapsed, lifetimes, seen_from
from consent.model import Policy

SPAN = ("2026-06", "2026-12")

# What was said under one sid, and what has run out between June and December.
CASES = (
    ("nothing ends", "ann | given | personalization | 2026-01", ()),
    ("a yes runs out", "ann | given | personalization | 2026-01 | expires_at=2026-09", ("personalization",)),
    ("it ran out before the build", "ann | given | personalization | 2026-01 | expires_at=2026-05", ()),
    ("it ends at the build's own moment", "ann | given | personalization | 2026-01 | expires_at=2026-06", ()),
    ("it ends this very moment", "ann | given | personalization | 2026-01 | expires_at=2026-12", ("personalization",)),
    ("the policy's days are over", "ann | given | personalization | 2024-09", ("personalization",)),
    (
        "a newer yes holds",
        "ann | given | personalization | 2026-01 | expires_at=2026-09; ann | given | personalization | 2026-08",
        (),
    ),
    (
        "a newer yes about something else does not",
        "ann | given | personalization | 2026-01 | expires_at=2026-09; ann | given | email_marketing | 2026-08",
        ("personalization",),
    ),
    (
        "somebody says that it no longer counts",
        "ann | given | personalization | 2026-01; ann | invalidated | all | 2026-09",
        ("personalization",),
    ),
    (
        "a yes to everything ends where a yes is needed",
        "ann | given | all | 2026-01 | expires_at=2026-09",
        ("personalization", "email_marketing", "advertising"),
    ),
    ("who needs no yes loses none", "ann | given | analytics | 2026-01 | expires_at=2026-09", ()),
    (
        "the refusal that it had lifted stands again",
        "ann | objected | analytics | 2026-01; ann | given | analytics | 2026-02 | expires_at=2026-09",
        ("analytics",),
    ),
    ("what was withdrawn is not ours to tell", "ann | withdrawn | personalization | 2026-09", ("personalization",)),
)


@pytest.mark.parametrize(("words", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_has_run_out(
    policy: Policy,
    said: Callable[..., Any],
    moment: Callable[[str], datetime],
    words: str,
    expected: tuple[str, ...],
) -> None:
    assert lapsed(said(words), policy, Span(*map(moment, SPAN))) == expected


def test_a_contract_has_nothing_that_could_run_out(
    policy: Policy, said: Callable[..., Any], moment: Callable[[str], datetime]
) -> None:
    words = said("ann | refused | service | 2026-01; ann | given | service | 2026-02 | expires_at=2026-09")
    assert lapsed(words, policy, Span(*map(moment, SPAN))) == ()


def test_one_row_that_fell_is_enough(
    policy: Policy, said: Callable[..., Any], moment: Callable[[str], datetime]
) -> None:
    # Advertising needs a yes in general and none in the US; where the person is, the sid does not tell.
    words = said("ann | given | advertising | 2026-01 | expires_at=2026-09")
    assert lapsed(words, policy, Span(*map(moment, SPAN))) == ("advertising",)
    at_home = replace(policy, rows=tuple(row for row in policy.rows if row.jurisdiction == "US"))
    assert lapsed(words, at_home, Span(*map(moment, SPAN))) == ()


def test_a_build_sees_an_end_from_its_moment_on(
    policy: Policy, said: Callable[..., Any], moment: Callable[[str], datetime]
) -> None:
    words = said("ann | given | personalization | 2026-01 | expires_at=2026-09")
    assert seen_from(words, policy, moment("2026-12")) == moment("2026-09")
    later = said("ann | given | personalization | 2026-01 | expires_at=2026-09; ann | given | analytics | 2026-10")
    assert seen_from(later, policy, moment("2026-12")) == moment("2026-10")
    assert lifetimes(policy) == (390, 730)
