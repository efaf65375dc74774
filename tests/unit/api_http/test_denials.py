"""The overlay's copy in memory and on disk: whoever writes, whatever is lost, a no is obeyed."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.http.main import open_world
from api.http.wiring import Denied, Ledger, recall
from api.http.world import World
from consent import officer
from consent.overlay import DenyOverlay
from infra.errors import Unavailable
from infra.ids import Purpose, Token
from infra.workspace import Workspace

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HELD = Token("1:a")
ANALYTICS, ADVERTISING = Purpose("analytics"), Purpose("advertising")


@pytest.fixture
def workspace(tmp_path: Path, token_key: bytes) -> Workspace:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\n")
    return Workspace.open(root)


@pytest.fixture
def world(workspace: Workspace) -> Iterator[World]:
    world = open_world(workspace)
    yield world
    world.database.dispose()


def desk(world: World) -> officer.Desk:
    assert isinstance(world.consents, Ledger)
    return world.consents.desk


def said(action: str, purpose: str = ANALYTICS, at: datetime = AT, request_id: str | None = None) -> officer.Statement:
    return officer.Statement(
        kind="email", token=HELD, purpose=purpose, action=action, occurred_at=at, received_at=at, request_id=request_id
    )


def test_an_overlay_that_was_lost_follows_from_the_ledger_again(workspace: Workspace, world: World) -> None:
    before = AT - timedelta(days=1)
    officer.record(desk(world), said("objected", at=before))
    officer.record(desk(world), said("given"))
    officer.record(desk(world), said("withdrawn", ADVERTISING))
    desk(world).overlay.close()
    shutil.rmtree(workspace.serving_path / "overlay")
    again = open_world(workspace)
    overlay = desk(again).overlay
    assert overlay.denials() == [(HELD, ADVERTISING), (HELD, ANALYTICS)]
    # A build that has seen the words relieves it, as it would have relieved the one that was lost.
    assert overlay.purge(as_of=AT, through=3) == 2
    assert recall(desk(again), lambda: None) == 0
    overlay.close()
    again.database.dispose()


def test_what_the_served_build_has_seen_is_not_recalled(workspace: Workspace, world: World) -> None:
    officer.record(desk(world), said("objected"))
    officer.record(desk(world), said("withdrawn", ADVERTISING, AT + timedelta(seconds=1)))
    desk(world).overlay.close()
    shutil.rmtree(workspace.serving_path / "overlay")
    lost = DenyOverlay.open(workspace.serving_path)
    assert (
        recall(
            officer.Desk(**{n: getattr(desk(world), n) for n in officer.Desk.__slots__} | {"overlay": lost}), lambda: AT
        )
        == 1
    )
    assert lost.denials() == [(HELD, ADVERTISING)]
    lost.close()


def test_a_generation_that_cannot_be_opened_recalls_every_refusal(workspace: Workspace, world: World) -> None:
    def torn() -> datetime:
        raise Unavailable("torn")

    officer.record(desk(world), said("objected"))
    desk(world).overlay.close()
    shutil.rmtree(workspace.serving_path / "overlay")
    lost = DenyOverlay.open(workspace.serving_path)
    assert (
        recall(officer.Desk(**{n: getattr(desk(world), n) for n in officer.Desk.__slots__} | {"overlay": lost}), torn)
        == 1
    )
    lost.close()


def test_threads_that_read_the_overlay_at_two_moments_leave_the_newer_standing(workspace: Workspace) -> None:
    """The slow reader read before the write and puts its copy down after the fast one has read anew."""
    overlay = DenyOverlay.open(workspace.serving_path)
    overlay.restrict([Token("1:b")], [ANALYTICS], at=AT, sequence=1)
    denied = Denied(overlay)
    read = denied._read

    def slow(revision: int) -> object:
        copy = read(revision)
        denied._read = read  # type: ignore[method-assign]
        overlay.restrict([HELD], [ANALYTICS], at=AT, sequence=2)
        assert denied.denied_any([HELD], ANALYTICS)
        return copy

    denied._read = slow  # type: ignore[assignment, method-assign]
    denied.denied_any([HELD], ANALYTICS)
    assert denied.denied_any([HELD], ANALYTICS)
    overlay.close()


def test_a_repeated_request_gets_the_receipt_of_the_first(world: World) -> None:
    first = officer.record(desk(world), said("withdrawn", request_id="one"))
    again = officer.record(desk(world), said("withdrawn", request_id="one", at=AT + timedelta(hours=1)))
    assert again == first
