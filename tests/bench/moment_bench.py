"""How soon an event is in the profile that is served, while others are read: `kindred bench moment`.

First the server is asked as fast as it answers, while events come at their rate: that is saturation. Then reads come at
a share of it, whatever the server does, and one person of each request of events is waited for until the API answers
with them. A wait is counted from when the request was due, so it holds sending, the log's fsync, the worker and the
answer. The event log is a spool, then Kafka with one worker, then with two. All of it, broker and clients too, is on
this machine.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from brokers import LocalBroker
from moment_load import Crowd, Moments
from online_world import SOURCE, OnlineWorld
from serving_load import Run, closed, cpu_seconds, opened
from serving_servers import FIRST, product
from serving_world import requests, world

import api.http.store
from api.http.keys import create_key
from infra.database import open_database
from infra.identifiers import token
from infra.workspace import Workspace
from profiles.online.opened import state_folder
from profiles.serving import serving_store, token_key

PORT = 9520
_WARM = 3.0
_LOADED = 6.0
WANTED = {"p50": 50.0, "p99": 250.0}
LOGS = ("spool", "kafka", "kafka2")


def main() -> int:
    """Measure and print; end with 1 where a target is missed or a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500, help="events a second")
    parser.add_argument("--batch", type=int, default=10, help="events in a request")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--profiles", type=int, default=10_000)
    parser.add_argument("--visitors", type=int, default=5_000, help="who the other events are of")
    parser.add_argument("--share", type=float, default=0.5, help="of saturation, at which others are read")
    parser.add_argument("--log", choices=LOGS, action="append", help="may be given several times")
    parser.add_argument("--out", type=Path, help="a file for the figures, as JSON")
    parser.add_argument("--alone", action="store_true", help="go before whoever else uses the cores; needs root")
    wanted = parser.parse_args()
    if wanted.alone:
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)
    told: dict[str, Any] = {"rate": wanted.rate, "batch": wanted.batch, "load_before": os.getloadavg(), "rows": {}}
    with tempfile.TemporaryDirectory(prefix="moment-") as folder, ExitStack() as stack:
        logs, broker = wanted.log or LOGS, None
        if set(logs) - {"spool"}:
            broker = LocalBroker(Path(folder) / "broker")
            stack.callback(broker.stop)
        for name in logs:
            told["rows"][name] = _measured(Path(folder) / name, wanted, name, broker)
            _print(name, told["rows"][name], wanted)
    if wanted.out is not None:
        wanted.out.write_text(json.dumps(told, indent=1))
    return 0 if all(row["met"] for row in told["rows"].values()) else 1


def _measured(root: Path, wanted: argparse.Namespace, name: str, broker: LocalBroker | None) -> dict[str, Any]:
    workers = 2 if name == "kafka2" else 1
    reader, writer = _workspace(root, wanted, name, broker if name != "spool" else None, workers)
    questions = requests(reader, wanted.profiles)
    mixed = [one for three in zip(*(questions[f"by {how}"] for how in ("id", "email", "phone"))) for one in three]  # noqa: B905
    crowd = Crowd(PORT, writer, reader, _served(root), wanted.batch, wanted.visitors, "warm")
    with product(root, PORT) as server:
        followers = _followers(server, workers)
        alone = _beside(wanted, closed, PORT, mixed, _WARM)[1].rate
        full = _beside(wanted, closed, PORT, mixed, _WARM, crowd=crowd)[1].rate
        crowd.name = "told"
        before, others = [cpu_seconds(one) for one in followers], cpu_seconds(server)
        moments, reads = _beside(
            wanted, opened, PORT, mixed, wanted.seconds, full * wanted.share, crowd=crowd, seconds=wanted.seconds
        )
        spent = [cpu_seconds(one) - was for one, was in zip(followers, before, strict=True)]
        of_server = cpu_seconds(server) - others - sum(spent)
    return {"saturation_without_events": round(alone)} | _facts(moments, reads, full, spent, of_server, wanted)


def _facts(
    moments: Moments, reads: Run, full: float, spent: list[float], of_server: float, wanted: argparse.Namespace
) -> dict[str, Any]:
    ends = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "longest": 1.0}
    due, acknowledged = (
        {name: round(Moments.later(waits, share), 2) for name, share in ends.items()}
        for waits in (moments.due, moments.acknowledged)
    )
    return {
        "saturation": round(full), "reads_a_second": round(reads.rate), "probes": len(moments.due),
        "served_ms": due, "after_the_yes_ms": acknowledged,
        "events": moments.events, "refused": moments.refused, "reads_failed": reads.failed,
        "reads_ms": {name: round(reads.later(share), 2) for name, share in ends.items()},
        "worker_us_an_event": round(sum(spent) / max(moments.events, 1) * 1e6),
        "worker_share_of_a_core": [round(one / wanted.seconds, 2) for one in spent],
        "server_share_of_a_core": round(of_server / wanted.seconds, 2), "load": os.getloadavg(),
        "met": not moments.refused and not reads.failed and all(due[name] < most for name, most in WANTED.items()),
    }  # fmt: skip


def _print(name: str, row: dict[str, Any], wanted: argparse.Namespace) -> None:
    served, yes, reads = row["served_ms"], row["after_the_yes_ms"], row["reads_ms"]
    print(
        f"\n{name}: {wanted.rate:,.0f} events/s in requests of {wanted.batch}, {row['reads_a_second']:,} reads/s "
        f"({wanted.share:.0%} of {row['saturation']:,}; {row['saturation_without_events']:,} without events)"
    )
    for title, found in (("served after", served), ("of it after the yes", yes), ("reads", reads)):
        print(
            f"  {title:20} p50 {found['p50']:7.1f} ms   p99 {found['p99']:7.1f} ms   p99.9 {found['p999']:7.1f} ms   "
            f"longest {found['longest']:7.1f} ms"
        )
    print(
        f"  {row['probes']:,} newcomers; worker {row['worker_us_an_event']} µs of CPU an event, "
        f"{' and '.join(f'{one:.0%}' for one in row['worker_share_of_a_core'])} of a core; server "
        f"{row['server_share_of_a_core']:.0%}; refused {row['refused']}, failed {row['reads_failed']}; wanted p50 50, "
        f"p99 250: {'met' if row['met'] else 'missed'}",
        flush=True,
    )


def _workspace(
    root: Path, wanted: argparse.Namespace, name: str, broker: LocalBroker | None, workers: int
) -> tuple[str, str]:
    """Make a workspace that serves profiles and follows a log; return a key that reads, and one that writes."""
    reader = world(root, wanted.profiles)
    (root / "sources" / "web.yaml").write_text(SOURCE)
    page = root / "kindred.yaml"
    lines = [line for line in page.read_text().splitlines() if not line.startswith("serving:")]
    lines.append(f"serving: {{host: 127.0.0.1, port: {PORT}, stream_workers: {workers}}}")
    if broker is not None:
        lines.append(f"log: {{type: kafka, bootstrap: '{broker.bootstrap}', topic_prefix: {name}-}}")
    page.write_text("\n".join(lines) + "\n")
    opened_there = Workspace.open(root)
    database = open_database(opened_there, api.http.store.METADATA)
    online = OnlineWorld(opened_there, database)
    online.state(state_folder(opened_there, "g1"))
    writer = create_key(database, name="w", scopes={"events:write"}, purposes=(), source="web", at=datetime.now(UTC))
    online.close()
    database.dispose()
    return reader, writer


def _served(root: Path) -> Callable[[str], bool]:
    """Return the look whether a visitor is served by now."""
    there = Workspace.open(root)
    generation, key = serving_store(there).current(), there.token_key()
    return lambda cookie: generation.get(token_key(token(key, "cookie", cookie))) is not None


def _children(pid: int) -> list[int]:
    """Return what a process has started; each of its threads is told of its own."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _followers(server: int, workers: int) -> list[int]:
    """Return the stream workers beside a server, once all are there and have loaded what they need."""
    for _ in range(600):
        names = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in _children(server)}
        found = sorted(child for child, name in names.items() if b"api.stream.main" in name)
        if len(found) == workers:
            time.sleep(_LOADED)
            return found
        time.sleep(0.1)
    raise SystemExit("the stream workers did not start")


def _beside(
    wanted: argparse.Namespace, load: Callable[..., Run], *how: Any, crowd: Crowd | None = None, seconds: float = _WARM
) -> tuple[Moments, Run]:
    """Return what became of the events of a crowd, if there is one, and of reads from a process of their own."""
    told, telling = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=_read, args=(telling, load, how))
    process.start()
    try:
        moments = Moments() if crowd is None else crowd.run(seconds, wanted.rate)
        return moments, told.recv()
    finally:
        process.join(60)


def _read(telling: "Connection[Any, Any]", load: Callable[..., Run], how: tuple[Any, ...]) -> None:
    telling.send(load(*how))


if __name__ == "__main__":
    sys.exit(main())
