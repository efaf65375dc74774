"""The product as it is served, with every part on, and requests that bring each of its answers about."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from serving_world import AT, email, profile_id, world
from sqlalchemy import Engine, create_engine

from api.http.app import create_app
from api.http.collector.app import Bounds, Collector
from api.http.collector.doorkeeper import Doorkeeper
from api.http.credentials import Bucket, KeyRing
from api.http.keys import Credential, create_key
from api.http.main import open_world
from api.http.memory import MemoryStewards
from api.http.world import World
from consent.requests import prove
from identity.stewardship.review import Task
from infra.clock import system_clock
from infra.ids import ProfileId
from infra.workspace import Workspace
from profiles.changefeed.places import Place

TASK: Final = "1" * 16
HELD: Final = Task(TASK, "held", "births,phones", ProfileId(profile_id(1)))
ENOUGH: Final = 10**9
UNREAD: Final = b'{"a": "\xff"}'


@dataclass(frozen=True)
class Ask:
    """One request; `body` is JSON unless it is bytes, `who` names the key."""

    method: str
    path: str
    body: Any = None
    who: str = "admin"
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes | None:
        """Return the body as it is sent."""
        return self.body if self.body is None or isinstance(self.body, bytes) else orjson.dumps(self.body)


class Broken(KeyRing):
    """Keys that fail in a way that nobody foresaw."""

    def credential(self, key: str) -> Credential:
        raise RuntimeError(len(key))


class WholeShop:
    """The world of a workspace, its keys, and ways to break it."""

    def __init__(self, root: Path) -> None:
        world(root, 20)
        (root / "sources" / "web.yaml").write_text("source: web\nconnector: {type: collector}\nrecord: event\n")
        opened = open_world(Workspace.open(root))
        self._strangers = count(1_000)
        self._apps: dict[int, tuple[World, Any]] = {}
        assert opened.privacy is not None
        # Its callers do not hurry: a second passes between two of them.
        office = replace(opened.privacy, stopwatch=count().__next__)
        self.world: World = replace(opened, stewards=MemoryStewards([HELD]), privacy=office)
        database, every = self.world.database, opened.consents.purposes() if opened.consents else ()
        made: dict[str, Any] = {"at": AT, "rate": ENOUGH, "people_per_day": ENOUGH}
        self.keys = {
            "admin": create_key(database, name="a", scopes={"admin"}, purposes=every, **made),
            "stranger": create_key(database, name="s", scopes={"console"}, purposes=(), **made),
            "web": create_key(database, name="w", scopes={"events:write"}, purposes=(), source="web", **made),
        }

    def close(self) -> None:
        """Close what is open."""
        if self.world.collector is not None:
            asyncio.run(self.world.collector.close())
        self.world.database.dispose()

    async def send(self, asked: Ask, changed: World | None = None, content: Any = None) -> httpx.Response:
        """Return the answer of the whole application, or of a changed one."""
        changed = changed or self.world
        if id(changed) not in self._apps:  # a world that is kept here keeps its id
            self._apps[id(changed)] = (changed, create_app(changed))
        transport = httpx.ASGITransport(app=self._apps[id(changed)][1], raise_app_exceptions=False)
        headers = {**({} if asked.body is None else {"content-type": "application/json"}), **asked.headers}
        if asked.who == "web":
            headers["authorization"] = "Basic " + base64.b64encode(f"{self.keys['web']}:".encode()).decode()
        elif asked.who:
            headers["authorization"] = f"Bearer {self.keys[asked.who]}"
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            body = asked.content() if content is None else content
            return await client.request(asked.method, asked.path, content=body, headers=headers)

    def ringed(self, ring: Any, **bounds: Any) -> World:
        """Return the world with another ring at every door, and other bounds of the collector."""
        collector = self.world.collector
        assert collector is not None
        gate = Collector(
            collector.log,
            collector._desk,
            Doorkeeper(ring),
            system_clock,
            self.world.metrics,
            bounds=Bounds(**bounds),
        )
        return replace(self.world, ring=ring, collector=gate)

    def hurried(self, *, again: bool = False) -> World:
        """Return the world in which a key may ask once, from now or from the last time on."""
        ring, changed = self._hurried
        if again:
            return changed
        for holder in (ring.holder(f"Bearer {self.keys['admin']}".encode()), ring.writer(self.keys["web"])):
            holder.bucket = Bucket(1, 1, lambda: 0.0)
        return changed

    @cached_property
    def _hurried(self) -> tuple[KeyRing, World]:
        ring = KeyRing(self.world.database)
        return ring, self.ringed(ring)

    @cached_property
    def without_database(self) -> World:
        """Return the world whose keys lie in a database that cannot be opened."""
        nowhere: Engine = create_engine("sqlite:////nowhere/at/all/kindred.db")
        return replace(self.ringed(KeyRing(nowhere)), database=nowhere)

    @cached_property
    def impatient(self) -> World:
        """Return the world that waits for no body."""
        return replace(self.ringed(self.world.ring, body_seconds=0.05), body_seconds=0.05)

    @cached_property
    def broken(self) -> World:
        """Return the world whose keys fail in a way that nobody foresaw."""
        return self.ringed(Broken(self.world.database))

    def stranger(self) -> int:
        """Return the number of somebody who has asked for nothing yet."""
        return next(self._strangers)

    def place(self, beyond: int = 0) -> str:
        """Return a cursor of the change feed, or one behind rows that it does not have."""
        assert self.world.changes is not None
        begun = self.world.changes.feed.begin()
        return Place(begun.feed, begun.sequence + beyond, begun.until if not beyond else 0).cursor()

    def seal(self) -> None:
        """Seal what was said."""
        assert self.world.sealing is not None
        self.world.sealing.look(system_clock)


async def stalled() -> AsyncIterator[bytes]:
    """Yield the beginning of a body that has no end."""
    yield b"{"
    await asyncio.sleep(30)


async def request_of(shop: WholeShop, number: int, right: str = "access") -> str:
    """Take a privacy request down and return its id."""
    body = {"right": right, "identifiers": [{"type": "email", "value": email(number)}], "jurisdiction": "DE"}
    answer = await shop.send(Ask("POST", "/v1/privacy/requests", body))
    return str(answer.json()["id"])


async def verified(shop: WholeShop, number: int, right: str = "access") -> str:
    """Return the id of a request whose person an officer has seen."""
    made = await request_of(shop, number, right)
    assert shop.world.privacy is not None
    prove.attest(shop.world.privacy.desk, made, "passport", at=system_clock(), actor="officer")
    return made


async def proof_of(shop: WholeShop, request_id: str) -> str:
    """Return a proof as the mailer would bring it."""
    assert shop.world.privacy is not None
    return prove.challenge(shop.world.privacy.desk, request_id, 0, at=system_clock(), actor="desk").word
