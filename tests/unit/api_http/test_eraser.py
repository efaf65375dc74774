"""Erasures handed from the server to the job runner: once, when they can go on, with a runner to take them."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import consent.requests.store
import consent.store
from api.http.privacy.eraser import JOB, Eraser, tried
from consent.erasure import holds
from consent.erasure.asked import NOBODY, Door, freeze_accepted, waiting
from consent.erasure.book import Book
from consent.erasure.errors import NobodyFound
from consent.erasure.followed import AGAIN
from consent.erasure.holds import Hold
from consent.erasure.workflow import RETENTION
from consent.overlay import DenyOverlay
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk, get, steps
from consent.requests.intake import open_request
from consent.requests.model import Claimed, Request, Wish
from consent.requests.vault import Vault
from infra import runs
from infra.database import open_database
from infra.identifiers import IdentifierType
from infra.ids import Token
from infra.runs import URGENT, Runs

AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
ANN = Token("1:" + "a" * 64)


@dataclass
class Shop:
    """A workspace as far as the eraser knows it, and how often a runner was started for it."""

    state_path: Path
    started: list[Any] = field(default_factory=list)
    lives: bool = True

    def start(self, _workspace: Any) -> "subprocess.Popen[bytes]":
        code = "import time; time.sleep(60)" if self.lives else ""
        self.started.append(subprocess.Popen([sys.executable, "-c", code]))
        if not self.lives:
            self.started[-1].wait(timeout=30)
        return self.started[-1]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    found = Shop(tmp_path)
    yield found
    for process in found.started:
        process.kill()
        process.wait(timeout=30)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    metadata = (consent.store.METADATA, consent.requests.store.METADATA, runs.METADATA)
    database = open_database(f"sqlite:///{tmp_path}/kindred.db", *metadata)
    desk = Desk(database, Vault.open(tmp_path, b"w" * 32), lambda *_: None, RequestsConfig())
    overlay = DenyOverlay.open(tmp_path / "serving")
    yield Door(desk, database, overlay, "self", {"email": IdentifierType(normaliser="email")}, {1: b"k" * 32})
    overlay.close()
    database.dispose()


@pytest.fixture
def request_(door: Door) -> Request:
    wish = Wish(right="erasure", identifiers=(Claimed("email", ANN, ""),), received_at=AT, actor="subject",
                channel="centre", regulation="gdpr", vouched="link")  # fmt: skip
    made = open_request(door.desk, wish, AT)
    freeze_accepted(door, AT)
    return made


def eraser(shop: Shop) -> Eraser:
    return Eraser(shop, shop.start)  # type: ignore[arg-type]


def queued(door: Door) -> list[Any]:
    return Runs(door.database, lambda: AT).latest()


def ended(door: Door, error: str | None = None, at: datetime = AT) -> None:
    book = Runs(door.database, lambda: at)
    row = book.begin_next({}, None)
    assert row is not None
    book.finish(row.id, error=error, exit_code=1 if error else 0)


def test_a_frozen_erasure_is_handed_over_once_and_a_runner_started(door: Door, shop: Shop, request_: Request) -> None:
    server = eraser(shop)
    assert server.once(door, AT) == (request_.id,)
    assert server.once(door, AT + timedelta(seconds=5)) == ()
    (run,) = queued(door)
    assert (run.job, run.arguments, run.priority) == (JOB, {"request": request_.id}, URGENT)
    assert len(shop.started) == 1
    assert tried(door, request_.id) is not None
    assert tried(door, "another") is None


def test_a_runner_that_dies_is_replaced_and_not_too_often(door: Door, shop: Shop, request_: Request) -> None:
    del request_
    shop.lives = False
    server = eraser(shop)
    server.once(door, AT)
    server.once(door, AT + timedelta(seconds=59))
    assert len(shop.started) == 1
    server.once(door, AT + timedelta(seconds=61))
    assert len(shop.started) == 2


def test_a_run_that_failed_is_tried_again_an_hour_later(door: Door, shop: Shop, request_: Request) -> None:
    server = eraser(shop)
    server.once(door, AT)
    ended(door, "something is left")
    assert server.once(door, AT + timedelta(minutes=59)) == ()
    assert server.once(door, AT + AGAIN) == (request_.id,)
    assert len(queued(door)) == 2


def test_an_erasure_waits_for_older_versions_without_a_run(door: Door, shop: Shop, request_: Request) -> None:
    server, book = eraser(shop), Book(door.database, lambda: AT)
    server.once(door, AT)
    for step in ("planned", "deleting", "purging"):
        book.begin(request_.id, step)
        book.finish(request_.id, step, "", {})
    ended(door)
    assert server.once(door, AT + timedelta(days=6)) == ()
    assert server.once(door, AT + RETENTION) == (request_.id,)


def test_a_legal_hold_is_waited_for_without_a_run(door: Door, shop: Shop, request_: Request) -> None:
    one = Hold(id="h", ground="a claim", article="GDPR 17(3)(e)", actor="officer", made_at=AT)
    holds.hold(door.database, [ANN], one)
    server = eraser(shop)
    assert server.once(door, AT) == ()
    assert queued(door) == []
    assert shop.started == []
    holds.release(door.database, "h")
    assert server.once(door, AT) == (request_.id,)


def test_a_request_of_somebody_unknown_is_closed_and_they_stay_out(door: Door, shop: Shop, request_: Request) -> None:
    server = eraser(shop)
    server.once(door, AT)
    ended(door, str(NobodyFound()))
    server.once(door, AT)
    found = get(door.desk, request_.id)
    assert found.status == "closed"
    assert steps(door.desk, request_.id)[-1].facts == {"outcome": NOBODY}
    assert door.overlay.denied(ANN, "service")
    assert waiting(door, AT) == ()
    assert server.once(door, AT + timedelta(days=1)) == ()
