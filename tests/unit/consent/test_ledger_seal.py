"""From an append to a receipt that somebody else checks."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from consent import store
from consent.errors import NotSealed, TreeBroken, UnknownEntry
from consent.ledger.export import export
from consent.ledger.heads import heads, newest_head
from consent.ledger.proofs import consistency, proven
from consent.ledger.receipt import promise, receipt
from consent.ledger.sealer import append_note, seal, unsealed
from consent.ledger.vault import forget, keys_of
from consent.ledger.verify import verify, verify_export
from consent.model import Policy
from consent.store import Said, append, history, secret_sid
from infra.errors import Malformed
from infra.ids import Token
from infra.signing import Signer
from infra.workspace import Workspace

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def signer(workspace: Workspace) -> Signer:
    return workspace.signer()


@pytest.fixture
def words(said: Callable[..., Any]) -> Callable[[str], list[Said]]:
    return lambda table: [Said(Token(f"1:{e.sid}"), e) for e in said(table)]


def many(words: Any, first: int, after: int) -> list[Said]:
    rows = [f"p{n} | given | analytics | 2026-01 | evidence=form{n}" for n in range(first, after)]
    said = words("\n".join(rows))
    return [Said(s.token, _numbered(s.entry, first + at)) for at, s in enumerate(said)]


def _numbered(entry: Any, number: int) -> Any:
    from dataclasses import replace

    return replace(entry, id=f"e{number:05d}", received_at=AT + timedelta(seconds=number))


def variants(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every document that differs from one in a single value, or lacks one."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield f"{path}.{name} gone", {k: v for k, v in document.items() if k != name}
            yield from ((at, {**document, name: other}) for at, other in variants(value, f"{path}.{name}"))
        yield f"{path} more", {**document, "more": 1}
    elif isinstance(document, list):
        yield f"{path} shorter", document[1:]
        for at, value in enumerate(document):
            yield from ((p, [*document[:at], o, *document[at + 1 :]]) for p, o in variants(value, f"{path}[{at}]"))
    else:
        yield path, "x" if document is None else document + 1 if isinstance(document, int) else f"{document}x"
        yield f"{path} none", 0 if document is None else None


def test_an_entry_is_promised_sealed_proven_and_checked_elsewhere(
    database: Engine, words: Any, signer: Signer, policy: Policy
) -> None:
    append(database, many(words, 0, 5), secret_sid)
    word = promise(database, "e00003", signer, AT)
    assert verify(word, signer.public) == ()
    assert unsealed(database) == 5
    with pytest.raises(NotSealed):
        receipt(database, "e00003", policy, signer)
    assert seal(database, signer, lambda: AT) == 5
    assert seal(database, signer, lambda: AT) == 0
    told = receipt(database, "e00003", policy, signer)
    assert verify(told, signer.public) == verify(told) == ()
    assert told["leaf"]["sequence"] == 3
    assert told["head"]["size"] == 5
    assert told["opening"]["payload"] == {"evidence": "form3"}
    assert told["record"]["event"]["event_state"] == "consent given"
    for path, changed in variants(told):
        assert verify(changed, signer.public), path
    other = Signer.of(bytes(32))
    assert {fault.where for fault in verify(told, other.public)} == {"public_key", "signature", "head"}


def test_heads_follow_each_other_and_each_is_the_beginning_of_the_next(
    database: Engine, words: Any, signer: Signer
) -> None:
    for first in range(0, 60, 12):
        append(database, many(words, first, first + 12), secret_sid)
        seal(database, signer, lambda: AT, batch=5)
    known = heads(database)
    assert [one.size for one in known[:3]] == [60, 58, 53]
    assert {one.ledger for one in known} == {newest_head(database).ledger}
    for one in known:
        assert verify(one.document(), signer.public) == ()
        told = consistency(database, one.size)
        assert verify(told, signer.public) == ()
        if one.size < 60:
            assert verify({**told, "first": {**told["first"], "root": "00" * 32}}, signer.public)
    with pytest.raises(Malformed, match="no head was signed"):
        consistency(database, 7)


def test_a_note_is_sealed_like_any_entry_and_says_one_thing(database: Engine, words: Any, signer: Signer) -> None:
    append(database, many(words, 0, 2), secret_sid)
    first = append_note(database, "privacy_request", {"request": "r1", "step": "frozen"}, AT + timedelta(seconds=1))
    assert first == append_note(
        database, "privacy_request", {"step": "frozen", "request": "r1"}, AT + timedelta(seconds=1)
    )
    assert seal(database, signer, lambda: AT) == 3
    assert proven(database, first).fields["facts"] == {"request": "r1", "step": "frozen"}
    with pytest.raises(Malformed, match="something else"):
        append_note(database, "privacy_request", {"step": "closed"}, AT, note_id=first)
    with pytest.raises(Malformed):
        append_note(database, "privacy_request", {"share": 1e16}, AT)


def test_an_erased_persons_leaf_says_nothing_and_everybody_elses_receipt_verifies(
    database: Engine, words: Any, signer: Signer, policy: Policy, tmp_path: Path
) -> None:
    append(database, many(words, 0, 30), secret_sid)
    seal(database, signer, lambda: AT)
    before = {n: receipt(database, f"e{n:05d}", policy, signer) for n in range(30)}
    root = newest_head(database).root
    keys = keys_of(database)
    assert keys is not None
    hidden = proven(database, "e00007")
    assert keys.shred(forget(database, [Token("1:p7")])) == 1
    assert keys.shred(forget(database, [Token("1:p7")])) == 0
    assert history(database, [Token("1:p7")]) == ()
    assert keys.open_all([(hidden.fields["sid"], hidden.private)]) == [None]  # type: ignore[list-item]
    with pytest.raises(UnknownEntry):
        receipt(database, "e00007", policy, signer)
    with pytest.raises(UnknownEntry):
        receipt(database, "nobody", policy, signer)
    append(database, many(words, 30, 40), secret_sid)
    seal(database, signer, lambda: AT)
    assert root in {one.root for one in heads(database)}
    for n in set(range(30)) - {7}:
        assert verify(before[n], signer.public) == ()
        assert verify(receipt(database, f"e{n:05d}", policy, signer), signer.public) == ()
    export(database, signer, tmp_path / "ledger.ndjson")
    text = (tmp_path / "ledger.ndjson").read_bytes()
    assert verify_export(text.splitlines(keepends=True), signer.public).faults == ()
    assert b"form" not in text
    for file in tmp_path.rglob("*.db*"):
        assert b"form7" not in file.read_bytes()


INSIDERS = {
    "UPDATE consent_event SET action = 'refused' WHERE id = 'e00007'": "entry 7",
    "DELETE FROM consent_event WHERE id = 'e00007'": "entry 7",
    "UPDATE consent_event SET commitment = NULL WHERE id = 'e00007'": "entry 7",
    "DELETE FROM ledger_leaf WHERE id = 'e00007'": "entry 7",
    "UPDATE ledger_head SET root = 'ab' WHERE size = 10": "head of size 10",
    "DELETE FROM ledger_head WHERE size = 10": None,  # a head in between only narrows down
    "DELETE FROM ledger_head WHERE size = 20": None,  # an older ledger, whole: whoever kept the newer head finds out
}


@pytest.mark.parametrize("statement", list(INSIDERS))
def test_what_an_insider_changes_past_the_triggers_is_found(
    database: Engine, words: Any, signer: Signer, tmp_path: Path, statement: str
) -> None:
    append(database, many(words, 0, 20), secret_sid)
    seal(database, signer, lambda: AT, batch=10)
    table = statement.split()[2 if "DELETE" in statement else 1]
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as connection:
        connection.execute(text(statement))
    with database.begin() as connection:
        if database.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
        else:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(text(statement))
    export(database, signer, tmp_path / "l")
    found = verify_export((tmp_path / "l").read_bytes().splitlines(keepends=True), signer.public).faults
    assert [fault.where for fault in found[:1]] == [where for where in (INSIDERS[statement],) if where]


@pytest.mark.parametrize("statement", ["UPDATE ledger_tile SET hashes = zeroblob(16320)", "DELETE FROM ledger_tile"])
def test_nothing_is_signed_on_top_of_a_tree_that_was_changed(
    database: Engine, words: Any, signer: Signer, statement: str
) -> None:
    append(database, many(words, 0, 20), secret_sid)
    seal(database, signer, lambda: AT)
    if database.dialect.name != "sqlite":
        statement = statement.replace("zeroblob(16320)", "decode(repeat('00', 16320), 'hex')")
    with database.begin() as connection:
        connection.execute(text(statement))
    append(database, many(words, 20, 30), secret_sid)
    with pytest.raises(TreeBroken):
        seal(database, signer, lambda: AT)
    assert newest_head(database).size == 20
    assert store.entries(database) == 30


def test_an_export_is_whole(database: Engine, words: Any, signer: Signer, tmp_path: Path) -> None:
    for first in range(0, 700, 350):
        append(database, many(words, first, first + 350), secret_sid)
        append_note(database, "audit_batch", {"batch": str(first)}, AT)
        seal(database, signer, lambda: AT, batch=200)
    assert export(database, signer, tmp_path / "l").size == 702
    lines = (tmp_path / "l").read_bytes().splitlines(keepends=True)
    found = verify_export(lines, signer.public)
    assert (found.leaves, found.heads, found.faults) == (702, 4, ())
    assert store.entries(database) == 700
