"""`kindred publish --rollback`: back by one generation, and nobody who refused meanwhile is shown for a moment."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.world import World, open_world
from consent import officer
from consent.overlay import DenyOverlay
from infra.ids import Purpose, Token
from infra.serving.store import NothingBefore
from profiles.errors import ManifestUnreadable
from profiles.rollback import Refusals, roll_back
from profiles.serving import MANIFEST, serving_store

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
BUILT = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN, BOB = Token("1:ann"), Token("1:bob")
ANALYTICS = Purpose("analytics")


@pytest.fixture
def world(tmp_path: Path, token_key: bytes) -> World:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\n")
    return open_world(root)


def publish(world: World, number: int, manifest: bytes | None = None) -> None:
    said = {"generation": f"{number}", "started_at": (BUILT + number * 10 * HOUR).isoformat()}
    store = serving_store(world.workspace)
    with store.building(f"{number}") as writer:
        writer.put(MANIFEST, json.dumps(said).encode() if manifest is None else manifest)
    store.publish(f"{number}")


def objects(desk: officer.Desk, token: Token, at: datetime) -> None:
    officer.record(
        desk,
        officer.Statement(
            kind="email", token=token, purpose=ANALYTICS, action="objected", occurred_at=at, received_at=at
        ),
    )


def test_what_a_given_up_generation_had_taken_in_is_denied_before_the_one_before_is_served(world: World) -> None:
    publish(world, 1)
    publish(world, 2)
    desk = officer.Desk.open(world.workspace, world.database)
    objects(desk, ANN, BUILT + 9 * HOUR)  # the first build saw it
    objects(desk, BOB, BUILT + 19 * HOUR)  # only the second did
    desk.overlay.purge(as_of=BUILT + 20 * HOUR, through=99)
    assert desk.overlay.denials() == []
    desk.overlay.close()
    told = CliRunner().invoke(app, ["publish", "--rollback", "--workspace", str(world.workspace.root)])
    assert told.exit_code == 0, told.output
    assert "generation 1 is served again, and 2 is given up; 1 refusals" in " ".join(told.output.split())
    assert serving_store(world.workspace).name() == "1"
    overlay = DenyOverlay.open(world.workspace.serving_path)
    assert overlay.denials() == [(BOB, ANALYTICS)]
    overlay.close()
    again = CliRunner().invoke(app, ["publish", "--rollback", "--workspace", str(world.workspace.root)])
    assert again.exit_code == NothingBefore.exit_code
    assert serving_store(world.workspace).name() == "1"


@pytest.mark.parametrize("manifest", [b"", b"{}", b"nonsense"])
def test_a_generation_that_does_not_say_when_it_judged_is_not_gone_back_to(world: World, manifest: bytes) -> None:
    publish(world, 1, manifest)
    publish(world, 2)
    desk = officer.Desk.open(world.workspace, world.database)
    with pytest.raises(ManifestUnreadable):
        roll_back(serving_store(world.workspace), Refusals(world.database, desk.overlay, desk.policy), BUILT)
    assert serving_store(world.workspace).name() == "2"
    desk.overlay.close()
