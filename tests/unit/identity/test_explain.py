"""Why, how and why not, for people."""

from identity.explanation.explain import Evidence, how, probability, why, why_not
from identity.model import MICRO, Constraint, Reason
from infra.ids import RecordKey

A, B, C = RecordKey("a"), RecordKey("b"), RecordKey("c")
EDGE = Evidence(
    A, B, 5 * MICRO, "kept", "",
    (
        Reason("household", "could be somebody else at home", -14 * MICRO),
        Reason("email", "shared", 24 * MICRO),
        Reason("prior", "before anything is known", -13 * MICRO),
        Reason("given_name", "same", 8 * MICRO),
    ),
)  # fmt: skip


def test_the_steps_of_a_waterfall_add_up_to_the_weight() -> None:
    told = why(EDGE)
    assert [s.comparison for s in told.steps] == ["prior", "email", "given_name", "household"]
    assert told.steps[-1].total == told.bits == 5.0
    assert sum(s.bits for s in told.steps) == told.bits


def test_the_sentences_say_it_to_people() -> None:
    assert why(EDGE).sentences == (
        "Two records picked at random are hardly ever one person: -13.0 bits.",
        "They share the identifier email: +24.0 bits.",
        "Their given name is same: +8.0 bits.",
        "Members of one household have this in common too: -14.0 bits.",
        "Together +5.0 bits, or 97.0%: they are one person.",
    )


def test_a_probability_stays_within_bounds() -> None:
    assert probability(0) == 0.5
    assert 0 <= probability(-(10**12)) < probability(10**12) <= 1


def test_why_not_names_the_first_gate() -> None:
    assert "share no identifier" in why_not(None)
    assert why_not(EDGE) == "they are one person"
    assert why_not(Evidence(A, B, MICRO, "suppressed", "limit:customer", ())).endswith("values of customer")
    assert why_not(Evidence(A, B, MICRO, "suppressed", "cannot_link", ())) == "a steward decided that they are two"


def test_how_lists_the_links_that_hold_a_profile_together() -> None:
    refused = Evidence(B, C, 2 * MICRO, "suppressed", "strong_negative", ())
    told = how([A, B], [EDGE, refused], [Constraint("cannot_link", B, C, "ann", "two people")])
    assert [(m.joined, m.by, m.because) for m in told.merges] == [(B, A, "email shared")]
    assert told.refused == ("b and c (+2.0 bits): some of their records contradict each other too strongly",)
    assert told.constraints == ("cannot_link b c by ann: two people",)
