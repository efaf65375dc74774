"""The spool: rounds, segments, pressure, a disk that fills up, fails or dawdles, and who may write it."""

import asyncio
import errno
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from simfs import SimFs
from spool_world import fail_fsyncs, read_sealed, until

from infra.log.files import SystemFiles
from infra.log.folder import forget, sealed
from infra.log.port import Entry, LogBusy, LogUnavailable
from infra.log.pressure import Measured, refusal
from infra.log.segments import line
from infra.log.spool import Spool
from infra.settings import SpoolSettings

SPOOL = Path("/spool")
SHORT = """
import asyncio, resource, sys, time
from pathlib import Path
from infra.log.port import Entry, LogUnavailable
from infra.log.spool import Spool
from infra.settings import SpoolSettings
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
async def main():
    log = Spool.open(Path(sys.argv[1]), SpoolSettings(free=0, slow=60))
    acked = refused = 0
    while acked < 300:
        try:
            await log.append("web", [Entry("", b'{"m":"%d.%d","x":"%b"}' % (acked, refused, b"y" * 1_500))])
            acked += 1
        except LogUnavailable:
            refused += 1
            await asyncio.sleep(0.01)
    await log.close()
    print(acked, refused)
asyncio.run(main())
"""


def entry(number: int) -> Entry:
    return Entry("", b'{"m":"%d"}' % number)


def in_log(
    work: Callable[[Spool], Awaitable[None]], files: Any, spool: Path = SPOOL, settings: SpoolSettings | None = None
) -> None:
    async def whole() -> None:
        log = Spool.open(spool, settings or SpoolSettings(free=0, slow=60), files=files)
        try:
            await work(log)
        finally:
            await log.close()

    asyncio.run(whole())


def test_what_waits_for_the_disk_goes_in_one_round() -> None:
    fs = SimFs()
    going, go = threading.Event(), threading.Event()

    def trip(name: str, _path: Path) -> None:
        if name == "fsync" and not go.is_set():
            going.set()
            go.wait(10)

    async def work(log: Spool) -> None:
        fs.trip = trip
        first = asyncio.ensure_future(log.append("web", [entry(0)]))
        await until(going.is_set)
        rest = [asyncio.ensure_future(log.append(("web", "shop")[n % 2], [entry(n)])) for n in range(1, 1_001)]
        await asyncio.sleep(0)
        calls = len(fs.calls)
        go.set()
        await asyncio.gather(first, *rest)
        # one write and one fsync for each source in the second round
        assert (fs.calls[calls:].count("write"), fs.calls[calls:].count("fsync")) == (2, 2)

    in_log(work, fs)
    assert len(read_sealed(SPOOL / "web", fs)) == 501


def test_segments_end_by_size_by_age_and_at_the_close(tmp_path: Path) -> None:
    settings = SpoolSettings(segment=5_000, seal_after=0.3, free=0, slow=60)
    web = tmp_path / "web"

    async def work(log: Spool) -> None:
        await asyncio.gather(*(log.append("web", [Entry("", b'{"x":"' + b"y" * 900 + b'"}')]) for _ in range(30)))
        await log.append("web", [entry(1)])
        # nothing more comes, and still it is sealed
        await until(lambda: bool(sealed(web)) and not list(web.glob("*.open")))
        assert len(read_sealed(web)) == 31
        await log.append("web", [entry(2)])

    in_log(work, SystemFiles(), tmp_path, settings)
    assert read_sealed(web)[-1] == entry(2).body
    names = sealed(web)
    assert names == sorted(set(names))
    assert sorted(path.name for path in web.iterdir()) == names
    assert all((web / name).stat().st_size <= 30_000 for name in names)
    assert (web / names[0]).stat().st_mode & 0o077 == 0


def test_a_full_disk_is_said_at_once_and_the_log_goes_on_when_there_is_room() -> None:
    """Fault F5."""
    fs = SimFs(room=200_000)
    took: list[float] = []

    async def work(log: Spool) -> None:
        acked, refused = [], []
        for number in range(400):
            began = time.monotonic()
            try:
                await log.append("web", [Entry("", b'{"m":"%d","x":"%b"}' % (number, b"y" * 1_000))])
                acked.append(number)
            except LogUnavailable as no:
                refused.append(no)
            took.append(time.monotonic() - began)
        assert len(refused) > 200
        assert all(no.retry_after > 0 and "No space left" in str(no) for no in refused)
        assert not log.state().ready
        fs.room = 1 << 30
        await until(lambda: log.state().ready)
        await log.append("web", [entry(1_000)])
        numbers.extend(acked)

    numbers: list[int] = []
    in_log(work, fs)
    assert sorted(took)[len(took) * 99 // 100] < 0.1
    found = read_sealed(SPOOL / "web", fs)
    assert [body[: body.index(b",")] for body in found[:-1]] == [b'{"m":"%d"' % number for number in numbers]
    assert found[-1] == entry(1_000).body


def test_a_round_that_fails_fails_for_all_and_the_segment_is_left() -> None:
    """Fault F4."""
    fs = SimFs()

    async def work(log: Spool) -> None:
        await log.append("web", [entry(0)])
        first = [name for name in fs.names(SPOOL / "web") if name.endswith(".open")]
        fs.trip = fail_fsyncs
        answers = await asyncio.gather(
            *(log.append(source, [entry(n)]) for n, source in enumerate(["web", "shop"] * 50)), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {LogUnavailable}
        assert not log.state().ready
        with pytest.raises(LogUnavailable, match="Input/output error"):
            await log.append("shop", [entry(1)])
        fs.trip = lambda _name, _path: None
        await until(lambda: log.state().ready)
        second = [name for name in fs.names(SPOOL / "web") if name.endswith(".open")]
        assert len(second) == 1
        assert second != first
        await log.append("web", [entry(2)])

    in_log(work, fs)
    # the disk gave no certainty, for it let nobody fsync a cut either: whole entries, nothing half
    assert {entry(0).body, entry(2).body} <= set(read_sealed(SPOOL / "web", fs))


def test_a_slow_fsync_is_said_while_it_lasts_and_forgotten_when_one_is_quick() -> None:
    fs = SimFs()
    go = threading.Event()

    def dawdle(name: str, _path: Path) -> None:
        if name == "fsync":
            go.wait(10)

    async def work(log: Spool) -> None:
        fs.trip = dawdle
        waiting = asyncio.ensure_future(log.append("web", [entry(0)]))
        await until(lambda: not log.state().ready)
        assert "to make data durable" in log.state().because
        with pytest.raises(LogUnavailable, match=r"spool\.slow"):
            await log.append("web", [entry(1)])
        assert not waiting.done()
        go.set()
        await waiting
        await until(lambda: log.state().ready)
        await log.append("web", [entry(2)])

    in_log(work, fs, settings=SpoolSettings(free=0, slow=0.5))
    assert read_sealed(SPOOL / "web", fs) == [entry(0).body, entry(2).body]


def test_what_waits_for_the_lake_is_bounded_and_forgetting_makes_room(tmp_path: Path) -> None:
    settings = SpoolSettings(quota=1 << 20, segment=50_000, free=0, slow=60)
    big = Entry("", b'{"x":"' + b"y" * 10_000 + b'"}')

    async def work(log: Spool) -> None:
        acked = int(0.7 * settings.quota) // len(line(big.body)) + 1  # the last of them crosses the border
        for _ in range(acked):
            await log.append("web", [big])
        with pytest.raises(LogBusy, match="nearly full") as refused:
            await log.append("web", [big])
        assert refused.value.retry_after > 0
        assert log.state().waiting_bytes == acked * len(line(big.body))
        assert not log.state().ready
        # by another process, which says nothing
        forget(tmp_path, "web", sealed(tmp_path / "web"))
        await until(lambda: log.state().ready)
        assert log.state().waiting_bytes < 60_000
        await log.append("web", [big])

    in_log(work, SystemFiles(), tmp_path, settings)


def test_the_gravest_reason_is_said() -> None:
    settings = SpoolSettings(quota=1 << 20, free=1_000)
    fine = Measured(trouble="", waiting=0, free=1_000, fsync_seconds=0.5)
    assert refusal(fine, settings) is None

    def said(trouble: str = "", waiting: float = 0, free: int = 1_000, fsync_seconds: float = 0.5) -> tuple[str, type]:
        no = refusal(Measured(trouble, int(waiting * settings.quota), free, fsync_seconds), settings)
        assert no is not None
        assert no.retry_after > 0
        return no.because, type(no.error())

    assert said(waiting=0.71)[1] is LogBusy
    assert said(waiting=0.91)[1] is LogUnavailable
    assert "999 bytes left" in said(free=999)[0]
    assert "1.5 s" in said(fsync_seconds=1.5)[0]
    assert said(fsync_seconds=1.5, waiting=0.71)[1] is LogUnavailable
    assert "No space" in said(trouble="No space left on device", free=0, waiting=0.95)[0]


def test_a_disk_with_little_room_is_refused_before_it_is_full() -> None:
    fs = SimFs(room=10_000)

    async def work(log: Spool) -> None:
        with pytest.raises(LogUnavailable, match=r"spool\.free"):
            await log.append("web", [entry(1)])

    in_log(work, fs, settings=SpoolSettings(free=1 << 20))


async def _one_entry(log: Spool) -> None:
    await log.append("web", [entry(1)])


def test_a_failing_disk_is_tried_now_and_then() -> None:
    """Not all the time: a disk that has nothing to give is no reason to burn a processor."""
    fs = SimFs()

    def trip(name: str, _path: Path) -> None:
        if name in ("write", "free"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    async def work(log: Spool) -> None:
        fs.trip = trip
        with pytest.raises(LogUnavailable, match="Read-only"):
            await log.append("web", [entry(1)])
        calls = len(fs.calls)
        await asyncio.sleep(1.0)
        assert 5 < len(fs.calls) - calls < 100
        fs.trip = lambda _name, _path: None
        await until(lambda: log.state().ready)

    in_log(work, fs)


def test_a_real_file_system_that_takes_no_more_is_survived(tmp_path: Path) -> None:
    """A limit on a file's length makes real writes fall short, then fail; the next segment takes what comes after."""
    done = subprocess.run(
        [sys.executable, "-c", SHORT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    acked, refused = done.stdout.split()
    assert int(refused) > 0
    found = read_sealed(tmp_path / "web")
    assert len(found) == int(acked) == len(set(found))
    assert len(sealed(tmp_path / "web")) > 3


def test_a_fault_of_our_own_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = SimFs()
    fell: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: fell.append(args.exc_value))

    def fall(name: str, _path: Path) -> None:
        if name == "write":
            raise AssertionError("ours")

    async def work(log: Spool) -> None:
        fs.trip = fall
        with pytest.raises(LogUnavailable, match="restart"):
            await log.append("web", [entry(1)])
        with pytest.raises(LogUnavailable, match="restart"):
            await log.append("web", [entry(2)])
        assert not log.state().ready

    in_log(work, fs)
    assert [str(one) for one in fell] == ["ours"]


def test_several_event_loops_share_a_log(tmp_path: Path) -> None:
    log = Spool.open(tmp_path, SpoolSettings(free=0, slow=60))

    async def send(start: int) -> None:
        await asyncio.gather(*(log.append("web", [entry(start + n)]) for n in range(200)))

    threads = [threading.Thread(target=lambda start=start: asyncio.run(send(start))) for start in (0, 1_000, 2_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(log.close())
    numbers = sorted(start + n for start in (0, 1_000, 2_000) for n in range(200))
    assert sorted(read_sealed(tmp_path / "web")) == sorted(entry(number).body for number in numbers)


def test_a_loop_that_ended_takes_no_one_along(tmp_path: Path) -> None:
    log = Spool.open(tmp_path, SpoolSettings(free=0, slow=60))

    async def leave() -> None:
        waiting = asyncio.ensure_future(log.append("web", [entry(0)]))
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting

    for _ in range(20):
        asyncio.run(leave())
    asyncio.run(_one_entry(log))
    asyncio.run(log.close())
    assert entry(1).body in read_sealed(tmp_path / "web")


@pytest.mark.parametrize("seed", range(20))
def test_faults_at_random_cost_nothing_acknowledged(seed: int) -> None:
    """Many senders, a disk that fails now and then, and a reader beside them; whoever is refused tries again."""
    chance = random.Random(seed)  # noqa: S311 - a seed, no secret
    fs = SimFs()
    acked: dict[str, list[int]] = {"web": [], "shop": []}

    def trip(_name: str, _path: Path) -> None:
        if chance.random() < 0.03:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def work(log: Spool) -> None:
        fs.trip = trip

        async def send(sender: int) -> None:
            source = ("web", "shop")[sender % 2]
            for number in range(30):
                try:
                    await log.append(source, [entry(sender * 1_000 + number)])
                    acked[source].append(sender * 1_000 + number)
                except LogUnavailable:
                    await asyncio.sleep(0.02)

        await asyncio.gather(*(send(sender) for sender in range(10)))
        fs.trip = lambda _name, _path: None
        await until(lambda: log.state().ready)

    in_log(work, fs)
    for source, numbers in acked.items():
        found = [int(json.loads(body)["m"]) for body in read_sealed(SPOOL / source, fs)]
        assert len(found) == len(set(found))
        assert set(numbers) <= set(found)
        for sender in range(10):
            own = [number for number in found if number // 1_000 == sender]
            assert own == sorted(own)
