"""Publications while people are read: whatever a server answers belongs whole to one generation, and none goes back.

Each generation says its number in every value, and every identifier leads to somebody else in the next one.
"""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from serving_world import KEY, profile_id, world
from valkeys import Valkey

from api.http.keys import create_key
from api.http.store import METADATA
from infra.database import open_database
from infra.identifiers import token
from infra.serving.embedded import Generations
from infra.serving.remote import RemoteGenerations
from infra.serving.store import ServingStore
from profiles import render, serving
from profiles.stored import packed

PEOPLE, READERS = 40, 8
AT = datetime(2020, 1, 1, tzinfo=UTC)
PURPOSE = "personalization"
FEATURES = ("orders_90d", "spend_90d", "average_basket")
AGES = "days_since_order"  # which counts as none where the generation was counted long ago: in every other one


def email(number: int) -> str:
    return f"moves.{number}@example.org"


def holder(number: int, generation: int) -> int:
    """Return whom an address leads to in a generation."""
    return (number + generation) % PEOPLE


def rendered(number: int, generation: int) -> tuple[bytes, bytes]:
    """Return ETag and answer of a person in a generation."""
    said = [
        {"name": name, "value": f"g{generation}", "source": "crm", "record_key": "r" * 32, "observed_at": AT,
         "rule": "most_recent", "confidence": 0.9} for name in ("city", "family_name", "given_name")
    ]  # fmt: skip
    row = {
        "profile_id": profile_id(number), "purpose": PURPOSE, "as_of": AT, "attributes": said, "known": True, "size": 1,
        "traits": [(name, str(generation)) for name in (*FEATURES, AGES)], "identifiers": [], "withheld": [],
        "confidence": 0.9, "reason": "contract", "policy_line": "policy.yaml:12",
    }  # fmt: skip
    return render.view(row, dict.fromkeys((*FEATURES, AGES), "whole"), [])


def publish(store: ServingStore, generation: int) -> None:
    with store.building(f"{generation:08d}") as writer:
        for number in range(PEOPLE):
            tag, body = rendered(number, generation)
            tokens = [token(KEY.encode(), "email", email(n)) for n in range(PEOPLE) if holder(n, generation) == number]
            held = "\n".join(tokens).encode()
            writer.put(serving.view_key(PURPOSE, profile_id(number)), packed(tag, body, held))
            writer.put(serving.holders_key(profile_id(number)), held)
            for one in tokens:
                writer.put(serving.token_key(one), profile_id(number).encode())
        counted = AT if generation % 2 else datetime.now(UTC)
        told = {"generation": f"{generation:08d}", "as_of": AT.isoformat(), "started_at": counted.isoformat()}
        writer.put(serving.MANIFEST, json.dumps(told).encode())
    store.publish(f"{generation:08d}")


@contextmanager
def served(root: Path, store: str) -> Iterator[tuple[int, str]]:
    world(root, 1)
    database = open_database(f"sqlite:///{root}/state/kindred.db", METADATA)
    key = create_key(
        database, name="reader", scopes={"admin"}, purposes={PURPOSE}, at=AT, rate=10**9, people_per_day=10**9
    )
    database.dispose()
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    environ = {**os.environ, "KINDRED_SERVING__STORE": store, "KINDRED_SERVING__ERASE": "false"}
    with (root / "server.log").open("wb") as told:
        command = [sys.executable, "-m", "api.http.serve", str(root), "127.0.0.1", str(port)]
        process = subprocess.Popen(command, cwd="/", env=environ, stdout=told, stderr=told)
        try:
            for _ in range(1_200):
                assert process.poll() is None, (root / "server.log").read_text()
                with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", port, timeout=20)) as line:
                    line.request("GET", "/healthz")
                    if line.getresponse().status == 200:
                        break
                time.sleep(0.1)
            yield port, key
        finally:
            process.terminate()
            process.wait(timeout=60)


class Away(Exception):
    """A clear 503: a reader whom the machine held up for longer than a generation is kept asks again."""


class Reader:
    """Somebody who asks, and holds each answer against what any one generation says."""

    def __init__(self, port: int, key: str, seed: int) -> None:
        self.line = HTTPConnection("127.0.0.1", port, timeout=60)
        self.head = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.drawn = random.Random(seed)  # noqa: S311 - load, not secrets
        self.newest, self.wrong, self.counts, self.tags = 0, list[str](), Counter[str](), dict[int, str]()
        self.cursor: str | None = None

    def ask(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, dict[str, str], Any]:
        self.line.request(method, path, None if body is None else json.dumps(body), {**self.head, **more})
        answer = self.line.getresponse()
        raw = answer.read()
        if answer.status == 503:
            raise Away
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(raw) if raw else None

    def until(self, stop: threading.Event) -> None:
        ways: tuple[Callable[[], None], ...] = (
            self.by_id, self.by_email, self.many, self.many_by_email, self.features, self.changes, self.known,
        )  # fmt: skip
        while not stop.is_set():
            way = self.drawn.choice(ways)
            try:
                way()
            except Away:
                self.counts["away"] += 1
                continue
            except (AssertionError, OSError, HTTPException, LookupError, ValueError, TypeError) as error:
                self.wrong.append(f"{way.__name__}: {type(error).__name__} {error}")
                break
            self.counts[way.__name__] += 1
        self.line.close()

    def generation(self, number: int, view: Any, tag: str | None = None) -> int:
        """Return which generation a view is of; note a view that is of none, or of an older one than before."""
        found = int(view["attributes"]["city"][1:])
        expected_tag, expected = rendered(number, found)
        if view != json.loads(expected) or (tag is not None and tag.encode() != expected_tag):
            self.wrong.append(f"a view of person {number} that no generation has: {view}, {tag}")
        return found

    def at(self, found: set[int], what: str) -> None:
        if len(found) != 1 or min(found) < self.newest:
            self.wrong.append(f"{what}: generations {sorted(found)} after {self.newest}")
        self.newest = max(found)

    def by_id(self) -> None:
        number = self.drawn.randrange(PEOPLE)
        status, head, view = self.ask("GET", f"/v1/profiles/{profile_id(number)}?purpose={PURPOSE}")
        assert status == 200, view
        self.at({self.generation(number, view, head["etag"])}, "by id")
        self.tags[number] = head["etag"]

    def known(self) -> None:
        """Ask again for what is known: 304 is of the newest generation, or the view is another."""
        number = self.drawn.randrange(PEOPLE)
        if number in self.tags:
            path, tag = f"/v1/profiles/{profile_id(number)}?purpose={PURPOSE}", self.tags[number]
            status, _, view = self.ask("GET", path, **{"if-none-match": tag})
            if status == 304:
                (found,) = [g for g in range(1, 1_000) if rendered(number, g)[0].decode() == tag][:1]
            else:
                found = self.generation(number, view)
            self.at({found}, "known")

    def by_email(self) -> None:
        number = self.drawn.randrange(PEOPLE)
        asked = {"identifier": {"type": "email", "value": email(number)}, "purpose": PURPOSE}
        status, head, view = self.ask("POST", "/v1/profiles:lookup", asked)
        assert status == 200, view
        found = int(view["attributes"]["city"][1:])
        self.at({self.generation(holder(number, found), view, head.get("etag"))}, "by email")

    def many(self) -> None:
        people = [{"profile_id": profile_id(n)} for n in range(PEOPLE)]
        views = self.batch(people)
        self.at({self.generation(n, view) for n, view in enumerate(views)}, "batch by id")

    def many_by_email(self) -> None:
        views = self.batch([{"type": "email", "value": email(n)} for n in range(PEOPLE)])
        found = [int(view["attributes"]["city"][1:]) for view in views]
        self.at({self.generation(holder(n, g), view) for n, (g, view) in enumerate(zip(found, views, strict=True))},
                "batch by email")  # fmt: skip

    def batch(self, people: list[dict[str, str]]) -> list[Any]:
        status, _, body = self.ask("POST", "/v1/profiles:batchLookup", {"people": people, "purpose": PURPOSE})
        assert status == 200, body
        return [one["profile"] for one in body["results"]]

    def features(self) -> None:
        people = [{"profile_id": profile_id(n)} for n in range(PEOPLE)]
        status, _, body = self.ask(
            "POST", "/v1/features", {"people": people, "feature_set": "basket", "purpose": PURPOSE}
        )
        assert status == 200, body
        found = {value for row in body["rows"] for value in row["values"][: len(FEATURES)]}
        self.at(found, "features")
        states = {row["status"][len(FEATURES)] for row in body["rows"]}
        if states != {"s" if max(found) % 2 else "p"}:
            self.wrong.append(f"features of generation {found} are as old as another's: {states}")

    def changes(self) -> None:
        since = "" if self.cursor is None else f"&since={self.cursor}"
        status, _, page = self.ask("GET", f"/v1/changes?purpose={PURPOSE}&limit=100{since}")
        assert status == 200, page
        self.cursor = page["next"]
        for one in page["changes"]:
            number = PLACES[one["profile_id"]]
            versions = {rendered(number, g)[0].decode().strip('"') for g in range(1, self.newest + 3)}
            if one["version"] not in versions:
                self.wrong.append(f"a change to a version that no generation has: {one}")


PLACES = {profile_id(number): number for number in range(PEOPLE)}


@pytest.mark.parametrize("remote", [False, True], ids=["lmdb", "valkey"])
@pytest.mark.parametrize("publications", [8, pytest.param(30, marks=pytest.mark.nightly)])
def test_every_answer_is_of_one_generation(tmp_path: Path, publications: int, *, remote: bool) -> None:
    drawn = random.Random(publications)  # noqa: S311 - moments, not secrets
    with ExitStack() as stack:
        valkey = Valkey()
        if remote:
            valkey.start()
            stack.callback(valkey.stop)
        store: ServingStore = (
            RemoteGenerations(valkey.url, "bench", time.monotonic)
            if remote
            else Generations(tmp_path / "shop" / "state" / "serving" / serving.FOLDER)
        )
        if remote:
            publish(store, 1)
        port, key = stack.enter_context(served(tmp_path / "shop", valkey.url if remote else "lmdb"))
        publish(store, 2)
        time.sleep(3)
        readers, stop = [Reader(port, key, seed) for seed in range(READERS)], threading.Event()
        threads = [threading.Thread(target=one.until, args=(stop,)) for one in readers]
        for thread in threads:
            thread.start()
        for generation in range(3, publications + 3):
            # A run waits as long before it takes anything away.
            time.sleep(2 * serving.STALENESS_SECONDS + drawn.uniform(0, 0.5))
            publish(store, generation)
        time.sleep(1)
        stop.set()
        for thread in threads:
            thread.join(120)
    wrong = [one for reader in readers for one in reader.wrong]
    assert not wrong, wrong[:5]
    counts = sum((reader.counts for reader in readers), Counter[str]())
    assert counts.keys() >= {"by_id", "many", "features", "changes"}
    assert counts["away"] <= counts.total() / 50
    assert max(reader.newest for reader in readers) == publications + 2
