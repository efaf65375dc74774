"""How many events stream workers take from the log to served profiles, and what an event costs each of them.

`python tests/bench/worker_bench.py [--events N] [--people N] [--valkey]`. A topic of two partitions is read by one
worker and, over another publication of nobody, by two; the spool with the same events stands beside. CPU is that of
the workers' processes; the broker's own is not in it, but on two cores it is in the time.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from brokers import LocalBroker
from online_world import OnlineWorld
from valkeys import valkey

from api.http.following import status_name
from infra.log.kafka import KafkaLog
from infra.log.spool import Spool
from infra.settings import KafkaSettings, SpoolSettings
from infra.workspace import Workspace
from profiles.online.apply import places
from profiles.online.opened import FOLDER as STATE
from profiles.online.opened import state_folder
from profiles.serving import serving_store

_TICKS = os.sysconf("SC_CLK_TCK")
_BATCH = 200
_LOADED = 5.0


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--events", type=int, default=20_000)
    asked.add_argument("--people", type=int, default=3_000)
    asked.add_argument("--valkey", action="store_true", help="serve from a Valkey instead of files")
    told = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="workers-") as folder, ExitStack() as opened:
        broker = LocalBroker(Path(folder) / "kafka")
        opened.callback(broker.stop)
        store = opened.enter_context(valkey()).url if told.valkey else "lmdb"
        for kafka, workers in ((False, 1), (True, 1), (True, 2)):
            _measured(Path(folder) / f"{kafka}-{workers}", told, broker if kafka else None, workers, store)


def _measured(root: Path, told: argparse.Namespace, broker: LocalBroker | None, workers: int, store: str) -> None:
    world = OnlineWorld.of(root)
    page = root / "kindred.yaml"
    served = f"serving: {{host: 127.0.0.1, port: 8460, stream_workers: {workers}, store: '{store}'}}\n"
    text = "".join(line for line in page.read_text().splitlines(keepends=True) if not line.startswith("serving"))
    log = f"log: {{type: kafka, bootstrap: '{broker.bootstrap}', topic_prefix: w{workers}-}}\n" if broker else ""
    page.write_text(text.replace("name: NAME", f"name: bench{workers}{bool(broker)}") + served + log)
    world.workspace = Workspace.open(root)
    _sent(world, told)
    serving = serving_store(world.workspace)
    with serving.building("g1"):
        pass
    world.state(state_folder(world.workspace, "g1"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "api.stream.main", str(root), str(number)],
            cwd="/",
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # the kernel shares a busy machine out among sessions, not processes
        )
        for number in range(workers)
    ]
    try:
        folder = world.workspace.state_path / STATE
        while not all((folder / status_name(number)).exists() for number in range(workers)):
            time.sleep(0.1)
        time.sleep(_LOADED)
        _print(serving, processes, told, world, broker, workers)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        world.close()


def _print(
    serving: Any,
    processes: list["subprocess.Popen[bytes]"],
    told: argparse.Namespace,
    world: OnlineWorld,
    broker: Any,
    workers: int,
) -> None:
    since, used = time.monotonic(), [_cpu(one.pid) for one in processes]
    serving.publish("g1")  # each is loaded, and none has read
    reader, whole = serving.current(), _whole(world, told, broker)
    while _reached(reader) < whole:
        time.sleep(0.02)
    seconds, spent = time.monotonic() - since, [_cpu(one.pid) - was for one, was in zip(processes, used, strict=True)]
    each = " and ".join(f"{one / seconds:.0%} of a core" for one in spent)
    print(
        f"{'Kafka' if broker else 'spool'}, {workers} worker(s): {told.events / seconds:7,.0f} events/s, "
        f"{sum(spent) / told.events * 1e6:6.0f} µs CPU an event, {each}", flush=True,
    )  # fmt: skip


def _reached(reader: Any) -> int:
    """Return how far the parts of the log are served, summed: entries of Kafka, bytes of the spool."""
    return sum(place.at for place in places(reader.get).values())


def _whole(world: OnlineWorld, told: argparse.Namespace, broker: Any) -> int:
    if broker:
        return int(told.events)
    (segment,) = (world.workspace.log_path / "web").iterdir()
    return segment.stat().st_size


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _sent(world: OnlineWorld, told: argparse.Namespace) -> None:
    batches = [
        [
            {"type": "track", "event": "Seen", "anonymousId": f"v-{(first + n) * 7_919 % told.people}"}
            for n in range(_BATCH)
        ]
        for first in range(0, told.events, _BATCH)
    ]
    settings = world.workspace.settings.log
    if not isinstance(settings, KafkaSettings):
        asyncio.run(_spooled(world, batches))
        return

    async def send() -> None:
        log = KafkaLog.opened(settings, ["web"])
        for batch in batches:
            await log.append("web", world.keyed(*batch, seconds=0.01))
        await log.close()

    asyncio.run(send())


async def _spooled(world: OnlineWorld, batches: list[list[dict[str, Any]]]) -> None:
    log = Spool.open(
        world.workspace.log_path, SpoolSettings(seal_after=3600), clock=world.clock, suffix=lambda: "00000000"
    )
    for batch in batches:
        await log.append("web", world.entries(world.stamped(batch, 0.01)))
    await log.close()


if __name__ == "__main__":
    main()
