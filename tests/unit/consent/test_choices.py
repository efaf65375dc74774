"""What a person is offered, and that the offered words do what they say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consent.choices import Choice, choices
from consent.officer import Desk, Statement, record, token_of
from infra.ids import Token

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def ann(desk: Desk) -> Token:
    return token_of(desk, "email", "ann@example.org")


def offered(desk: Desk, token: Token, at: datetime, *places: str) -> dict[str, Choice]:
    return {one.purpose: one for one in choices(desk, token, {}, at=at, jurisdictions=places)}


def answer(desk: Desk, token: Token, purpose: str, action: str | None, at: datetime) -> None:
    assert action is not None
    said = Statement(kind="email", token=token, purpose=purpose, action=action, occurred_at=at, received_at=at)
    record(desk, replace(said, mechanism="centre"))


def test_every_purpose_is_there_in_the_policy_s_order_with_the_words_that_change_it(desk: Desk, ann: Token) -> None:
    found = offered(desk, ann, AT, "DE")
    assert list(found) == list(desk.policy.purposes)
    assert (found["service"].allowed, found["service"].no, found["service"].yes) == (True, None, None)
    assert (found["analytics"].allowed, found["analytics"].no) == (True, "objected")
    assert (found["personalization"].allowed, found["personalization"].no) == (False, "withdrawn")
    assert found["personalization"].reason == "no_consent"


@pytest.mark.parametrize("place", ["DE", "US-OH", None])
def test_what_is_offered_does_what_it_says_and_back(desk: Desk, ann: Token, place: str | None) -> None:
    places = (place,) if place else ()
    now = AT
    for purpose, one in offered(desk, ann, now, *places).items():
        if one.no is None:
            continue
        for word, wanted in ((one.yes, True), (one.no, False), (one.yes, True)):
            now += timedelta(minutes=1)
            answer(desk, ann, purpose, word, now)
            assert offered(desk, ann, now, *places)[purpose].allowed is wanted, (purpose, word)


def test_a_no_under_another_identifier_of_the_profile_counts_and_a_yes_there_only_if_certain(
    desk: Desk, ann: Token
) -> None:
    other = token_of(desk, "email", "ann.other@example.org")
    answer(desk, other, "analytics", "objected", AT)
    answer(desk, other, "personalization", "given", AT)
    for link, allowed in (("verified", True), ("probable", False)):
        found = {one.purpose: one for one in choices(desk, ann, {ann: "own", other: link}, at=AT)}
        assert not found["analytics"].allowed
        assert found["personalization"].allowed is allowed
        assert not found["email_marketing"].allowed
