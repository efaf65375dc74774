"""What tests of the spool share: how sealed segments are read, and a disk that fails."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

from infra.log.files import SYSTEM, Files
from infra.log.folder import sealed
from infra.log.segments import Damage, read_lines


def read_sealed(folder: Path, files: Files = SYSTEM) -> list[bytes]:
    """Return the bodies of a source's sealed segments, in order; none may be damaged."""
    found = [one for name in sealed(folder, files) for one in read_lines(files.lines(folder / name))]
    assert not [one for one in found if isinstance(one, Damage)]
    return [one for one in found if isinstance(one, bytes)]


async def until(wanted: Callable[[], bool]) -> None:
    """Return when it is so; fail if that takes half a minute."""
    async with asyncio.timeout(30):
        while not wanted():  # noqa: ASYNC110 - another thread makes it so, and tells no loop
            await asyncio.sleep(0.005)


def fail_fsyncs(name: str, _path: Path) -> None:
    """Fail as a dying disk does when it is told to make something durable."""
    if name in ("fsync", "cut_fsync"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
