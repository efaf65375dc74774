"""Yeses by mail: they count from the confirmation on, once, and every slip that does not count looks alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import store
from consent.errors import UnknownPurpose
from consent.officer import Desk, Inquiry, Statement, decide_for, record, token_of
from consent.signals.optin import SlipUnknown, Wish, confirm, request
from infra.ids import Token

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=3)
LIFE = timedelta(hours=48)


@pytest.fixture
def ann(desk: Desk) -> Token:
    return token_of(desk, "email", "ann@example.org")


def wish(token: Token, **more: Any) -> Wish:
    facts = {"purpose": "email_marketing", "channel": "email", "notice": "newsletter@3", "jurisdiction": "EU"}
    return Wish(kind="email", token=token, at=AT, requested_by="key:k1", **(facts | more))


def allowed(desk: Desk, token: Token, at: datetime, purpose: str = "email_marketing") -> bool:
    ask = Inquiry(purpose=purpose, at=at, actor="a", contact=token, jurisdictions=("US",))
    return decide_for(desk, {token: "own"}, ask).decision.allowed


def said(token: Token, action: str, at: datetime, purpose: str = "email_marketing", **more: Any) -> Statement:
    facts = {"mechanism": "centre"} | more
    return Statement(
        kind="email", token=token, purpose=purpose, action=action, occurred_at=at, received_at=at, **facts
    )  # fmt: skip


def test_a_yes_counts_from_its_confirmation_on_and_a_request_leaves_nothing(desk: Desk, ann: Token) -> None:
    slip = request(desk, wish(ann), LIFE)
    assert slip["expires_at"] == (AT + LIFE).isoformat()
    assert store.entries(desk.database) == 0
    assert store.sids(desk.database, [ann]) == {}
    receipt = confirm(desk, slip["token"], LATER)
    assert (receipt["action"], receipt["mechanism"], receipt["notice_version"]) == ("given", "double_opt_in", "3")
    assert not allowed(desk, ann, LATER - timedelta(seconds=1))
    assert allowed(desk, ann, LATER)
    (entry,) = store.history(desk.database, [ann])
    assert entry.evidence is not None
    assert AT.isoformat() in entry.evidence
    assert "ann" not in slip["token"]


def test_a_slip_that_comes_again_does_nothing_new(desk: Desk, ann: Token) -> None:
    slip = request(desk, wish(ann), LIFE)["token"]
    first = confirm(desk, slip, LATER)
    record(desk, said(ann, "withdrawn", LATER + timedelta(hours=1), channel="email"))
    for again in (LATER + timedelta(hours=2), AT + LIFE + timedelta(days=9)):
        assert confirm(desk, slip, again) == first
        assert not allowed(desk, ann, again)


def test_a_no_said_after_the_request_overtakes_it(desk: Desk, ann: Token) -> None:
    slip = request(desk, wish(ann), LIFE)["token"]
    record(desk, said(ann, "withdrawn", AT + timedelta(hours=1), "all"))
    with pytest.raises(SlipUnknown):
        confirm(desk, slip, LATER)
    later = request(desk, replace(wish(ann), at=AT + timedelta(hours=2)), LIFE)["token"]
    assert confirm(desk, later, LATER)["action"] == "given"


def test_a_browser_s_wish_gives_way_to_who_confirms_by_mail(desk: Desk, ann: Token) -> None:
    slip = request(desk, wish(ann, purpose="advertising", channel=None), LIFE)["token"]
    record(desk, said(ann, "refused", AT + timedelta(hours=1), "advertising", mechanism="gpc"))
    assert not allowed(desk, ann, LATER, "advertising")
    confirm(desk, slip, LATER)
    assert allowed(desk, ann, LATER, "advertising")


def test_slips_that_do_not_count_look_alike(desk: Desk, ann: Token) -> None:
    slip = request(desk, wish(ann), LIFE)["token"]
    other = replace(desk, key=b"another key of forty characters, at least.")
    forged = request(other, wish(ann), LIFE)["token"]
    gone = request(replace(desk, policy=replace(desk.policy, purposes=dict(desk.policy.purposes))), wish(ann), LIFE)
    fewer = {name: terms for name, terms in desk.policy.purposes.items() if name != "email_marketing"}
    cases = [
        (desk, slip, AT + LIFE),
        (desk, forged, LATER),
        (desk, slip[:-1], LATER),
        (desk, "x" * 5_000, LATER),
        (desk, "", LATER),
        (desk, "…", LATER),
        (replace(desk, policy=replace(desk.policy, purposes=fewer)), gone["token"], LATER),
    ]
    told = set()
    for at_desk, text, at in cases:
        with pytest.raises(SlipUnknown) as caught:
            confirm(at_desk, text, at)
        told.add(str(caught.value))
    assert len(told) == 1
    assert store.entries(desk.database) == 0


@pytest.mark.parametrize("purpose", ["all", "spying"])
def test_a_request_is_about_one_known_purpose(desk: Desk, ann: Token, purpose: str) -> None:
    with pytest.raises(UnknownPurpose, match="known: identity_resolution"):
        request(desk, wish(ann, purpose=purpose), LIFE)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), sign=st.sampled_from("Ab0-_.é"))
def test_a_slip_changed_anywhere_is_refused(desk: Desk, place: int, sign: str) -> None:
    slip = request(desk, wish(Token("1:0")), LIFE)["token"]
    place %= len(slip) - 1  # the last sign of base64 carries bits that say nothing
    changed = slip[:place] + sign + slip[place + 1 :]
    if changed != slip:
        with pytest.raises(SlipUnknown):
            confirm(desk, changed, LATER)
