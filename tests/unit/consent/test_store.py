from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from consent import store
from consent.model import ConsentEntry, Decision
from consent.store import Said, append, history, restricted_tokens, salted_sids, secret_sid
from infra.ids import Purpose, Token

AT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # an hour that daylight saving removes or repeats somewhere


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def words(said: Callable[..., tuple[ConsentEntry, ...]]) -> Callable[[str], list[Said]]:
    return lambda table: [Said(Token(f"1:{e.sid}"), e) for e in said(table)]


def test_an_entry_comes_back_as_it_was_said(database: Engine, words: Any) -> None:
    entry = words(
        "ann | given | analytics | 2026-01 | channel=email recipient=vendor jurisdiction=US-OH notice_id=terms "
        "notice_version=2 notice_hash=ab notice_language=en age_band=adult asserted_by=guardian basis=consent "
        "expires_at=2026-09 effective_from=2026-02 supersedes=0 evidence=form"
    )[0]
    assert append(database, [entry], salted_sids("s")) == 1
    (kept,) = history(database, [entry.token])
    assert kept == type(kept)(**{f: getattr(entry.entry, f) for f in entry.entry.__slots__ if f != "sid"}, sid=kept.sid)
    assert kept.sid == store.sids(database, [entry.token])[entry.token]


def test_the_same_entry_twice_is_one_entry(database: Engine, words: Any) -> None:
    both = words("ann | given | analytics | 2026-01\nbob | refused | analytics | 2026-01")
    assert append(database, both, secret_sid) == 2
    before = store.sids(database, [s.token for s in both])
    assert append(database, both, secret_sid) == 0
    assert store.sids(database, [s.token for s in both]) == before
    assert store.entries(database) == 2
    assert append(database, [], secret_sid) == 0


def test_many_entries_are_one_transaction(database: Engine, words: Any) -> None:
    many = words("\n".join(f"p{n} | given | analytics | 2026-01" for n in range(1_001)))
    broken = [*many, Said(Token("1:x"), type(many[0].entry)(**{
        **{f: getattr(many[0].entry, f) for f in many[0].entry.__slots__}, "id": "x", "action": None}))]  # fmt: skip
    with pytest.raises(DatabaseError):
        append(database, broken, secret_sid)
    assert store.entries(database) == 0
    assert append(database, many, secret_sid) == 1_001
    assert len(history(database, [s.token for s in many])) == 1_001


@pytest.mark.parametrize("statement", ["UPDATE consent_event SET action = 'given'", "DELETE FROM consent_event"])
def test_the_ledger_takes_no_change(database: Engine, words: Any, statement: str) -> None:
    append(database, words("ann | refused | analytics | 2026-01"), secret_sid)
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as connection:
        connection.execute(text(statement))
    assert history(database, [Token("1:ann")])[0].action == "refused"


def test_a_seeded_world_repeats_its_sids_and_another_run_does_not() -> None:
    token = Token("1:abc")
    assert salted_sids("a")(token) == salted_sids("a")(token)
    assert salted_sids("a")(token) != salted_sids("b")(token)
    assert secret_sid(token) != secret_sid(token)


def test_whose_index_entry_is_gone_has_no_history_and_the_ledger_stays(database: Engine, words: Any) -> None:
    append(database, words("ann | refused | analytics | 2026-01"), secret_sid)
    with database.begin() as connection:
        connection.execute(store.IDENTIFIER_INDEX.delete())
    assert history(database, [Token("1:ann")]) == ()
    exported = [row for rows in store.exported(database, 10) for row in rows]
    assert [row["token"] for row in exported] == [None]


def test_restrictions_stand_until_lifted(database: Engine, words: Any) -> None:
    append(
        database,
        words(
            """
            ann | restricted   | all | 2026-01
            bob | restricted   | all | 2026-01
            bob | unrestricted | all | 2026-02
            cid | unrestricted | all | 2026-01
            cid | restricted   | all | 2026-02
            eve | unrestricted | all | 2026-01
            eve | restricted   | all | 2026-01
            """
        ),
        secret_sid,
    )
    assert restricted_tokens(database) == {"1:ann", "1:cid", "1:eve"}


def test_a_decision_is_logged_once_under_its_id(database: Engine) -> None:
    decision = Decision(
        purpose=Purpose("service"), allowed=True, reason="contract", policy_line="policy.yaml:3", policy_version="v",
        entries=("1", "2"),
    )  # fmt: skip
    for _ in range(2):
        store.log_decision(database, "d1", decision, at=AT, actor="officer", profile_id="p1")
    with database.connect() as connection:
        (row,) = connection.execute(store.CONSENT_DECISION.select()).all()
    assert (row.at, row.actor, row.allowed, row.entries, row.profile_id) == (AT, "officer", True, "1 2", "p1")


def test_progress_never_goes_back(database: Engine) -> None:
    assert store.progress(database, "inbox") == 0
    for value in (3, 2):
        store.advance(database, {"inbox": value})
    assert store.progress(database, "inbox") == 3


def test_a_naive_moment_is_refused(database: Engine, words: Any) -> None:
    naive = words("ann | given | analytics | 2026-01")[0].entry
    late = type(naive)(**{**{f: getattr(naive, f) for f in naive.__slots__}, "occurred_at": datetime(2026, 1, 1)})  # noqa: DTZ001
    with pytest.raises(Exception, match="naive"):
        append(database, [Said(Token("t"), late)], secret_sid)
    assert AT + timedelta(0) == AT
