"""The spool loses nothing that it acknowledged: random appends, clocks, failing disks, kills and losses of power.

The disk half runs without its thread, on a file system that is as cruel as POSIX allows, so that a seed repeats it all.
Beside it runs a lake that takes sealed segments and forgets them, as the ingest job does.
"""

import errno
import os
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from simfs import SimFs

from infra.log import folder
from infra.log.disk import Disk
from infra.log.segments import Damage, line, read_lines
from infra.settings import SpoolSettings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SEEDS = range(3_000) if NIGHTLY else range(100)
SPOOL = Path("/spool")
SOURCES = ("shop", "web")


class Off(BaseException):
    """The process or the machine ends here."""


class World:
    """A spool, its disk, a lake that reads it, and what was acknowledged to whom."""

    def __init__(self, seed: int, *, faults: float, ends: float) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a seed, no secret
        self.faults, self.ends = faults, ends
        self.fs = SimFs()
        self.now, self.ticks, self.number = datetime(2026, 11, 22, tzinfo=UTC), 0.0, 0
        self.acked: dict[str, list[bytes]] = defaultdict(list)
        self.issued: set[bytes] = set()
        self.lake: dict[str, list[bytes]] = defaultdict(list)
        self.taken: set[str] = set()
        self.damaged = self.unsure = 0
        self.off = False
        self.settings = SpoolSettings(segment=2_000, seal_after=2.0, free=0)

    def trip(self, name: str, _path: Path) -> None:
        if self.off:
            raise Off
        if self.chance.random() < self.ends:
            self.off = True
            raise Off
        if self.chance.random() < self.faults:
            self.unsure += name in ("cut", "cut_fsync", "lines", "fsync")
            number = self.chance.choice([errno.EIO, errno.ENOSPC])
            raise OSError(number, os.strerror(number))

    def open(self) -> Disk:
        self.fs.trip = self.trip
        return Disk(
            SPOOL,
            self.settings,
            clock=lambda: self.now,
            suffix=lambda: f"{self.chance.getrandbits(32):08x}",
            ticks=lambda: self.ticks,
            files=self.fs,
        )

    def step(self, disk: Disk) -> None:
        """Append a round, let time go by (the clock may jump back), let the lake read."""
        self.ticks += self.chance.choice([0.0, 0.01, 0.5, 3.0])
        self.now += timedelta(seconds=self.chance.choice([0.0, 0.001, 0.5, 3.0, -60.0]))
        if self.chance.random() < 0.8 and not disk.measured().trouble:
            batch: dict[str, list[bytes]] = {}
            for source in self.chance.sample(SOURCES, self.chance.randint(1, 2)):
                batch[source] = [self.body() for _ in range(self.chance.randint(1, 5))]
            if disk.commit({source: [line(body) for body in bodies] for source, bodies in batch.items()}):
                for source, bodies in batch.items():
                    self.acked[source] += bodies
        disk.tend()
        if self.chance.random() < 0.3:
            self.ingest()

    def body(self) -> bytes:
        self.number += 1
        body = b'{"m":"%d","p":"%s"}' % (self.number, b"x" * self.chance.choice([0, 50, 700]))
        self.issued.add(body)
        return body

    def ingest(self) -> None:
        """Take each sealed segment once, in order; forget some of them."""
        trip, self.fs.trip = self.fs.trip, lambda _name, _path: None
        for source in SOURCES:
            names = folder.sealed(SPOOL / source, self.fs)
            for name in names:
                if name in self.taken:
                    continue
                self.taken.add(name)
                for found in read_lines(self.fs.lines(SPOOL / source / name)):
                    if isinstance(found, Damage):
                        self.damaged += 1
                    else:
                        self.lake[source].append(found)
            folder.forget(SPOOL, source, [name for name in names if self.chance.random() < 0.5], self.fs)
        self.fs.trip = trip

    def live(self, steps: int) -> None:
        """Run through deaths, then come to rest on a disk that is whole."""
        disk = None
        for _ in range(steps):
            try:
                if disk is None:
                    disk = self.open()
                self.step(disk)
            except OSError:  # not even opened; tried again
                continue
            except Off:
                self.off, disk = False, None
                self.fs = self.fs.kill() if self.chance.random() < 0.5 else self.fs.power_loss(self.chance)
                if self.chance.random() < 0.3:
                    self.fs.trip = lambda _name, _path: None
                    assert folder.recover(SPOOL, files=self.fs) is not None
        self.faults = self.ends = 0.0
        self.ticks += 10
        disk = disk or self.open()
        disk.tend()
        disk.close()
        self.ingest()

    def check(self) -> None:
        for source in SOURCES:
            acked = set(self.acked[source])
            assert [body for body in self.lake[source] if body in acked] == self.acked[source]
            assert len(self.lake[source]) == len(set(self.lake[source]))
            assert set(self.lake[source]) <= self.issued
        left = [name for source in SOURCES for name in self.fs.names(SPOOL / source)]
        assert [name for name in left if not name.endswith(".ndjson")] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_deaths_lose_nothing_acknowledged(seed: int) -> None:
    """Faults F1 and F2: without a failing disk nothing is even damaged."""
    world = World(seed, faults=0.0, ends=0.01)
    world.live(120)
    world.check()
    assert world.damaged == 0
    assert sum(map(len, world.acked.values())) > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_a_failing_disk_loses_nothing_acknowledged(seed: int) -> None:
    """Faults F4 and F5, with and without deaths.

    Damage is only what a failed append left where the disk let nobody read or cut it, or where the process died after a
    failed fsync: the next one finds whole lines that the system shows and the disk may not have.
    """
    world = World(seed, faults=0.02, ends=0.005 if seed % 2 else 0.0)
    world.live(120)
    world.check()
    assert world.damaged <= world.unsure
    assert sum(map(len, world.acked.values())) > 20


def test_after_a_failed_fsync_the_segment_is_cut_sealed_and_never_written_again() -> None:
    world = World(1, faults=0.0, ends=0.0)
    disk = world.open()
    assert disk.commit({"web": [line(b'{"m":"1"}')]})
    fail = [True]

    def trip(name: str, _path: Path) -> None:
        if name == "fsync" and fail[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    world.fs.trip = trip
    assert not disk.commit({"web": [line(b'{"m":"2"}')], "shop": [line(b'{"m":"3"}')]})
    assert "Input/output error" in disk.measured().trouble
    world.ticks += 1
    disk.tend()  # its probe fails as well
    assert disk.measured().trouble
    fail[0] = False
    world.ticks += 1
    disk.tend()
    assert not disk.measured().trouble
    assert disk.commit({"web": [line(b'{"m":"4"}')]})
    world.ingest()
    assert dict(world.lake) == {"web": [b'{"m":"1"}']}
    disk.close()
    world.ingest()
    assert dict(world.lake) == {"web": [b'{"m":"1"}', b'{"m":"4"}']}
