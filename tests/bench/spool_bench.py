"""Durable appends a second, and what one costs in CPU, beside what the same disk and loop do without a log.

`python tests/bench/spool_bench.py [--folder F] [--seconds S] [--senders N]`. CPU an append is the figure to compare:
appends a second depend on who else uses the machine. `loop alone` answers each append by the event loop and makes
nothing durable; `fsync alone` writes and fsyncs as the spool does, in one thread without a loop.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.log.folder import forget, sealed
from infra.log.port import Entry
from infra.log.segments import line
from infra.log.spool import Spool
from infra.settings import SpoolSettings

_BODY = b'{"r":"2026-11-22T10:00:00.000Z","e":{"type":"track","properties":{"x":"%b"}}}' % (b"y" * 616)
Append = Callable[[str, Sequence[Entry]], Awaitable[None]]


@dataclass(frozen=True)
class Result:
    """One run of load."""

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float

    def shown(self, name: str) -> str:
        """Return the run as a row of a table."""
        return f"{name:<34} {self.rate:>10,.0f} {self.cpu_us:>9.1f} {self.p50_ms:>8.2f} {self.p99_ms:>8.2f}"


async def loaded(append: Append, senders: int, batch: int, seconds: float) -> Result:
    """Append from so many senders, each waiting for its answer, and return what came of it."""
    entries = [Entry("k", _BODY)] * batch
    took: list[float] = []
    end = time.monotonic() + seconds

    async def send() -> None:
        while (began := time.monotonic()) < end:
            await append("web", entries)
            took.append(time.monotonic() - began)

    began, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(send() for _ in range(senders)))
    passed, used = time.monotonic() - began, time.process_time() - cpu
    took.sort()
    return Result(
        len(took) / passed, used / len(took) * 1e6, took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3
    )


async def of_spool(folder: Path, senders: int, batch: int, seconds: float) -> Result:
    """Load a spool of its own; what is sealed is forgotten, as the lake would have taken it."""
    log = Spool.open(folder, SpoolSettings(quota=16 << 30))
    forgetting = asyncio.ensure_future(_forget(folder))
    try:
        return await loaded(log.append, senders, batch, seconds)
    finally:
        forgetting.cancel()
        await log.close()
        forget(folder, "web", sealed(folder / "web"))


async def _forget(folder: Path) -> None:
    while True:
        await asyncio.sleep(0.5)
        forget(folder, "web", sealed(folder / "web"))


async def of_loop(senders: int, batch: int, seconds: float) -> Result:
    """Answer each append by the loop, with nothing done."""

    async def append(_source: str, _entries: Sequence[Entry]) -> None:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        loop.call_soon(answer.set_result, None)
        await answer

    return await loaded(append, senders, batch, seconds)


def of_disk(folder: Path, batch: int, seconds: float) -> Result:
    """Write and fsync as one sender would who has the disk alone."""
    data = b"".join([line(_BODY)] * batch)
    handle = os.open(folder / "alone", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    took = []
    began, cpu = time.monotonic(), time.process_time()
    while (one := time.monotonic()) < began + seconds:
        os.write(handle, data)
        os.fdatasync(handle)
        took.append(time.monotonic() - one)
    passed, used = time.monotonic() - began, time.process_time() - cpu
    os.close(handle)
    (folder / "alone").unlink()
    took.sort()
    return Result(
        len(took) / passed, used / len(took) * 1e6, took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3
    )


def main() -> None:
    """Print a table: single events and batches of 100, each beside the loop and the disk alone."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--folder", type=Path, default=None, help="on the disk that is meant; else a temporary one")
    asked.add_argument("--seconds", type=float, default=4.0)
    asked.add_argument("--senders", type=int, nargs="+", default=[32, 256])
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        print(f"{'':<34} {'appends/s':>10} {'CPU µs':>9} {'p50 ms':>8} {'p99 ms':>8}")
        for batch in (1, 100):
            print(of_disk(folder, batch, given.seconds / 2).shown(f"fsync alone, {batch} x {len(_BODY)} B"))
            for senders in given.senders:
                alone = asyncio.run(of_loop(senders, batch, given.seconds / 2))
                print(alone.shown(f"loop alone, {senders} senders"))
                found = asyncio.run(of_spool(folder, senders, batch, given.seconds))
                print(found.shown(f"spool, {senders} senders, {batch} events each"))


if __name__ == "__main__":
    main()
