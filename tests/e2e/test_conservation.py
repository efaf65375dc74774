"""Conservation from the sender to the lake: server, runner and JVM die at random moments while events flow.

What was answered 200 is in the lake exactly once or has its verdict, what was not is there at most once, and the
accounts add up to what the log held. A failing run is repeated by its seed.
"""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from collector_server import KEY, workspace
from deltalake import DeltaTable

from api.cli.world import World, open_world
from infra import writer
from infra.identifiers import record_token
from infra.log.segments import Damage, read_lines
from ingestion.collector.entry import count
from ingestion.store import METADATA
from ingestion.verdict import verdicts

pytestmark = [pytest.mark.e2e, pytest.mark.spark]

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SENDERS, SEEDS = 4, (range(3) if NIGHTLY else range(1))
EVENTS, SERVER_KILLS, RUNNER_KILLS = (100_000, 12, 5) if NIGHTLY else (2_000, 2, 1)
# Seconds: between a sender's batches, how long into its work a run may be killed, and until something hangs.
PAUSE, RUN, PATIENCE = (1.0, 20.0, 1_800.0) if NIGHTLY else (1.2, 4.0, 240.0)
KINDRED = [sys.executable, "-m", "api.cli.main"]
# Short plans over few rows: the first compiler alone costs less than both.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(sys.path),
    "PYTHONUNBUFFERED": "1",
    "KINDRED_ENGINE__DRIVER_MEMORY": "2g",
    "KINDRED_ENGINE__SHUFFLE_PARTITIONS": "2",
    "KINDRED_ENGINE__JAVA_OPTIONS": "-XX:+UseParallelGC -XX:TieredStopAtLevel=1",
}
SOURCE = """source: web
connector: {type: collector}
record: event
identifiers: {email: [traits.email, properties.email], customer: userId, cookie: anonymousId}
consent_gate: context.consent.categoryPreferences.analytics
contract:
  properties.price: {type: number, min: 0}
"""
RESTRICTED = "restricted@example.org"
# What may be wrong with an event, and what becomes of it then.
FATES = {
    "good": "accepted",
    "nameless": "quarantined",  # at the door
    "priced": "quarantined",  # by the contract
    "gated": "consent_filtered",
    "restricted": "suppressed",
}
_WEIGHTS = (80, 5, 5, 5, 5)


@dataclass
class Heard:
    """What the senders sent and heard, by message id."""

    fates: dict[str, str] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    acked: Counter[str] = field(default_factory=Counter)


@dataclass
class Collector:
    """`kindred serve` on a port of its own; killed and started again at the same place."""

    root: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        command = [*KINDRED, "serve", "--port", str(self.port), "-w", str(self.root)]
        with (self.root / "server.log").open("ab") as told:
            self.process = subprocess.Popen(command, env=ENVIRONMENT, stdout=told, stderr=told, start_new_session=True)
        wait_until("the server answers", self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.root / "server.log").read_text()[-3000:]
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def end(self, number: signal.Signals) -> None:
        """Send a signal to the server and, where it is SIGKILL, to all its workers; return when it has ended."""
        assert self.process is not None
        if number == signal.SIGKILL:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(timeout=30)


def seeded(*seed: object) -> random.Random:
    return random.Random(repr(seed))  # noqa: S311 - a seed, no secret


def wait_until(what: str, holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)


def event_of(name: str, kind: str) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "track", "messageId": name, "userId": f"u-{name[-1]}", "event": "Seen"}
    if kind == "nameless":
        del event["event"]
    elif kind == "priced":
        event["properties"] = {"price": "dear"}
    elif kind == "gated":
        event["context"] = {"consent": {"categoryPreferences": {"analytics": False}}}
    elif kind == "restricted":
        event["properties"] = {"email": RESTRICTED}
    return event


def send(number: int, seed: int, place: "Place", share: int, heard: Heard) -> None:
    """Send so many events as an SDK does, again with the same ids after a failure; give some of them up.

    Some events come twice in a batch, and some batches come once more though they were answered.
    """
    chance, made = seeded(seed, f"sender {number}"), 0
    while made < share:
        ids = [f"{number}-{n}" for n in range(made, min(share, made + chance.randint(1, 60)))]
        made += len(ids)
        for one in ids:
            heard.fates[one] = chance.choices(list(FATES), _WEIGHTS)[0]
        twice = [one for one in ids if chance.random() < 0.02]
        batch = [*ids, *twice]
        body = json.dumps({"batch": [event_of(one, heard.fates[one]) for one in batch], "writeKey": place.key})
        wanted, patient = (2 if chance.random() < 0.05 else 1), chance.random() < 0.7
        deadline = time.monotonic() + PATIENCE
        while wanted and time.monotonic() < deadline:
            heard.sent.update(batch)
            if posted(place.collector.port, body) == 200:
                heard.acked.update(batch)
                wanted -= 1
            elif patient:
                time.sleep(0.2)
            else:
                break
        time.sleep(chance.uniform(0, PAUSE))


def posted(port: int, body: str) -> int:
    """Return the answer's status, or 0 where none came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/v1/batch", body)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def kill_runner(state: Path, victim: str) -> bool:
    """Kill the job runner, its JVM, or both; say whether there was one."""
    pid = writer.holder_pid(state) if writer.is_alive(state) else None
    if pid is None:
        return False
    if victim == "jvm":
        return kill_jvm(pid)
    (os.killpg if victim == "both" else os.kill)(pid, signal.SIGKILL)
    return True


def kill_jvm(runner: int) -> bool:
    """Kill the JVM that a runner started; say whether it had one."""
    found = False
    for child in Path(f"/proc/{runner}/task/{runner}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text().strip() == "java":
            os.kill(int(child), signal.SIGKILL)
            found = True
    return found


def begin(root: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    with (root / "commands.log").open("ab") as told:
        return subprocess.Popen([*KINDRED, *arguments, "-w", str(root)], env=ENVIRONMENT, stdout=told, stderr=told)


def run(root: Path, *arguments: str) -> None:
    assert begin(root, *arguments).wait(timeout=PATIENCE) == 0, (root / "commands.log").read_text()[-3000:]


@dataclass
class Place:
    """A workspace with a collector source, and what runs on it."""

    world: World
    collector: Collector
    key: str


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    root = tmp_path / "shop"
    key = workspace(root)
    (root / "sources" / "web.yaml").write_text(SOURCE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Place(open_world(root), Collector(root, port), key)
    yield made
    state = made.world.workspace.state_path
    if made.collector.process is not None and made.collector.process.poll() is None:
        made.collector.end(signal.SIGKILL)
    kill_runner(state, "both")
    made.world.database.dispose()


def server_dies(collector: Collector, chance: random.Random) -> None:
    """Kill the server with all its workers at random moments, and start it again each time."""
    for _ in range(SERVER_KILLS):
        time.sleep(chance.uniform(1, 4))
        collector.end(signal.SIGKILL)
        time.sleep(chance.uniform(0, 0.5))
        collector.start()


def runner_dies(world: World, chance: random.Random, sent: Callable[[], bool]) -> None:
    """Kill the runner, its JVM or both, while a run reads what it planned or writes what it judged."""
    state = world.workspace.state_path
    for _ in range(RUNNER_KILLS):
        step = chance.choice(("files to read", "judged: "))
        before = said(world, step)
        wait_until(f"a run says {step}", lambda: said(world, step) > before or (sent() and idle(world)))  # noqa: B023
        if said(world, step) > before:
            time.sleep(chance.uniform(0, RUN))
            victim = chance.choice(("runner", "jvm", "both"))
            wait_until("a runner to kill", lambda: kill_runner(state, victim))  # noqa: B023 - called here


def said(world: World, step: str) -> int:
    """Return how often runs have told that they are this far."""
    return sum(step in message.text for row in world.runs.latest(100) for message in world.runs.messages(row.id))


def idle(world: World) -> bool:
    """Say whether nothing waits in the log and no run is under way."""
    waits = any((world.workspace.log_path / "web").iterdir())
    return not waits and all(row.status == "succeeded" for row in world.runs.latest(5))


def received(root: Path) -> int:
    """Return how many events the log held, all in all; what was taken in is kept aside."""
    spool, found = root / "state" / "spool", 0
    assert list((spool / "web").iterdir()) == [], "nothing waits"
    for segment in (spool / ".kept" / "web").iterdir():
        with segment.open("rb") as lines:
            for body in read_lines(lines):
                assert not isinstance(body, Damage)
                found += count(body)
    return found


def column(root: Path, table: str, name: str) -> list[Any]:
    return list(DeltaTable(str(root / "state" / "lake" / table)).to_pyarrow_table(columns=[name])[name].to_pylist())


def balanced(world: World) -> Counter[str]:
    """Return the sum of all accounts, each of which must balance."""
    total: Counter[str] = Counter()
    with world.database.connect() as connection:
        rows = connection.execute(METADATA.tables["run_account"].select()).mappings().all()
    for row in rows:
        parts = ("accepted", "duplicate", "quarantined", "suppressed", "consent_filtered")
        assert row["read"] == sum(row[part] for part in parts), dict(row)
        total.update({name: row[name] for name in ("read", *parts)})
    return total


def told(world: World, names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for name in names:
        yield name, [one.verdict for one in verdicts(world.workspace, world.database, name)]


@pytest.mark.timeout(3 * PATIENCE)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_answered_is_in_the_lake_once_or_has_its_verdict(place: Place, seed: int) -> None:
    root, world, heard = place.collector.root, place.world, Heard()
    run(root, "consent", "record", f"email:{RESTRICTED}", "service", "restricted")
    place.collector.start()
    share = EVENTS // SENDERS
    follower = begin(root, "ingest", "--follow", "--pause", "1s")
    try:
        with ThreadPoolExecutor() as threads:
            senders = [threads.submit(send, n, seed, place, share, heard) for n in range(SENDERS)]
            sent = lambda: all(one.done() for one in senders)  # noqa: E731 - said once
            deaths = [
                threads.submit(server_dies, place.collector, seeded(seed, "server")),
                threads.submit(runner_dies, world, seeded(seed, "runner"), sent),
            ]
        for act in (*senders, *deaths):
            act.result()
        place.collector.end(signal.SIGTERM)
    finally:
        follower.terminate()
        follower.wait(timeout=30)
    run(root, "ingest")
    run(root, "ingest")  # joins nothing, and finds nothing more
    check(world, heard)


def check(world: World, heard: Heard) -> None:
    root = world.workspace.root
    assert len(heard.acked) > EVENTS / 2
    # The accounts.
    total = balanced(world)
    assert total["read"] == received(root)
    assert heard.acked.total() <= total["read"] <= heard.sent.total()
    # The facts: each once, and nobody's who may not be there.
    there = Counter(column(root, "events", "message_id"))
    rejected = Counter(json.loads(one)["messageId"] for one in column(root, "quarantine", "payload"))
    untold = Counter(zip(column(root, "verdicts", "token"), column(root, "verdicts", "verdict"), strict=True))
    assert (there.total(), rejected.total()) == (total["accepted"], total["quarantined"])
    assert untold.total() == total["duplicate"] + total["suppressed"] + total["consent_filtered"]
    assert total.total() == 2 * total["read"]
    key = KEY.encode()
    copies: Counter[str] = Counter()
    for name, kind in heard.fates.items():
        fate, token = FATES[kind], record_token(key, "web", name)
        once = there[name] if fate == "accepted" else rejected[name]
        stored, other = (there[name] + rejected[name]), untold[token, fate]
        if fate in {"accepted", "quarantined"}:
            assert stored == once <= 1, (name, kind, stored)
            assert other == 0
            copies[name] = once + untold[token, "duplicate"]
            assert once == 1 or not copies[name], (name, kind)
        else:
            assert (stored, untold[token, "duplicate"]) == (0, 0), (name, kind)
            copies[name] = other
        assert heard.acked[name] <= copies[name] <= heard.sent[name], (name, kind)
    assert copies.total() == total["read"]
    # And what one hears who asks.
    for name, found in told(world, seeded("asked").sample(sorted(heard.acked), 25)):
        assert found.count(FATES[heard.fates[name]]) >= 1, (name, found)
        assert len(found) == copies[name], (name, found)
    for log in (root / "server.log", root / "commands.log", root / "state" / "runner.log"):
        assert RESTRICTED not in log.read_text(encoding="utf-8", errors="replace")
