"""Standing refusals: the newest word counts, a tie is a no, and whoever has the mailbox is bound."""

from api.demo.model import Row
from api.demo.refusals import Refusal, refusals


def said(at: str, action: str, email: str = "a@example.org", channel: str | None = None) -> Row:
    values: dict[str, object] = {
        "occurred_at": at, "purpose": "email_marketing", "action": action, "channel": channel,
        "email": email, "phone": None, "cookie": None, "account": None,
    }  # fmt: skip
    return Row(at + action, "P1", values)


def standing(*rows: Row, whose: dict[str, list[str]] | None = None) -> list[bool]:
    return [r.standing for r in refusals(rows, whose or {})]


def test_a_later_no_stands_and_a_later_yes_lifts_it() -> None:
    assert standing(said("2026-01", "given"), said("2026-02", "withdrawn")) == [True]
    assert standing(said("2026-01", "refused"), said("2026-02", "given")) == [False]


def test_a_tie_is_a_no() -> None:
    assert standing(said("2026-01", "given"), said("2026-01", "objected")) == [True]


def test_silence_and_a_yes_are_no_refusal() -> None:
    assert standing() == []
    assert standing(said("2026-01", "given")) == []


def test_other_mailboxes_of_a_person_speak_for_them_too() -> None:
    whose = {"email:a@example.org": ["P1"], "email:b@example.org": ["P1"]}
    assert standing(said("2026-01", "given"), said("2026-02", "refused", "b@example.org"), whose=whose) == [True]


def test_a_shared_mailbox_binds_everybody_who_has_it() -> None:
    found = refusals([said("2026-01", "refused")], {"email:a@example.org": ["P1", "P2"]})
    assert found == [Refusal(p, "email_marketing", "", standing=True) for p in ("P1", "P2")]


def test_a_narrow_no_outlives_a_broad_yes() -> None:
    assert standing(said("2026-01", "refused", channel="email"), said("2026-02", "given")) == [True]
