"""What every event log promises to its collector, whoever keeps it.

An implementation joins by a `Kept`: how it is opened, how what it keeps is read, and how its disk or broker is made to
fail and is mended.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from brokers import KeptByKafka
from simfs import SimFs
from spool_world import fail_fsyncs, read_sealed, until

from infra.errors import Broken, KindredError
from infra.log.port import Entry, EventLog, LogBusy, LogUnavailable
from infra.log.spool import Spool
from infra.settings import SpoolSettings


class Kept(ABC):
    """One implementation under test."""

    @abstractmethod
    async def open(self) -> EventLog:
        """Open the log, again if it was closed."""

    @abstractmethod
    def read(self, source: str) -> list[bytes]:
        """Return the bodies that a closed log keeps of a source, in order."""

    @abstractmethod
    def fail(self) -> None:
        """Let nothing become durable from now on."""

    @abstractmethod
    def mend(self) -> None:
        """Let things become durable again."""


class KeptBySpool(Kept):
    def __init__(self) -> None:
        self.fs = SimFs()

    async def open(self) -> EventLog:
        return Spool.open(Path("/spool"), SpoolSettings(free=0, slow=60, memory=1 << 16), files=self.fs)

    def read(self, source: str) -> list[bytes]:
        return read_sealed(Path("/spool") / source, self.fs)

    def fail(self) -> None:
        self.fs.trip = fail_fsyncs

    def mend(self) -> None:
        self.fs.trip = lambda _name, _path: None


@pytest.fixture(params=["spool", "kafka"])
def kept(request: pytest.FixtureRequest) -> Any:
    return KeptBySpool() if request.param == "spool" else KeptByKafka(request.getfixturevalue("kafka_broker"))


def used(kept: Kept, work: Callable[[EventLog], Awaitable[None]]) -> None:
    """Open the log, work with it and close it."""

    async def whole() -> None:
        log = await kept.open()
        try:
            await work(log)
        finally:
            await log.close()

    asyncio.run(whole())


def entry(number: int, key: str = "") -> Entry:
    return Entry(key, b'{"m":"%d"}' % number)


def test_what_was_acknowledged_is_kept_in_order(kept: Kept) -> None:
    async def work(log: EventLog) -> None:
        for number in range(50):
            await log.append("web", [entry(2 * number, "k"), entry(2 * number + 1, "k")])

    used(kept, work)
    assert kept.read("web") == [entry(number).body for number in range(100)]
    assert kept.read("shop") == []


def test_appends_at_once_are_all_kept_once(kept: Kept) -> None:
    async def work(log: EventLog) -> None:
        sources = ["web", "shop"]
        await asyncio.gather(*(log.append(sources[number % 2], [entry(number)]) for number in range(500)))

    used(kept, work)
    for remainder, source in enumerate(["web", "shop"]):
        assert sorted(kept.read(source)) == sorted(entry(number).body for number in range(remainder, 500, 2))


def test_entries_of_a_key_keep_the_order_of_their_appends(kept: Kept) -> None:
    async def work(log: EventLog) -> None:
        # sent without waiting for one another: tasks start in the order in which they were made
        await asyncio.gather(*(log.append("web", [entry(number, "one person")]) for number in range(200)))

    used(kept, work)
    assert kept.read("web") == [entry(number).body for number in range(200)]


def test_bodies_come_back_to_the_byte(kept: Kept) -> None:
    bodies = [
        '{"name":"Zoë \\n \\u0000","n":9007199254740993}'.encode(),
        b"{}",
        b'{"a":"\r\x0b\x0c\xc2\x85"}',
        b'{"x":"' + b"y" * 300_000 + b'"}',
    ]

    async def work(log: EventLog) -> None:
        await log.append("web", [Entry("k", body) for body in bodies])

    used(kept, work)
    assert kept.read("web") == bodies


def test_a_log_goes_on_where_it_was_closed(kept: Kept) -> None:
    for number in range(3):

        async def work(log: EventLog, number: int = number) -> None:
            await log.append("web", [entry(number, "k")])
            assert log.state().ready

        used(kept, work)
    assert kept.read("web") == [entry(number).body for number in range(3)]


def test_nothing_is_a_fine_append(kept: Kept) -> None:
    async def work(log: EventLog) -> None:
        await log.append("web", [])

    used(kept, work)
    assert kept.read("web") == []


@pytest.mark.parametrize("source", ["", "..", "a/b", "Web", "a" * 64, "web\n", "/etc", "web."])
def test_a_strange_source_is_refused(kept: Kept, source: str) -> None:
    async def work(log: EventLog) -> None:
        with pytest.raises(Broken):
            await log.append(source, [entry(1)])

    used(kept, work)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a":\n1}', b"{", b'"x"'])
def test_what_is_no_object_on_one_line_is_refused_with_its_whole_append(kept: Kept, body: bytes) -> None:
    async def work(log: EventLog) -> None:
        with pytest.raises(Broken):
            await log.append("web", [entry(1), Entry("", body)])

    used(kept, work)
    assert kept.read("web") == []


def test_what_cannot_become_durable_is_refused_and_the_log_recovers_by_itself(kept: Kept) -> None:
    async def work(log: EventLog) -> None:
        await log.append("web", [entry(1)])
        kept.fail()
        with pytest.raises((LogUnavailable, LogBusy)) as refused:
            await log.append("web", [entry(2)])
        assert refused.value.retry_after > 0
        assert refused.value.facts()["retry_after"] == refused.value.retry_after
        state = log.state()
        assert not state.ready
        assert state.because
        assert state.retry_after > 0
        kept.mend()
        await until(lambda: log.state().ready)
        await log.append("web", [entry(3)])
        assert (log.state().because, log.state().retry_after) == ("", 0)

    used(kept, work)
    found = kept.read("web")
    assert [body for body in found if body != entry(2).body] == [entry(1).body, entry(3).body]


def test_memory_is_bounded(kept: Kept) -> None:
    """More than the bound at once: some are sent away, at once, and only with `LogBusy`; the rest is kept."""

    async def work(log: EventLog) -> None:
        large = b"y" * 10_000
        appends = [log.append("web", [Entry("", b'{"m":"%d","x":"%b"}' % (n, large))]) for n in range(100)]
        answers = await asyncio.gather(*appends, return_exceptions=True)
        refused = [answer for answer in answers if answer is not None]
        assert {type(answer) for answer in refused} == {LogBusy}
        accepted.append(len(answers) - len(refused))
        assert log.state().ready
        await log.append("web", [entry(1)])

    accepted: list[int] = []
    used(kept, work)
    assert 0 < accepted[0] < 100
    assert len(kept.read("web")) == accepted[0] + 1


def test_a_sender_who_leaves_disturbs_nobody(kept: Kept) -> None:
    async def work(log: EventLog) -> None:
        leaving = [asyncio.ensure_future(log.append("web", [entry(number)])) for number in range(20)]
        await asyncio.sleep(0)
        for task in leaving[::2]:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await log.append("web", [entry(99)])

    used(kept, work)
    found = kept.read("web")
    assert {entry(number).body for number in (*range(1, 20, 2), 99)} <= set(found)
    assert len(found) == len(set(found))


def test_closing_under_load_answers_everybody(kept: Kept) -> None:
    """Fault F28: who was let in is answered "durable"; who comes later is told so, at once."""
    kept_numbers: list[int] = []

    async def work(log: EventLog) -> None:
        async def send(number: int) -> None:
            await log.append("web", [entry(number)])
            kept_numbers.append(number)

        inside = [asyncio.ensure_future(send(number)) for number in range(300)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(log.close())
        assert await asyncio.gather(*inside, return_exceptions=True) == [None] * 300
        await closing
        await log.close()
        assert not log.state().ready
        with pytest.raises(LogUnavailable):
            await log.append("web", [entry(1_000)])

    used(kept, work)
    assert sorted(kept.read("web")) == sorted(entry(number).body for number in range(300))
    assert sorted(kept_numbers) == list(range(300))


def test_errors_carry_no_body_and_no_key(kept: Kept) -> None:
    async def work(log: EventLog) -> None:
        kept.fail()
        said = []
        for body in (b'{"email":"jane.roe@example.org"}', b'["jane.roe@example.org"]'):
            with pytest.raises(KindredError) as refused:
                await log.append("web", [Entry("token-of-jane", body)])
            said.append(str(refused.value.facts()))
        said.append(log.state().because)
        assert "jane" not in "".join(said)
        kept.mend()

    used(kept, work)
