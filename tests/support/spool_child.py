"""A collector that is killed: `spool_child.py SPOOL STEP COUNT START` appends for ever and prints what was acked.

`STEP` is after which the process kills itself, at the COUNTth time: `write` (all of a round is written), `half` (half
of a round is), `fsync` (it is durable), `rename` (a segment is sealed), `ack` (the sender has heard "yes").
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from infra.log.files import SystemFiles
from infra.log.port import Entry
from infra.log.spool import Spool
from infra.settings import SpoolSettings

STEPS = ("write", "half", "fsync", "rename", "ack")


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


class Deadly(SystemFiles):
    """The machine's file system, which ends the process after a number of steps."""

    def __init__(self, step: str, count: int) -> None:
        self.step, self.left = step, count

    def passed(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if not self.left:
                die()

    def write(self, handle: int, data: bytes) -> None:
        if self.step == "half" and self.left == 1:
            super().write(handle, data[: len(data) // 2])
        self.passed("half")
        super().write(handle, data)
        self.passed("write")

    def fsync(self, handle: int) -> None:
        super().fsync(handle)
        self.passed("fsync")

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self.passed("rename")


async def main(spool: Path, files: Deadly, start: int) -> None:
    log = Spool.open(spool, SpoolSettings(segment=4_000, seal_after=0.05, free=0, slow=60), files=files)

    async def send(sender: int) -> None:
        for number in range(1_000_000):
            name = f"{start}.{sender}.{number}"
            await log.append("web", [Entry(str(sender), b'{"m":"%b","half":%d}' % (name.encode(), n)) for n in (0, 1)])
            os.write(1, f"{name}\n".encode())
            files.passed("ack")

    await asyncio.gather(*(send(sender) for sender in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Deadly(sys.argv[2], int(sys.argv[3])), int(sys.argv[4])))
