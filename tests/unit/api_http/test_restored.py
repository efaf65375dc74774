"""F26: a backup is restored over the whole state; from the first read on nobody who was erased since is shown."""

import random
import shutil
from pathlib import Path

import httpx
import pytest
from serving_world import email, world

import consent.store
from api.cli.erasable import Frozen
from api.http.app import create_app
from api.http.main import open_world
from consent import kept
from consent.erasure.freeze import REASON
from consent.suppression import Cause, suppressed_tokens, tokens_of
from infra.clock import system_clock
from infra.database import open_database
from infra.identifiers import load_identifier_types
from infra.ids import Token
from infra.workspace import Workspace

PEOPLE = 40
Tokens = tuple[tuple[int, Token], ...]


def asked(workspace: Workspace, number: int) -> Tokens:
    """Return the tokens by which a person asked to be erased."""
    kinds, keys = load_identifier_types(workspace), workspace.token_keys()
    return tuple(tokens_of(keys, kinds, "email", email(number)))


async def shown(workspace: Workspace, key: str) -> set[int]:
    """Return whom a server that starts over the workspace answers with."""
    opened = open_world(workspace)
    transport, found = httpx.ASGITransport(app=create_app(opened)), set[int]()
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        for number in range(PEOPLE):
            body = {"identifier": {"type": "email", "value": email(number)}, "purpose": "service"}
            headers = {"authorization": f"Bearer {key}"}
            answer = await asking.post("/v1/profiles:lookup", json=body, headers=headers)
            assert answer.status_code in {200, 404}
            found |= {number} if answer.status_code == 200 else set()
    opened.notary.desk.overlay.close()  # type: ignore[attr-defined]
    opened.database.dispose()
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(3, 9))])
async def test_whoever_was_erased_is_denied_before_a_restored_state_is_served(tmp_path: Path, seed: int) -> None:
    root, draw = tmp_path / "shop", random.Random(seed)  # noqa: S311 - a sample
    key = world(root, PEOPLE)
    workspace = Workspace.open(root)
    gone = set(draw.sample(range(PEOPLE), 9))
    early, late = set(sorted(gone)[:3]), set(sorted(gone)[3:])
    for moment, people in ((1, early), (2, late)):
        if moment == 2:
            shutil.copytree(root / "state", tmp_path / "backup")
        database = open_database(workspace, consent.store.METADATA)
        frozen = Frozen(workspace, database, system_clock)
        for number in people:
            tokens = asked(workspace, number)
            if moment == 2 and draw.random() < 0.4:  # killed between the copy and everything else
                kept.note(root, tokens, Cause(reason=REASON, request_id=f"r{number}", at=system_clock()))
            else:
                frozen.tokens(f"r{number}", tokens)
        database.dispose()
    shutil.rmtree(root / "state")
    shutil.copytree(tmp_path / "backup", root / "state")
    assert await shown(workspace, key) == set(range(PEOPLE)) - gone
    database = open_database(workspace, consent.store.METADATA)
    known = suppressed_tokens(database)
    expected = {token for number in late for _, token in asked(workspace, number)}
    assert not known & expected, "the next run has to find them as forgotten, and to erase them again"
    assert kept.reconcile(root, database) == expected
    database.dispose()
