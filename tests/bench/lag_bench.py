"""How long after its answer is an event in the lake, while so many come a second? One machine does everything.

`python tests/bench/lag_bench.py [--rate EVENTS] [--seconds S] [--batch N]`. A real server, one sender of batches at a
steady pace, and `kindred ingest --follow`. An event's lag is the time from its receipt to the commit that put it into
the table of events; those of the first minute, when Spark starts and compiles, are told apart.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from collector_bench import workspace
from deltalake import DeltaTable

KINDRED = [sys.executable, "-m", "api.cli.main"]
SOURCE = """source: web
connector: {type: collector}
record: event
identifiers: {email: [traits.email, properties.email], customer: userId, cookie: anonymousId}
contract:
  properties.price: {type: number, min: 0}
"""
WARM_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--batch", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shop"
        key = workspace(root)
        for file in (root / "sources").glob("*.yaml"):
            file.unlink()
        (root / "sources" / "web.yaml").write_text(SOURCE)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = begun(root, "serve", "--port", str(port))
        follower = begun(root, "ingest", "--follow", "--pause", "1s")
        try:
            sent = send(port, key, asked.rate, asked.seconds, asked.batch)
            wait_for(root, sent)
        finally:
            for process in (follower, server):
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)
            subprocess.run(["/usr/bin/pkill", "-f", f"infra.runner {root}"], check=False)
        told(root, sent)


def begun(root: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with (root / "bench.log").open("ab") as log:
        return subprocess.Popen([*KINDRED, *arguments, "-w", str(root)], env=environment, stdout=log, stderr=log)


def send(port: int, key: str, rate: int, seconds: float, batch: int) -> int:
    """Send batches at a steady pace and return how many events were answered 200."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.2)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began, made = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        if made > passed * rate:
            time.sleep(made / rate - passed)
        events = [event(made + number) for number in range(batch)]
        connection.request("POST", "/v1/batch", json.dumps({"batch": events, "writeKey": key}))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        made += batch
    connection.close()
    print(f"sent {made:,} events in {time.monotonic() - began:.0f} s: {made / (time.monotonic() - began):,.0f}/s")
    return made


def event(number: int) -> dict[str, object]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": f"m-{number}",
        "userId": f"u-{number % 5_000}",
        "anonymousId": f"a-{number % 7_000}",
        "context": {"page": {"url": f"https://shop.example.org/p/{number % 900}"}, "locale": "en-US"},
        "properties": {"price": f"{number % 300}.50", "sku": f"sku-{number % 400}", "list": "spring"},
    }


def wait_for(root: Path, wanted: int) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        time.sleep(2)
        if DeltaTable.is_deltatable(str(root / "state/lake/events")) and rows(root) >= wanted:
            return
    raise SystemExit((root / "bench.log").read_text()[-2_000:])


def rows(root: Path) -> int:
    return int(DeltaTable(str(root / "state/lake/events")).to_pyarrow_dataset().count_rows())


def told(root: Path, sent: int) -> None:
    """Print the lags of all events, those of the first minute apart."""
    table = DeltaTable(str(root / "state/lake/events"))
    found: list[tuple[float, float]] = []
    batches = 0
    for number in range(1, table.version() + 1):
        entry = [json.loads(line) for line in (Path(root) / f"state/lake/events/_delta_log/{number:020}.json").open()]
        at = next(one["commitInfo"]["timestamp"] for one in entry if "commitInfo" in one) / 1000
        for one in entry:
            if "add" in one:
                part = DeltaTable(str(root / "state/lake/events"), version=number).to_pyarrow_dataset()
                received = part.to_table(columns=["received_at", "batch"])
                newest = max(received["batch"].to_pylist())
                mine = [r for r, b in zip(*map(list, received.to_pydict().values()), strict=True) if b == newest]
                found += [(r.timestamp(), at - r.timestamp()) for r in mine]
                batches += 1
                break
    began = min(at for at, _ in found)
    assert len(found) == sent, (len(found), sent)
    show("first minute", [lag for at, lag in found if at - began < WARM_SECONDS])
    show("after it", [lag for at, lag in found if at - began >= WARM_SECONDS])
    print(f"{len(found):,} events in {batches} runs, each once")


def show(name: str, lags: Iterable[float]) -> None:
    lags = sorted(lags)
    if lags:
        p50, p95 = statistics.median(lags), lags[len(lags) * 95 // 100]
        print(f"{name:<14} p50 {p50:6.1f} s   p95 {p95:6.1f} s   longest {lags[-1]:6.1f} s")


if __name__ == "__main__":
    main()
