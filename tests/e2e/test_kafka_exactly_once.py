"""10,000 entries reach Delta once each while broker and reader die: F7, F8, F13 and F15 with real processes."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from infra.log.kafka import KafkaLog
from infra.log.port import Entry, LogBusy, LogUnavailable
from infra.settings import KafkaSettings

# By day test_kafka_faults.py kills the brokers, test_kafka_stream.py the reader's batches.
pytestmark = [pytest.mark.e2e, pytest.mark.spark, pytest.mark.nightly]

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SEEDS, OUTAGE = (range(8), 60.0) if NIGHTLY else (range(1), 3.0)
ENTRIES, AT_ONCE, SENDERS, PER_BATCH = 10_000, 50, 4, 1_500
DRAIN = Path(__file__).parents[1] / "support" / "kafka_drain.py"
KILLED = -signal.SIGKILL


async def collector(settings: KafkaSettings, drained: asyncio.Event) -> None:
    """Send all entries as senders do that try again after a refusal; slow enough that all else happens meanwhile."""
    log = KafkaLog.opened(settings, ["web"])
    todo = iter(range(0, ENTRIES, AT_ONCE))

    async def sender() -> None:
        for first in todo:
            entries = [Entry(f"k{n % 97}", json.dumps({"m": n}).encode()) for n in range(first, first + AT_ONCE)]
            while True:
                try:
                    await log.append("web", entries)
                    break
                except (LogUnavailable, LogBusy):
                    await asyncio.sleep(0.2)
            if not drained.is_set():
                await asyncio.sleep(0.3)

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    await log.close()


async def reader(settings: KafkaSettings, folder: Path, dies: str, patience: float | None) -> int:
    """Run a reader as a process of its own; kill it after a while unless it ends or dies before. Return its code."""
    command = [sys.executable, str(DRAIN), str(folder), settings.model_dump_json(), "web", str(PER_BATCH), dies]
    # A file: a pipe would fill, and a killed reader's JVM would hold it.
    with (folder / "reader.log").open("ab") as told:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            command,
            stdout=told,
            stderr=told,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            return await asyncio.to_thread(process.wait, patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return await asyncio.to_thread(process.wait)


def landed(folder: Path) -> list[tuple[int, int, bytes]]:
    table = DeltaTable(str(folder / "table")).to_pyarrow_table().to_pydict()
    return sorted(zip(table["partition"], table["offset"], table["body"], strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_accepted_entry_is_in_the_lake_once(kafka_broker: Any, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed, no secret
    settings = kafka_broker.settings(f"once{seed}", deliver_within=2)
    codes: list[int] = []

    async def broker_dies(outage: float) -> None:
        await asyncio.to_thread(kafka_broker.kill)
        await asyncio.sleep(outage)
        await asyncio.to_thread(kafka_broker.start)

    async def whole() -> None:
        drained = asyncio.Event()
        sending = asyncio.ensure_future(collector(settings, drained))
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        await broker_dies(0.5)
        # a reader that dies between Delta's commit and its own, and one that is killed whenever it happens
        codes.append(await reader(settings, tmp_path, f"0:{chance.choice(('before', 'after'))}", None))
        outage = asyncio.ensure_future(broker_dies(OUTAGE))
        codes.append(await reader(settings, tmp_path, "", chance.uniform(12.0, 22.0)))
        await outage
        drained.set()
        await sending
        codes.append(await reader(settings, tmp_path, f"{chance.choice((1, 2))}:after", None))
        codes.append(await reader(settings, tmp_path, "", None))

    try:
        asyncio.run(whole())
    finally:
        kafka_broker.start()
    told = (tmp_path / "reader.log").read_text(encoding="utf-8", errors="replace")[-3000:]
    assert codes[0] == KILLED, (codes, told)
    assert codes[-1] == 0, (codes, told)
    parts = kafka_broker.kept(settings.topic("web"))
    kept = [(number, offset, body) for number, part in enumerate(parts) for offset, (_, body) in enumerate(part)]
    assert landed(tmp_path) == kept
    assert {json.loads(body)["m"] for _, _, body in kept} == set(range(ENTRIES))
