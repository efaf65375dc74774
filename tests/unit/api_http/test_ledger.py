"""Heads, receipts and proofs over HTTP, each checked as a stranger would check it."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

import consent.store
from api.http.app import create_app
from api.http.notary import DeskNotary
from api.http.sealing import Sealing
from consent.ledger.proofs import proven
from consent.ledger.sealer import unsealed
from consent.ledger.verify import verify
from consent.model import Policy
from consent.officer import Desk, Statement, record
from consent.overlay import DenyOverlay
from infra.database import open_database
from infra.identifiers import IdentifierType
from infra.signing import Signer, decoded

ANNA = {"identifier": {"type": "email", "value": "anna.k@example.org"}}


@pytest.fixture
def desk(town: Any, tmp_path: Path) -> Any:
    database = open_database(f"sqlite:///{tmp_path}/ledger.db", consent.store.METADATA)
    policy = Policy(version="v", purposes={}, rows=(), masks={})
    kinds = {"email": IdentifierType(normaliser="email")}
    overlay = DenyOverlay.open(tmp_path)
    desk = Desk(database, overlay, policy, kinds, "US", town.world.tongue.key, signer=Signer.of(bytes(32)))
    yield desk
    overlay.close()
    database.dispose()


@pytest.fixture
async def asking_sealed(town: Any, desk: Desk) -> Any:
    world = replace(town.world, notary=DeskNotary(desk), sealing=Sealing(desk))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(world)), base_url="http://h") as client:
        yield client


def said(town: Any, desk: Desk, number: int = 0, action: str = "withdrawn") -> dict[str, Any]:
    token = town.world.tongue.known("email", ANNA["identifier"]["value"]).token
    now = town.world.clock() + timedelta(seconds=number)
    kept = Statement(kind="email", token=token, purpose="all", action=action, occurred_at=now, received_at=now)
    return record(desk, kept)


@pytest.mark.anyio
async def test_a_promise_at_once_a_receipt_soon_a_proof_for_ever(town: Any, desk: Desk, asking_sealed: Any) -> None:
    key = town.bearer("clerk")
    told = said(town, desk)
    assert verify(told["promise"], Signer.of(bytes(32)).public) == ()
    early = await asking_sealed.get(f"/v1/consent/{told['id']}/receipt", headers=key)
    assert early.status_code == 503
    assert Sealing(desk).look(town.world.clock) == 1
    said(town, desk, 1)
    Sealing(desk).look(town.world.clock)
    heads = (await asking_sealed.get("/v1/consent/heads", headers=key)).json()
    public = decoded(heads["public_key"])
    assert [head["size"] for head in heads["heads"]] == [2, 1]
    older = (await asking_sealed.get("/v1/consent/heads?before=2&limit=1", headers=key)).json()["heads"]
    assert older == heads["heads"][1:]
    receipt = (await asking_sealed.get(f"/v1/consent/{told['id']}/receipt", headers=key)).json()
    assert verify(receipt, public) == ()
    assert receipt["leaf"]["fields"]["id"] == told["id"]
    assert bytes.fromhex(told["promise"]["leaf"])
    both = (await asking_sealed.post("/v1/consent:receipts", headers=key, json=ANNA)).json()["receipts"]
    assert [verify(one, public) for one in both] == [(), ()]
    proof = (await asking_sealed.post("/v1/consent:consistency", headers=key, json={"first": 1})).json()
    assert verify(proof, public) == ()
    nobody = {"identifier": {"type": "email", "value": "nobody@example.org"}}
    assert (await asking_sealed.post("/v1/consent:receipts", headers=key, json=nobody)).json() == {"receipts": []}


@pytest.mark.anyio
async def test_a_running_server_seals_by_itself_and_outlives_a_database_that_is_away(town: Any, desk: Desk) -> None:
    sealing = Sealing(desk)
    task = asyncio.create_task(sealing.run(town.world.clock, pause=0.01))
    with desk.database.begin() as connection:
        connection.execute(text("ALTER TABLE ledger_note RENAME TO away"))
    told = said(town, desk)
    await asyncio.sleep(0.1)
    assert not task.done()
    with desk.database.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO ledger_note"))
    for _ in range(1_000):
        await asyncio.sleep(0.02)
        if not unsealed(desk.database):
            break
    assert proven(desk.database, told["id"]).head.size == 1
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.anyio
@pytest.mark.parametrize("entry", ["0" * 32, "f" * 64])
async def test_what_never_was_is_unknown(town: Any, desk: Desk, asking_sealed: Any, entry: str) -> None:
    said(town, desk)
    Sealing(desk).look(town.world.clock)
    answer = await asking_sealed.get(f"/v1/consent/{entry}/receipt", headers=town.bearer("clerk"))
    assert answer.status_code == 404
    assert entry not in answer.text


@pytest.mark.anyio
async def test_who_may_not_read_consent_gets_no_proof(town: Any, asking_sealed: Any) -> None:
    for method, path, body in (
        ("GET", "/v1/consent/heads", None),
        ("GET", f"/v1/consent/{'0' * 32}/receipt", None),
        ("POST", "/v1/consent:receipts", ANNA),
        ("POST", "/v1/consent:consistency", {"first": 1}),
    ):
        answer = await asking_sealed.request(method, path, headers=town.bearer("reader"), json=body)
        assert answer.status_code == 403, path
    broken = await asking_sealed.get("/v1/consent/anna.k@example.org/receipt", headers=town.bearer("clerk"))
    assert broken.status_code == 422
    assert "anna" not in broken.text


@pytest.mark.anyio
async def test_a_word_is_heard_without_a_key_to_promise_it(town: Any, desk: Desk) -> None:
    bare = replace(desk, signer=None)
    told = said(town, bare, action="restricted")
    assert told["promise"] is None
    assert Sealing(bare).look(town.world.clock) == 0
    assert Sealing(desk).look(town.world.clock) == 1
    assert bare.overlay.denied(town.world.tongue.known("email", "anna.k@example.org").token, "all")
