from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import postgres
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

import consent.store
from consent.ledger.sealer import unsealed
from consent.requests.desk import by_external, get, identifiers, listed, move, settle_all, settled, steps, told
from consent.requests.errors import (
    Contradiction,
    NeedsAnother,
    NoGround,
    NoSuchRequest,
    NotExtendable,
    NotNow,
    NotProved,
    Shredded,
    Unreadable,
    Unverified,
)
from consent.requests.intake import hurried, receipt
from consent.requests.judge import approve, cancel, extend, refuse
from consent.requests.model import FROZEN
from consent.requests.prove import answer, attest, challenge
from consent.requests.store import METADATA
from infra.database import open_database

DRIVEN = ("frozen", "planned", "deleting", "purging", "expiring", "notifying", "shredding", "verifying_residue",
          "certified", "closed")  # fmt: skip


def walked(office: Any, now: datetime) -> str:
    """An erasure from the first word to its end."""
    request = office.ask("erasure", "ann@example.org", "ann.b@example.org")
    for position in (0, 1):
        proof = challenge(office.desk, request.id, position, at=now, actor="desk")
        answer(office.desk, request.id, proof.word, at=now)
    assert get(office.desk, request.id).status == "accepted"
    for status in DRIVEN[:-1]:
        move(office.desk, request.id, status, at=now, actor="erasure")  # type: ignore[arg-type]
    assert [one.value for one in identifiers(office.desk, request.id)] == ["ann@example.org", "ann.b@example.org"]
    move(office.desk, request.id, "closed", at=now, actor="erasure")
    return str(request.id)


def test_an_erasure_from_the_first_word_to_its_end(office: Any, now: datetime) -> None:
    request_id = walked(office, now)
    taken = [step.step for step in steps(office.desk, request_id)]
    assert taken == ["received", "verifying", "proof_sent", "proved", "proof_sent", "proved", "accepted", *DRIVEN]
    assert [note["step"] for note in office.notes] == taken
    entries = unsealed(office.desk.database)
    assert entries == len(taken)
    assert get(office.desk, request_id).ended_at == now
    with pytest.raises(Shredded):
        identifiers(office.desk, request_id)


def test_nothing_in_any_file_tells_who_asked(office: Any, now: datetime, tmp_path: Path) -> None:
    request = office.ask("erasure", "ann.person@example.org", sealed={"mandate": "Anwalt Beispiel"})
    (one,) = office.who("ann.person@example.org")
    looked_for = [b"ann.person", one.token.encode(), one.token[2:].encode(), b"Anwalt"]
    attest(office.desk, request.id, "passport", at=now, actor="officer:b")
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) >= 2
    assert not [needle for needle in looked_for for content in files if needle in content]
    assert told(office.desk, request.id) == {"mandate": "Anwalt Beispiel"}
    mark = office.desk.mark(one.token).encode()
    assert any(mark in content for content in files)
    cancel(office.desk, request.id, at=now, actor="officer:b")
    with office.desk.database.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not any(mark in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    with pytest.raises(Shredded):
        told(office.desk, request.id)


def test_a_receipt_is_the_same_for_everybody(office: Any) -> None:
    first, second = (receipt(office.ask("access", value)) for value in ("ann@example.org", "zed@example.net"))
    assert {k: v for k, v in first.items() if k != "id"} == {k: v for k, v in second.items() if k != "id"}
    assert "status" not in first


@pytest.mark.parametrize("status", ["frozen", "shredding", "certified"])
def test_nobody_takes_back_what_is_frozen(office: Any, now: datetime, status: str) -> None:
    request = office.ask("erasure", vouched="controller")
    for to in FROZEN[: FROZEN.index(status) + 1]:  # type: ignore[arg-type]
        if to != "certified_with_exceptions":
            move(office.desk, request.id, to, at=now, actor="erasure")
    with pytest.raises(NotNow):
        cancel(office.desk, request.id, at=now, actor="officer:a")
    with pytest.raises(NotNow):
        refuse(office.desk, request.id, "legal_claims", at=now, actor="officer:a")
    if status != "certified":
        move(office.desk, request.id, "failed", at=now, actor="erasure")
        with pytest.raises(NotNow):
            cancel(office.desk, request.id, at=now, actor="officer:a")
        assert move(office.desk, request.id, status, at=now, actor="erasure").status == status  # type: ignore[arg-type]


def test_a_step_is_taken_once_and_none_is_skipped(office: Any, now: datetime) -> None:
    request = office.ask("erasure", vouched="controller")
    with pytest.raises(NotNow, match="frozen"):
        move(office.desk, request.id, "deleting", at=now, actor="erasure")
    for _ in range(3):
        move(office.desk, request.id, "frozen", at=now, actor="erasure")
    move(office.desk, request.id, "planned", at=now, actor="erasure")
    move(office.desk, request.id, "deleting", at=now, actor="erasure")
    for store in ("lake.records", "lake.events", "lake.records"):
        move(office.desk, request.id, "deleting", at=now, actor="erasure", store=store)
    stores = [step.store for step in steps(office.desk, request.id) if step.step == "deleting"]
    assert stores == [None, "lake.records", "lake.events"]


def test_what_residue_was_found_in_is_deleted_and_noted_again(office: Any, now: datetime) -> None:
    request = office.ask("erasure", vouched="controller")
    for status in DRIVEN[:8]:
        move(office.desk, request.id, status, at=now, actor="erasure", store=None)  # type: ignore[arg-type]
        if status == "deleting":
            move(office.desk, request.id, "deleting", at=now, actor="erasure", store="lake.records")
    move(office.desk, request.id, "deleting", at=now, actor="erasure")
    move(office.desk, request.id, "deleting", at=now, actor="erasure", store="lake.records")
    assert [s.store for s in steps(office.desk, request.id) if s.step == "deleting"] == [None, "lake.records"] * 2


def test_nobody_accepts_by_moving(office: Any, now: datetime) -> None:
    request = office.ask("erasure")
    for status in ("accepted", "refused"):
        with pytest.raises(NotNow):
            move(office.desk, request.id, status, at=now, actor="erasure")  # type: ignore[arg-type]
    with pytest.raises(Unverified):
        approve(office.desk, request.id, at=now, actor="officer:b")


def test_a_step_is_in_the_ledger_after_a_crash_between_two_writes(office: Any, now: datetime) -> None:
    request = office.ask("erasure", vouched="controller")
    fine = office.desk.note

    def dying(*_: Any) -> None:
        raise KeyboardInterrupt

    office.desk = type(office.desk)(**{f: getattr(office.desk, f) for f in office.desk.__slots__} | {"note": dying})
    with pytest.raises(KeyboardInterrupt):
        move(office.desk, request.id, "frozen", at=now, actor="erasure")
    office.desk = type(office.desk)(**{f: getattr(office.desk, f) for f in office.desk.__slots__} | {"note": fine})
    assert office.notes[-1]["step"] == "accepted"
    assert settle_all(office.desk) == 1
    assert office.notes[-1]["step"] == "frozen"
    assert settle_all(office.desk) == 0
    move(office.desk, request.id, "planned", at=now, actor="erasure")
    numbers = [note["sequence"] for note in office.notes]
    assert numbers == sorted(set(numbers))
    assert unsealed(office.desk.database) == len(numbers)


def test_a_key_that_a_crash_left_is_destroyed_by_the_next_settling(office: Any, now: datetime) -> None:
    request = office.ask("access")
    office.desk.vault.make(request.id, now)
    shred = type(office.desk.vault).shred
    cancel(office.desk, request.id, at=now, actor="officer:a")
    office.desk.vault.make(request.id, now)  # as if the process had died before
    assert office.desk.vault.held() == (request.id,)
    settle_all(office.desk)
    assert office.desk.vault.held() == ()
    assert shred(office.desk.vault, [request.id]) == 0


def test_four_eyes(office: Any, now: datetime) -> None:
    office.configured(four_eyes=("erasure",))
    request = office.ask("erasure", "ann@example.org")
    attest(office.desk, request.id, "passport", at=now, actor="officer:b")
    assert get(office.desk, request.id).status == "verifying"
    for actor in ("officer:a", "officer:b"):
        with pytest.raises(NeedsAnother):
            approve(office.desk, request.id, at=now, actor=actor)
    assert approve(office.desk, request.id, at=now, actor="officer:c").approved_by == "officer:c"
    assert approve(office.desk, request.id, at=now, actor="officer:a").status == "accepted"
    assert office.ask("access", "ben@example.org", vouched="controller").status == "accepted"


@pytest.mark.parametrize("asker", ["agent", "guardian"])
def test_somebody_who_asks_for_another_is_looked_at_by_an_officer(office: Any, now: datetime, asker: str) -> None:
    request = office.ask("access", asked_by=asker, sealed={"mandate": "power of attorney"})
    proof = challenge(office.desk, request.id, 0, at=now, actor="desk")
    assert proof.holder.value == "ann@example.org", "the proof goes to the person, never to whoever asks for them"
    assert answer(office.desk, request.id, proof.word, at=now).status == "verifying"
    assert approve(office.desk, request.id, at=now, actor="officer:b").status == "accepted"


def test_only_what_was_proved_is_used(office: Any, now: datetime) -> None:
    """Somebody names an address of their own and a victim's: only theirs counts, and the other is forgotten."""
    request = office.ask("access", "eve@example.org", "victim@example.org")
    proof = challenge(office.desk, request.id, 0, at=now, actor="desk")
    assert answer(office.desk, request.id, proof.word, at=now).status == "verifying"
    approve(office.desk, request.id, at=now, actor="officer:b")
    assert [one.value for one in identifiers(office.desk, request.id)] == ["eve@example.org"]
    with office.desk.database.connect() as connection:
        kept = connection.execute(text("SELECT mark, sealed FROM privacy_request_identifier WHERE position = 1")).one()
    assert tuple(kept) == (None, None)


def test_a_proof_holds_once_in_time_for_its_request_and_only_so_often(office: Any, now: datetime) -> None:
    request, other = office.ask("access"), office.ask("objection")
    first = challenge(office.desk, request.id, 0, at=now, actor="desk")
    second = challenge(office.desk, request.id, 0, at=now, actor="desk")
    said = set()
    late = now + timedelta(hours=72)
    for word, at, whose in [
        (first.word, now, request.id),  # replaced by the second
        (second.word, late, request.id),
        (second.word, now, other.id),
        ("x" * 10_000, now, request.id),
        (second.word[:-1] + "\udc80", now, request.id),
        (second.word, now, "0" * 32),
    ]:
        with pytest.raises(NotProved) as refused:
            answer(office.desk, whose, word, at=at)
        said.add(str(refused.value))
    assert len(said) == 1
    assert answer(office.desk, request.id, second.word, at=late - timedelta(seconds=1)).status == "accepted"
    with pytest.raises(NotProved):
        answer(office.desk, request.id, second.word, at=now)


def test_who_guesses_too_often_is_out_and_writes_no_more(office: Any, now: datetime) -> None:
    request = office.ask("access")
    proof = challenge(office.desk, request.id, 0, at=now, actor="desk")
    for _ in range(12):
        with pytest.raises(NotProved):
            answer(office.desk, request.id, "guess", at=now)
    assert [s.step for s in steps(office.desk, request.id)].count("proof_refused") == 5
    with pytest.raises(NotProved):
        answer(office.desk, request.id, proof.word, at=now)
    for _ in range(2):
        challenge(office.desk, request.id, 0, at=now, actor="desk")
    with pytest.raises(NotProved):
        challenge(office.desk, request.id, 0, at=now, actor="desk")


def test_the_same_asked_twice_is_answered_once(office: Any) -> None:
    first = office.ask("access", vouched="c")
    second = office.ask("access", vouched="c")
    assert (second.status, second.ground) == ("refused", "duplicate")
    assert office.ask("access", "ben@example.org", vouched="c").status == "accepted"
    assert office.ask("portability", vouched="c").status == "accepted"
    assert office.ask("access", "ann@example.org", "new@example.org", vouched="c").status == "accepted"
    unproved = office.ask("access")
    assert unproved.status == "verifying", "whoever only claims an identifier is not told that it was asked before"
    assert get(office.desk, first.id).open


def test_an_erasure_waits_for_the_copy_that_it_would_spoil(office: Any, now: datetime) -> None:
    copy = office.ask("access", vouched="c")
    erasure = office.ask("erasure", vouched="c")
    assert erasure.status == "verifying"
    with pytest.raises(Contradiction, match=copy.id):
        approve(office.desk, erasure.id, at=now, actor="officer:b")
    assert approve(office.desk, erasure.id, at=now, actor="officer:b", anyway=True).status == "accepted"


def test_an_unproved_request_blocks_nobody(office: Any) -> None:
    office.ask("access")
    assert office.ask("erasure", vouched="c").status == "accepted"


def test_a_callers_own_id_opens_one_request(office: Any) -> None:
    first = office.ask("access", external_id="r-1", vouched="c")
    again = office.ask("access", external_id="r-1", vouched="c")
    assert again.id == first.id
    assert len(listed(office.desk)) == 1
    assert office.desk.vault.held() == (first.id,)
    assert by_external(office.desk, "officer:a", "r-1").id == first.id
    for stranger in ("officer:b", "key:1"):
        with pytest.raises(NoSuchRequest):
            by_external(office.desk, stranger, "r-1")
        with pytest.raises(NoSuchRequest):
            get(office.desk, first.id, opened_by=stranger)


def test_a_flood_takes_nobody_their_right_and_is_noticed(office: Any, now: datetime) -> None:
    office.configured(a_day=2)
    asked = [office.ask("access") for _ in range(3)]
    assert [hurried(office.desk, one.id, now) for one in asked] == [True] * 3
    assert {one.status for one in asked} == {"verifying"}
    assert len({str({k: v for k, v in receipt(one).items() if k != "id"}) for one in asked}) == 1
    assert not hurried(office.desk, office.ask("access", "ben@example.org").id, now)
    assert not hurried(office.desk, asked[0].id, now + timedelta(days=1, seconds=1))


def test_a_refusal_stands_on_a_ground_of_its_right(office: Any, now: datetime) -> None:
    request = office.ask("access", vouched="c")
    with pytest.raises(NoGround, match="others_rights"):
        refuse(office.desk, request.id, "legal_obligation", at=now, actor="officer:b")
    refused = refuse(office.desk, request.id, "others_rights", at=now, actor="officer:b")
    assert (refused.status, refused.ground) == ("refused", "others_rights")
    facts = steps(office.desk, request.id)[-1].facts
    assert facts == {"article": "GDPR 15(4), 20(4)", "ground": "others_rights", "reason": "claim_not_covered"}


def test_time_is_extended_once_and_told_in_time(office: Any, now: datetime) -> None:
    request = office.ask("access")
    with pytest.raises(NotExtendable, match="run out"):
        extend(office.desk, request.id, "complexity", at=request.due_at, actor="officer:a")
    with pytest.raises(Unreadable):
        extend(office.desk, request.id, "busy", at=now, actor="officer:a")
    longer = extend(office.desk, request.id, "complexity", at=now, actor="officer:a")
    assert longer.due_at.isoformat() == "2027-02-03T00:00:00+00:00"
    assert longer.status == request.status
    with pytest.raises(NotExtendable, match="before"):
        extend(office.desk, request.id, "complexity", at=now, actor="officer:a")
    opt_out = office.ask("objection", jurisdiction="US-CA")
    with pytest.raises(NotExtendable, match="no more time"):
        extend(office.desk, opt_out.id, "complexity", at=now, actor="officer:a")


def test_who_names_no_place_has_the_strictest_law(office: Any) -> None:
    assert office.ask("access", jurisdiction=None).regulation == "lgpd"
    assert office.ask("objection", jurisdiction=None).regulation == "lgpd"


@pytest.mark.parametrize(
    "wrong",
    [{"jurisdiction": "ann@example.org"}, {"asked_by": "friend"}, {"regulation": "hipaa"},
     {"received_at": datetime.fromisoformat("2031-01-01T00:00:00+00:00")}],
)  # fmt: skip
def test_what_cannot_be_read_is_not_repeated(office: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(Unreadable) as raised:
        office.ask("access", **wrong)
    assert "ann@" not in str(raised.value)
    assert listed(office.desk) == ()


def test_a_sealed_text_opens_only_in_its_place(office: Any, now: datetime) -> None:
    vault = office.desk.vault
    vault.make("r1", now)
    vault.make("r2", now)
    sealed = vault.seal("r1", b"told", "a")
    assert vault.unseal("r1", sealed, "a") == b"told"
    for request_id, place, text_ in [
        ("r1", "b", sealed),
        ("r2", "a", sealed),
        ("r1", "a", sealed[:-1]),
        ("r1", "a", b""),
    ]:
        with pytest.raises(Shredded):
            vault.unseal(request_id, text_, place)


@pytest.mark.parametrize(
    "statement", ["UPDATE privacy_request_step SET actor = 'x'", "DELETE FROM privacy_request_step"]
)
def test_steps_take_no_change(office: Any, statement: str) -> None:
    office.ask()
    with pytest.raises(DatabaseError, match="append-only"), office.desk.database.begin() as connection:
        connection.execute(text(statement))


def test_postgres_holds_the_same(over: Callable[..., Any], now: datetime, tmp_path: Path) -> None:
    with postgres() as url:
        database = open_database(
            url.replace("postgresql://", "postgresql+psycopg://"), METADATA, consent.store.METADATA
        )
        office = over(database, tmp_path / "state")
        request_id = walked(office, now)
        assert [note["step"] for note in office.notes] == [step.step for step in steps(office.desk, request_id)]
        first = office.ask("access", external_id="r-1", vouched="c")
        assert office.ask("access", external_id="r-1", vouched="c").id == first.id
        assert settled(office.desk, first.id).status == "accepted"
        assert office.ask("access", vouched="c").ground == "duplicate"
        for statement in ("UPDATE privacy_request_step SET actor = 'x'", "DELETE FROM privacy_request_step"):
            with pytest.raises(DatabaseError, match="append-only"), database.begin() as connection:
                connection.execute(text(statement))
        office.desk.vault.keys.dispose()
        database.dispose()
