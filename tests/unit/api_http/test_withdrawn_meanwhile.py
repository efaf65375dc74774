"""F25: who withdraws while generations are built and switched is shown to nobody from the acknowledgement on."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from serving_world import email, profile_id, rendered, world

from api.http.app import create_app
from api.http.keys import create_key
from api.http.main import open_world
from consent.store import last_sequence
from infra.serving.embedded import Generations
from infra.workspace import Workspace
from profiles import render, serving

pytestmark = pytest.mark.anyio
PURPOSE, PEOPLE = "personalization", 24


@dataclass
class Publisher:
    """Publishes again and again, each time what stood in the ledger when it began, and then relieves the overlay."""

    workspace: Workspace
    world: Any
    withdrawn: set[int] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    published: list[str] = field(default_factory=list)

    def build(self) -> None:
        """Publish once, as `profiles.jobs.publish` does it; a run takes a while, and here it takes one too."""
        started, through = datetime.now(UTC), last_sequence(self.world.database)
        seen, name = set(self.withdrawn), f"g{len(self.published):03d}"
        generations = Generations(self.workspace.serving_path / serving.FOLDER)
        generations.root.mkdir(parents=True, exist_ok=True)
        with generations.building(name) as writer:
            for number in range(PEOPLE):
                if number not in seen:
                    for key, value in rendered(number, PURPOSE):
                        writer.put(key, value)
                    time.sleep(0.002)
            writer.put(serving.MANIFEST, orjson.dumps({"generation": name, "started_at": render.moment(started)}))
        generations.publish(name)
        self.published.append(name)
        time.sleep(2 * serving.STALENESS_SECONDS)
        self.world.consents.desk.overlay.purge(as_of=started, through=through)

    def run(self) -> None:
        while not self.stop.is_set():
            self.build()


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    world(tmp_path / "shop", 1)
    workspace = Workspace.open(tmp_path / "shop")
    opened = open_world(workspace)
    yield Publisher(workspace, opened)
    opened.database.dispose()


async def shown(client: httpx.AsyncClient, number: int) -> list[int]:
    """Ask for somebody in every way there is, and return the statuses."""
    person = {"type": "email", "value": email(number)}
    one = await client.get(f"/v1/profiles/{profile_id(number)}?purpose={PURPOSE}")
    other = await client.post("/v1/profiles:lookup", json={"identifier": person, "purpose": PURPOSE})
    asked = {"people": [person, {"profile_id": profile_id(number)}], "purpose": PURPOSE}
    many = (await client.post("/v1/profiles:batchLookup", json=asked)).json()["results"]
    below = [await client.get(f"/v1/profiles/{profile_id(number)}/{what}?purpose={PURPOSE}") for what in ("events",)]
    return [one.status_code, other.status_code, *(each["status"] for each in many), *(b.status_code for b in below)]


async def test_nobody_who_withdrew_is_read_while_generations_follow_each_other(publisher: Publisher) -> None:
    publisher.build()
    at = datetime.now(UTC)
    key = create_key(publisher.world.database, name="all", scopes={"admin"}, purposes={PURPOSE}, at=at)
    order = random.Random(25).sample(range(PEOPLE), 12)  # noqa: S311 - seeded, no secret
    building = threading.Thread(target=publisher.run)
    building.start()
    try:
        transport = httpx.ASGITransport(app=create_app(publisher.world))
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            for number in order:
                assert (await shown(client, number))[:4] == [200] * 4
                said = {
                    "identifier": {"type": "email", "value": email(number)},
                    "purpose": PURPOSE,
                    "action": "withdrawn",
                }
                assert (await client.post("/v1/consent", json=said)).status_code == 201
                # Only now does a build that begins see it; those under way do not.
                publisher.withdrawn.add(number)
                for again in order[: order.index(number) + 1]:
                    assert set(await shown(client, again)) == {404}, "a person who withdrew was shown"
                time.sleep(0.12)  # noqa: ASYNC251 - the publisher's thread goes on meanwhile
            until = time.monotonic() + 2.5
            while time.monotonic() < until:
                for number in order:
                    assert set(await shown(client, number)) == {404}
            assert (await shown(client, next(n for n in range(PEOPLE) if n not in order)))[:4] == [200] * 4
    finally:
        publisher.stop.set()
        building.join()
    assert len(publisher.published) >= 3
    assert not publisher.world.consents.desk.overlay.denials() or publisher.withdrawn
