"""What the event log in Kafka costs: the broker's start and memory, appends, and how fast Spark drains a topic.

Run from a checkout: `python tests/bench/kafka_bench.py`. The broker is one of its own on this machine and takes its
share of the cores; CPU of an append is that of the collector's process alone.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from brokers import LocalBroker
from kafka_drain import drain

from infra.kafka import broker
from infra.log.kafka import KafkaLog
from infra.log.port import Entry
from infra.settings import EngineSettings, KafkaSettings
from infra.spark import session

BODY = json.dumps({"r": "2026-01-01T00:00:00.000Z", "m": "0" * 36, "e": {"type": "track", "x": "y" * 560}}).encode()


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def appended(settings: KafkaSettings, events: int, at_once: int, senders: int) -> None:
    log = KafkaLog.opened(settings, ["web"])
    todo, took = iter(range(0, events, at_once)), []

    async def sender() -> None:
        for first in todo:
            entries = [Entry(f"token{number % 9_999}", BODY) for number in range(first, first + at_once)]
            asked = time.perf_counter()
            await log.append("web", entries)
            took.append(time.perf_counter() - asked)

    begun, used = time.perf_counter(), cpu()
    await asyncio.gather(*(sender() for _ in range(senders)))
    seconds, used = time.perf_counter() - begun, cpu() - used
    await log.close()
    took.sort()
    p50, p99 = took[len(took) // 2] * 1e3, took[int(len(took) * 0.99)] * 1e3
    print(
        f"appends of {at_once:3d} by {senders:2d} senders: {events / seconds:7,.0f} events/s, "
        f"{used / events * 1e6:5.1f} µs CPU an event, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--events", type=int, default=50_000)
    asked.add_argument("--partitions", type=int, default=2)
    asked.add_argument("--no-spark", action="store_true")
    chosen = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("first start, with format", "start over data"):
            begun = time.perf_counter()
            local = LocalBroker(root / "kafka")
            print(f"{name}: {time.perf_counter() - begun:.1f} s")
            if name.startswith("first"):
                local.stop()
        try:
            settings = local.settings("bench", partitions=chosen.partitions)
            asyncio.run(appended(settings, chosen.events // 5, 1, 64))
            asyncio.run(appended(settings, chosen.events, 100, 8))
            running = broker.status(root / "kafka")
            pages = Path(f"/proc/{running.pid if running else 0}/statm").read_text(encoding="ascii").split()[1]
            print(f"broker's memory: {int(pages) * resource.getpagesize() // 2**20} MB")
            if not chosen.no_spark:
                spark = session(EngineSettings(), root / "work")
                for name in ("cold", "warm", "warm"):
                    begun = time.perf_counter()
                    drain(spark, settings, "web", Path(tempfile.mkdtemp(dir=root)))
                    seconds = time.perf_counter() - begun
                    print(f"Spark drains into Delta, {name}: {chosen.events * 1.2 / seconds:,.0f} entries/s")
                spark.stop()
        finally:
            local.stop()


if __name__ == "__main__":
    main()
