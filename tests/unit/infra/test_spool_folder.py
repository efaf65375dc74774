"""The spool's folder: who may write it, what a dead writer left, what may be read and what is forgotten."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from spool_world import read_sealed

from infra.errors import Broken, Held
from infra.log import folder
from infra.log.files import SystemFiles
from infra.log.folder import Leftovers, forget, recover, sealed
from infra.log.port import Entry, LogUnavailable
from infra.log.segments import line
from infra.log.spool import Spool
from infra.settings import SpoolSettings

HOLD = """
import sys, time
from pathlib import Path
from infra.log.spool import Spool
from infra.settings import SpoolSettings
log = Spool.open(Path(sys.argv[1]), SpoolSettings())
print("held", flush=True)
time.sleep(60)
"""


def entry(number: int) -> Entry:
    return Entry("", b'{"m":"%d"}' % number)


def one_entry_more(spool: Path) -> None:
    """Open the log, append to it and close it."""

    async def whole() -> None:
        log = Spool.open(spool, SpoolSettings(free=0, slow=60))
        await log.append("web", [entry(1)])
        await log.close()

    asyncio.run(whole())


def test_one_writer_and_no_second(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        began = time.monotonic()
        with pytest.raises(Held, match=f"process {holder.pid} since"):
            Spool.open(tmp_path, SpoolSettings())
        assert time.monotonic() - began < 5
        assert recover(tmp_path) is None
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()
    assert recover(tmp_path) == Leftovers()
    one_entry_more(tmp_path)
    assert len(read_sealed(tmp_path / "web")) == 1


def test_a_writer_waits_for_who_only_recovers(tmp_path: Path) -> None:
    handle = SystemFiles().lock(tmp_path / folder.LOCK)
    assert handle is not None
    SystemFiles().sign(handle, b'{"pid": 1}')
    threading.Timer(1.0, os.close, [handle]).start()
    began = time.monotonic()
    one_entry_more(tmp_path)
    assert time.monotonic() - began > 0.9
    assert len(read_sealed(tmp_path / "web")) == 1


def test_a_dead_writers_leftovers_are_sealed_without_a_server(tmp_path: Path) -> None:
    assert recover(tmp_path / "absent") == Leftovers()
    web = tmp_path / "web"
    web.mkdir()
    good, hurt = line(entry(1).body), bytearray(line(entry(2).body))
    hurt[25] ^= 4
    (web / "1790000000000-00000000.open").write_bytes(good + bytes(hurt) + good + good[:-1])
    (web / "1790000000001-00000000.open").write_bytes(good[:10])
    (web / "1790000000002-00000000.open").write_bytes(b"")
    (web / "1790000000003-00000000.ndjson").write_bytes(good)
    (web / "notes.open").write_bytes(b"not ours")
    assert recover(tmp_path) == Leftovers(sealed=1, torn_bytes=len(good) - 1 + 10, damaged=1)
    assert sealed(web) == ["1790000000000-00000000.ndjson", "1790000000003-00000000.ndjson"]
    assert (web / "1790000000000-00000000.ndjson").read_bytes() == good + bytes(hurt) + good
    assert recover(tmp_path) == Leftovers()
    # a new writer's names come after all that it finds
    one_entry_more(tmp_path)
    assert sealed(web)[-1] > "1790000000003"


def test_newer_segments_wait_for_an_older_one(tmp_path: Path) -> None:
    for name in ("1790000000000-00000000.ndjson", "1790000000001-00000000.open", "1790000000002-00000000.ndjson"):
        (tmp_path / name).touch()
    assert sealed(tmp_path) == ["1790000000000-00000000.ndjson"]
    assert sealed(tmp_path / "absent") == []


@pytest.mark.parametrize("name", ["../x/1790000000000-00000000.ndjson", "1790000000000-00000000.open", ".lock", "*"])
def test_only_sealed_segments_are_forgotten(tmp_path: Path, name: str) -> None:
    web = tmp_path / "web"
    web.mkdir()
    (web / "1790000000000-00000000.ndjson").touch()
    with pytest.raises(Broken):
        forget(tmp_path, "web", ["1790000000000-00000000.ndjson", name])
    with pytest.raises(Broken):
        forget(tmp_path, "../web", ["1790000000000-00000000.ndjson"])
    assert sealed(web) == ["1790000000000-00000000.ndjson"]
    for _ in range(2):
        forget(tmp_path, "web", ["1790000000000-00000000.ndjson"])
    assert sealed(web) == []
    forget(tmp_path, "shop", ["1790000000000-00000000.ndjson"])


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailable, match="cannot be used"):
        Spool.open(tmp_path / "file" / "spool", SpoolSettings())


def test_a_large_leftover_is_recovered_soon(tmp_path: Path) -> None:
    """Fault F2: within 5 s for each GB; here 64 MB, the size of a segment."""
    web = tmp_path / "web"
    web.mkdir()
    one = line(b'{"x":"' + b"y" * 680 + b'"}')
    (web / "1790000000000-00000000.open").write_bytes(one * (64_000_000 // len(one)) + one[:100])
    began = time.process_time()
    assert recover(tmp_path) == Leftovers(sealed=1, torn_bytes=100)
    assert time.process_time() - began < 5 * 0.064 * 3  # on a machine that others use too
