"""Words from a CSV file: every row has a verdict, the no counts, and the same file again adds nothing."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from consent import store
from consent.officer import Desk, show, token_of
from consent.overlay import DenyOverlay
from consent.signals import imported
from consent.signals.imported import Report, bring_in
from consent.signals.sheet import SheetUnreadable
from consent.suppression import Cause, kept_out, suppress, tokens_of
from infra.errors import Malformed
from infra.workspace import Workspace

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HEAD = "type,identifier,purpose,action,occurred_at,channel,id\n"
YES, NO = "given,2026-05-01T10:00:00+00:00", "withdrawn,2026-06-01T10:00:00+02:00"


@pytest.fixture
def desk(workspace: Workspace, database: Engine) -> Iterator[Desk]:
    numbers = count(1)
    desk = replace(Desk.open(workspace, database), mint=lambda: f"id{next(numbers)}")
    yield desk
    desk.overlay.close()


def sheet(*rows: str) -> bytes:
    return (HEAD + "".join(f"{row}\n" for row in rows)).encode()


def told(report: Report) -> list[str]:
    return [one.verdict for one in report.verdicts]


def test_each_row_has_a_verdict_and_the_same_file_again_adds_nothing(desk: Desk) -> None:
    content = sheet(
        f"email,Ann@Example.org,email_marketing,{YES},email,",
        f"email,ann@example.org,email_marketing,{NO},email,",
        f"email,ben@example.org,email_marketing,{YES},email,",
        "phone,+1 202-555-0143,analytics,OBJECTED,,,",
        f"email,ann@example.org,email_marketing,{YES},email,",
    )
    dry = bring_in(desk, content, NOW, dry=True)
    assert store.entries(desk.database) == 0
    assert store.sids(desk.database, [token_of(desk, "email", "ann@example.org")]) == {}
    report = bring_in(desk, content, NOW, dry=False)
    assert report == dry
    assert told(report) == ["recorded"] * 4 + ["repeated"]
    assert report.verdicts[-1].because == "row 2 says the same"
    again = bring_in(desk, content, NOW + timedelta(days=9), dry=False)
    assert told(again) == ["already"] * 4 + ["repeated"]
    assert store.entries(desk.database) == 4
    ann, phone = token_of(desk, "email", "ann@example.org"), token_of(desk, "phone", "+12025550143")
    assert [e["action"] for e in show(desk, [ann])] == ["given", "withdrawn"]
    assert show(desk, [ann])[0]["mechanism"] == "import"
    assert desk.overlay.denied(ann, "email_marketing")
    assert desk.overlay.denied(phone, "analytics")


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        (f"analytics,{YES},,", "analytics,refused,2026-05-01T10:00:00+00:00,,"),
        (f"analytics,{YES},,", "analytics,objected,,,"),
        (f"analytics,{YES},,", "all,withdrawn,,,"),
        (f"analytics,{YES},email,", "analytics,withdrawn,,,"),
        (f"analytics,{YES},,1", "analytics,withdrawn,2026-05-01T12:00:00+02:00,,2"),
    ],
)
def test_of_rows_that_contradict_each_other_the_no_counts_and_it_is_told(desk: Desk, yes: str, no: str) -> None:
    for turn, words in enumerate(([yes, no], [no, yes])):
        rows = [f"email,a{turn}@example.org,{word}" for word in words]
        report = bring_in(desk, sheet(*rows), NOW, dry=False)
        assert sorted(told(report)) == ["overruled", "recorded"]
        (overruled,) = [one for one in report.verdicts if one.verdict == "overruled"]
        assert overruled.because == f"row {3 - turn} says no to the same; the no counts"
        (entry,) = show(desk, [token_of(desk, "email", f"a{turn}@example.org")])
        assert entry["action"] != "given"


def test_a_yes_and_a_later_no_are_a_history(desk: Desk) -> None:
    rows = [f"email,ann@example.org,analytics,{word},," for word in (NO, YES)]
    assert told(bring_in(desk, sheet(*rows), NOW, dry=False)) == ["recorded", "recorded"]


@pytest.mark.parametrize(
    ("row", "because"),
    [
        (f"email,a@example.org,spying,{YES},,", "purpose: not declared; known: .*advertising, all"),
        ("email,a@example.org,analytics,agreed,,,", "action: not known; use one of: given, refused"),
        ("email,a@example.org,analytics,unrestricted,,,", "action: not known"),
        ("email,a@example.org,analytics,given,,,", "occurred_at: empty; a yes counts only where"),
        ("email,a@example.org,analytics,given,2026-05-01,,", "occurred_at: no moment with a time zone"),
        ("email,a@example.org,analytics,given,0001-01-01T00:00:00+14:00,,", "occurred_at: no moment"),
        ("email,a@example.org,analytics,given,2027-05-01T00:00:00Z,,", "occurred_at: lies ahead"),
        (f"email,a.example.org,analytics,{YES},,", "not a valid value"),
        (f"fax,a@example.org,analytics,{YES},,", "type fax: unknown type"),
        (f",a@example.org,analytics,{YES},,", "type: empty"),
        (f"email,a@example.org,analytics,{YES}", "another number of cells"),
        (f"email,{'a' * 400}@example.org,analytics,{YES},,", "identifier: longer than 320"),
        (f"email,a@example.org,analytics,{YES},{'c' * 61},", "channel: longer than 60"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_count_is_rejected_with_what_would_be_right(desk: Desk, row: str, because: str) -> None:
    report = bring_in(desk, sheet(row, f"email,ok@example.org,analytics,{YES},,"), NOW, dry=False)
    assert told(report) == ["rejected", "recorded"]
    said = report.verdicts[0].because or ""
    assert re.search(because, said), said
    assert "a@example" not in said
    assert "a.example" not in said


def test_a_no_from_a_clock_that_is_ahead_is_kept_and_told(desk: Desk) -> None:
    (verdict,) = bring_in(
        desk, sheet("email,a@example.org,analytics,refused,2027-05-01T00:00:00Z,,"), NOW, dry=False
    ).verdicts
    assert (verdict.verdict, (verdict.because or "").split(":")[0]) == ("recorded", "clock_skew")
    assert desk.overlay.denied(token_of(desk, "email", "a@example.org"), "analytics")


def test_an_id_is_one_word_for_ever(desk: Desk) -> None:
    first = sheet(f"email,a@example.org,analytics,{YES},,r1", f"email,a@example.org,analytics,{NO},,r1")
    report = bring_in(desk, first, NOW, dry=False)
    assert told(report) == ["recorded", "rejected"]
    assert report.verdicts[1].because == "row 2 says another under its id"
    for other in (NO, "given,2026-05-02T10:00:00+00:00"):
        (verdict,) = bring_in(desk, sheet(f"email,a@example.org,analytics,{other},,r1"), NOW, dry=False).verdicts
        assert (verdict.verdict, verdict.because) == (
            "rejected", "another word was taken in under its id; give it a new one",
        )  # fmt: skip
    assert told(bring_in(desk, sheet(f"email,b@example.org,analytics,{NO},,r1"), NOW, dry=False)) == ["recorded"]


def test_a_kill_between_two_parts_or_before_the_overlay_is_made_good(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = sheet(*(f"email,a{n}@example.org,analytics,refused,,," for n in range(25)))
    monkeypatch.setattr(imported, "_PART", 10)
    calls = []

    def killed(self: object, denials: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        written(self, denials)

    written = DenyOverlay.restrict_all
    with monkeypatch.context() as patched:
        patched.setattr(DenyOverlay, "restrict_all", killed)
        with pytest.raises(KeyboardInterrupt):
            bring_in(desk, content, NOW, dry=False)
    assert store.entries(desk.database) == 20
    report = bring_in(desk, content, NOW + timedelta(hours=1), dry=False)
    assert report.counts == {"already": 20, "recorded": 5}
    assert all(desk.overlay.denied(token_of(desk, "email", f"a{n}@example.org"), "analytics") for n in range(25))


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "lacks type, identifier, purpose, action"),
        (b"email,purpose\n", "lacks type, identifier, action"),
        (HEAD.replace("id\n", "mood\n").encode(), "unknown or named twice; needed: type.*also known: occurred_at"),
        (HEAD.replace("channel", "purpose").encode(), "named twice"),
        (HEAD.encode("utf-16"), "no UTF-8"),
        (HEAD.encode() + b'email,"a', "is no CSV; quote"),
        (HEAD.encode() + b"email,\xff", "no UTF-8"),
    ],
)
def test_a_file_that_is_no_such_sheet_is_refused_whole(desk: Desk, content: bytes, wrong: str) -> None:
    with pytest.raises(SheetUnreadable, match=wrong):
        bring_in(desk, content, NOW, dry=False)
    assert store.entries(desk.database) == 0


def test_spreadsheets_forms_are_read(desk: Desk) -> None:
    rows = f"Type,Identifier,Purpose,Action,Occurred_At\r\nemail,' a@example.org',analytics,{YES}\r\n\r\n"
    content = b"\xef\xbb\xbf" + rows.replace("'", '"').encode()
    assert told(bring_in(desk, content, NOW, dry=False)) == ["recorded"]


_CELL = st.text(max_size=30) | st.sampled_from(["email", "a@example.org", "analytics", "given", "2026-05-01T10:00Z"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(_CELL, max_size=8), max_size=6), junk=st.binary(max_size=40))
def test_anything_gets_a_verdict_or_a_refusal_of_ours(desk: Desk, rows: list[list[str]], junk: bytes) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    for content in (HEAD.encode() + text.getvalue().encode("utf-8", "replace"), HEAD.encode() + junk, junk):
        try:
            report = bring_in(desk, content, NOW, dry=True)
        except Malformed:
            continue
        assert len({one.row for one in report.verdicts}) == len(report.verdicts)


def test_of_somebody_who_was_erased_nothing_is_kept(desk: Desk) -> None:
    keys = {1: desk.key}
    spellings = tokens_of(keys, desk.kinds, "email", "ann.b@gmail.com")
    suppress(desk.database, spellings, Cause(reason="erasure", request_id="r1", at=NOW))
    content = sheet(
        "email,Ann.B+offers@gmail.com,analytics,refused,,,", f"email,ben@example.org,analytics,{YES},,",
    )  # fmt: skip
    report = bring_in(desk, content, NOW, dry=False, kept_out=kept_out(desk.database, keys))
    assert told(report) == ["suppressed", "recorded"]
    assert store.entries(desk.database) == 1
