"""The desk of privacy requests as the server has it: with what signs, what sends, and how fast each key may ask."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import lmdb
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.http.credentials import Bucket
from api.http.errors import TooFast
from api.http.privacy.answers import Answers
from api.http.privacy.eraser import Eraser
from api.http.reading import Tongue
from consent import officer
from consent.erasure import asked
from consent.erasure.asked import Door
from consent.requests import carry, outbox, prove
from consent.requests.clocks import Clock, clocks
from consent.requests.desk import Desk, get, listed
from consent.requests.intake import hurried, open_request
from consent.requests.model import Claimed, Request, Wish
from consent.requests.opendsr import wire
from consent.requests.opendsr.signing import Seal, Trust
from consent.requests.vault import VARIABLE
from consent.retention.config import load_retention
from infra.clock import Clock as Watch
from infra.errors import ConfigurationError, KindredError
from infra.settings import secret
from infra.workspace import Workspace
from profiles.serving import ProfileReader

LOG = logging.getLogger("kindred.http")
_PAUSE = 5.0
_SOON = 0.25
_RATE, _BURST = 5.0, 50.0
_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Office:
    """What requests are taken down and carried out with."""

    desk: Desk
    words: officer.Desk
    root: Path
    tongue: Tongue
    send: outbox.Send
    answers: Answers
    door: Door
    seal: Seal | None = None
    trust: Trust | None = None
    eraser: Eraser | None = None
    stopwatch: Callable[[], float] = time.monotonic
    buckets: dict[str, Bucket] = field(default_factory=dict)
    # One of this process's threads carries out at a time: a visitor's and the office's own would do the same twice.
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def open(
        cls, workspace: Workspace, database: Engine, words: officer.Desk, reader: ProfileReader, now: datetime
    ) -> "Office":
        """Return the office of a workspace; a certificate that nobody would believe closes OpenDSR alone."""
        desk = Desk.open(workspace, database)
        config = desk.config.opendsr
        try:
            seal = Seal.load(workspace.root, config, now) if config else None
            trust = Trust.load(workspace.root, config) if config else None
        except ConfigurationError as error:
            LOG.warning("OpenDSR is closed: %s", error)
            seal = trust = None
        return cls(
            desk=desk,
            words=words,
            root=workspace.root,
            tongue=Tongue(words.kinds, words.key, words.region),
            send=outbox.sender(desk.config),
            answers=Answers(desk, words, workspace.lake_path, reader, load_retention(workspace)),
            door=Door(
                desk,
                database,
                words.overlay,
                words.policy.controller,
                words.kinds,
                workspace.token_keys(),
                workspace.root,
            ),
            seal=seal,
            trust=trust,
            eraser=Eraser(workspace) if workspace.settings.serving.erase else None,
        )

    def slowly(self, key_id: str) -> None:
        """Let a key ask, or raise `TooFast`: whoever asks for people's data has no need to hurry."""
        if len(self.buckets) >= _REMEMBERED:
            self.buckets.clear()
        bucket = self.buckets.setdefault(key_id, Bucket(_RATE, _BURST, self.stopwatch))
        wait = bucket.wait()
        if wait:
            raise TooFast(wait)

    def known(self, kind: str, value: str) -> Claimed:
        """Return an identifier in its one spelling; raise `IdentifierUnreadable` without repeating it."""
        found = self.tongue.known(kind, value)
        return Claimed(found.type, found.token, found.value)

    def digests(self) -> Mapping[str, str]:
        """Return by type the one that holds its SHA-256."""
        return {kind.digest_of: name for name, kind in self.words.kinds.items() if kind.digest_of is not None}

    def take(self, wish: Wish, at: datetime) -> Request:
        """Take a request down, and have the mailer send a proof to every identifier that must be proved."""
        request = open_request(self.desk, wish, at)
        fresh = request.opened_at == at and request.status == "verifying"
        if fresh and self.desk.config.proof.deliver_to is not None and not hurried(self.desk, request.id, at):
            for position in range(len(request.kinds)):
                proof = prove.challenge(self.desk, request.id, position, at=at, actor="desk")
                outbox.put_proof(self.desk, proof, at)
        return request

    def clocks(self, at: datetime) -> tuple[Clock, ...]:
        """Return the clocks of all open requests, the most urgent first."""
        return clocks(listed(self.desk, limit=100_000), at)

    def status(self, request: Request, url: str | None = None) -> dict[str, Any]:
        """Return where a request stands in OpenDSR's words; with an address as the callback to it."""
        config = self.desk.config
        domain = config.opendsr.domain if config.opendsr else ""
        told = wire.status(request, request.opened_by.removeprefix("key:"), domain)
        return told | ({} if url is None else {"status_callback_url": url})

    def once(self, at: datetime) -> carry.Round:
        """Carry on with every request, and send what waits to be sent; erasures are frozen here and erased by a run."""
        self.freeze(at)
        with self.turn:
            done = carry.run(carry.Hands(self.desk, self.words, self.root), at)
            asked.follow(self.door, at)
        outbox.call_back(self.desk, self.status, at)
        seal = self.seal
        outbox.deliver(self.desk, self.send, (lambda raw: seal.headers(raw, legacy=True)) if seal else lambda _: {}, at)
        return done

    def at_once(self, request: Request, at: datetime) -> Request:
        """Carry out what a person just asked for and nobody has to judge, and return the request as it then stands.

        What cannot be done now waits for the next round, which may have been quicker.
        """
        try:
            if request.right == "erasure":
                self.freeze(at)
            else:
                with self.turn:
                    if get(self.desk, request.id).status == "accepted":
                        carry.carry(carry.Hands(self.desk, self.words, self.root), request.id, at)
        except (SQLAlchemyError, lmdb.Error, KindredError, OSError) as error:
            LOG.warning("privacy request %s waits: %s", request.id, type(error).__name__)
        return get(self.desk, request.id)

    def erase(self, at: datetime) -> None:
        """Hand over to the job runner what it can erase now, where this server does that."""
        if self.eraser is not None:
            self.eraser.once(self.door, at)

    def freeze(self, at: datetime) -> None:
        """Freeze everybody whose erasure was accepted: when this returns no reader sees them."""
        with self.turn:
            asked.freeze_accepted(self.door, at)

    async def run(self, clock: Watch, pause: float = _PAUSE) -> None:
        """Do so for ever, in threads, so that no freeze waits for what is sent; what fails is done the next time."""
        await asyncio.gather(
            self._again((self.once, self.erase), clock, pause), self._again((self.freeze,), clock, min(pause, _SOON))
        )

    async def _again(
        self, acts: Sequence[Callable[[datetime], carry.Round | None]], clock: Watch, pause: float
    ) -> None:
        while True:
            for act in acts:
                await asyncio.to_thread(self._tried, act, clock())
            await asyncio.sleep(pause)

    def _tried(self, act: Callable[[datetime], carry.Round | None], now: datetime) -> None:
        try:
            done = act(now)
        except (SQLAlchemyError, lmdb.Error, KindredError, OSError) as error:
            LOG.warning("privacy requests wait: %s", type(error).__name__)
            return
        for request, why in done.stuck if done is not None else ():
            LOG.warning("privacy request %s waits: %s", request.id, type(why).__name__)


def opened(
    workspace: Workspace, database: Engine, words: officer.Desk, reader: ProfileReader, now: datetime
) -> Office | None:
    """Return the office, or None in a workspace that has no key to seal requests with."""
    if not secret(workspace.environ, VARIABLE):
        return None
    return Office.open(workspace, database, words, reader, now)
