from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from consent import store
from consent.errors import UnknownIdentifier, UnknownPurpose, UnknownWord
from consent.model import Notice
from consent.officer import Desk, Inquiry, Statement, decide_for, record, show, state, token_of
from infra.ids import Token
from infra.workspace import Workspace

AT = datetime(2026, 5, 1, tzinfo=UTC)
LATER = AT + timedelta(days=1)


@pytest.fixture
def ann(desk: Desk) -> Token:
    return token_of(desk, "email", " Ann@Example.org ")


def word(token: Token, purpose: str, action: str, **more: Any) -> Statement:
    facts = {"kind": "email", "occurred_at": AT, "received_at": AT, "mechanism": "centre"} | more
    return Statement(token=token, purpose=purpose, action=action, **facts)


def test_a_withdrawal_is_durable_and_denied_before_it_is_acknowledged(desk: Desk, ann: Token) -> None:
    receipt = record(desk, word(ann, "personalization", "withdrawn", notice="terms@2"))
    assert receipt["denied_at_once"] == ["personalization"]
    assert receipt["policy_version"] == desk.policy.version
    assert (receipt["notice_id"], receipt["notice_version"]) == ("terms", "2")
    assert "sid" not in receipt
    assert "evidence" not in receipt
    assert desk.overlay.denied(ann, "personalization")
    assert not desk.overlay.denied(ann, "service")
    (entry,) = show(desk, [ann])
    assert entry["received_at"] == AT.isoformat()


def test_a_word_about_a_declared_notice_carries_the_hash_of_its_text(desk: Desk, ann: Token) -> None:
    notices = (
        Notice(id="terms", version="1", sha256={"en": "a" * 64}),
        Notice(id="terms", version="2", sha256={"en": "b" * 64, "de": "c" * 64}),
    )
    desk = replace(desk, policy=replace(desk.policy, notices=notices))

    def told(notice: str, **more: Any) -> tuple[Any, Any]:
        receipt = record(desk, word(ann, "personalization", "given", notice=notice, **more))
        return receipt["notice_language"], receipt["notice_hash"]

    assert told("terms@1") == ("en", "a" * 64)
    assert told("terms@2", language="de") == ("de", "c" * 64)
    assert told("terms@2") == (None, None), "nobody knows in which language it was shown"
    assert told("other@7", language="de") == ("de", None)
    with pytest.raises(UnknownWord, match="version of the notice is not known; use one of: terms@1, terms@2"):
        told("terms@9")
    with pytest.raises(UnknownWord, match="language of the notice is not known; use one of: en, de"):
        told("terms@2", language="fr")
    record(desk, word(ann, "personalization", "withdrawn", notice="terms@9"))


def test_a_yes_waits_for_the_next_build(desk: Desk, ann: Token) -> None:
    record(desk, word(ann, "personalization", "withdrawn"))
    receipt = record(desk, word(ann, "personalization", "given", occurred_at=LATER, received_at=LATER))
    assert receipt["denied_at_once"] == []
    assert desk.overlay.denied(ann, "personalization")
    answer = decide_for(desk, {ann: "own"}, Inquiry(purpose="personalization", at=LATER, actor="officer"))
    assert answer.decision.allowed


def test_a_request_that_is_repeated_is_one_entry(desk: Desk, ann: Token) -> None:
    first = record(desk, word(ann, "analytics", "objected", request_id="r1"))
    again = record(desk, word(ann, "analytics", "objected", request_id="r1"))
    assert first["id"] == again["id"]
    assert store.entries(desk.database) == 1


def test_a_decision_is_answered_with_its_evidence_and_logged(desk: Desk, ann: Token) -> None:
    other = token_of(desk, "phone", "(212) 555-0100")
    record(desk, word(other, "analytics", "objected", kind="phone"))
    record(desk, word(ann, "analytics", "given"))
    inquiry = Inquiry(purpose="analytics", at=AT, actor="officer", profile_id="p1", jurisdictions=("US-OH",))
    answer = decide_for(desk, {ann: "own", other: "probable"}, inquiry)
    told = answer.facts()
    assert (told["allowed"], told["reason"], told["because"]) == (False, "objected", "consent")
    assert [entry["action"] for entry in told["evidence"]] == ["objected"]
    assert answer.facts(coarse=True) == {
        "id": answer.id, "purpose": "analytics", "allowed": False, "because": "consent",
    }  # fmt: skip
    with desk.database.connect() as connection:
        (row,) = connection.execute(store.CONSENT_DECISION.select()).all()
    assert (row.id, row.actor, row.reason, row.profile_id) == (answer.id, "officer", "objected", "p1")


def test_a_contact_that_said_yes_may_be_used_and_another_may_not(desk: Desk, ann: Token) -> None:
    other = token_of(desk, "email", "ann@example.net")
    record(desk, word(ann, "email_marketing", "given"))
    ask = Inquiry(purpose="email_marketing", at=AT, actor="a")
    assert decide_for(desk, {ann: "own", other: "own"}, replace(ask, contact=ann)).decision.allowed
    assert decide_for(desk, {ann: "own", other: "own"}, replace(ask, contact=other)).decision.reason == "link"


def test_the_state_of_a_person_has_every_purpose_and_is_not_logged(desk: Desk, ann: Token) -> None:
    decisions = state(desk, {ann: "own"}, at=AT, jurisdictions=("US-OH",))
    assert [d.purpose for d in decisions] == list(desk.policy.purposes)
    assert {d.purpose for d in decisions if not d.allowed} == {"personalization", "email_marketing"}
    with desk.database.connect() as connection:
        assert connection.execute(store.CONSENT_DECISION.select()).all() == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"purpose": "spying"}, UnknownPurpose, "known: identity_resolution, .*advertising, all"),
        ({"action": "agreed"}, UnknownWord, "action is not known; use one of: given"),
        ({"mechanism": "guess"}, UnknownWord, "mechanism is not known; use one of: banner"),
        ({"age_band": "old"}, UnknownWord, "age band is not known; use one of: u13"),
    ],
)
def test_a_word_that_cannot_count_is_refused_with_what_would_be_right(
    desk: Desk, ann: Token, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        record(desk, replace(word(ann, "analytics", "given"), **change))
    assert store.entries(desk.database) == 0


def test_an_identifier_that_cannot_be_read_is_refused_without_being_repeated(desk: Desk) -> None:
    with pytest.raises(UnknownIdentifier, match=r"unknown type; declared in identity\.yaml: email, phone, cookie"):
        token_of(desk, "fax", "secret@example.org")
    with pytest.raises(UnknownIdentifier, match="identifier of type text of 18 characters: unknown type") as turned:
        token_of(desk, "secret@example.org", "email")
    assert "secret" not in str(turned.value)
    with pytest.raises(UnknownIdentifier, match="not a valid value") as caught:
        token_of(desk, "email", "secret.example.org")
    assert "secret" not in str(caught.value)


def test_ids_are_drawn_from_secrets_by_default(workspace: Workspace, database: Engine) -> None:
    desk = Desk.open(workspace, database)
    assert desk.mint() != desk.mint()
    assert "k" * 40 not in repr(desk)
    desk.overlay.close()
