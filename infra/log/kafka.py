"""The event log in Kafka: one topic for each source, acknowledged by all copies before a sender hears yes.

Two threads beside the event loop: kafka-python's own, which sends, and an attendant, which lives only while something
is wrong and makes it right again. What waits for the brokers is bounded in bytes; what waits too long is refused.
"""

import asyncio
import contextlib
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from infra.errors import Broken, KindredError, Malformed, Refused, Unavailable
from infra.kafka import client
from infra.kafka.topics import LARGEST_ENTRY
from infra.log.port import Entry, LogBusy, LogState, LogUnavailable
from infra.log.segments import is_source
from infra.settings import KafkaSettings

_AN_ENTRY_BESIDE_ITS_BODY = 200  # bytes that Python and Kafka need for each
_WITHOUT_A_PAUSE = 200  # entries, after which others have a turn
_TRY_AGAIN_AFTER = 0.5


def _check(source: str, entries: Iterable[Entry]) -> None:
    if not is_source(source):
        raise Broken("a source of the event log has no valid name; lower-case letters, digits and _ would be right")
    for entry in entries:
        if not entry.body.startswith(b"{") or not entry.body.endswith(b"}") or b"\n" in entry.body:
            raise Broken("an entry of the event log is no JSON object on one line; encode it without newlines")
        if len(entry.body) > LARGEST_ENTRY:
            raise Malformed(f"an entry has more than {LARGEST_ENTRY:,} bytes; split it")


class _Append:
    """One call of `append` on its way: what is still out, and who waits."""

    __slots__ = ("error", "future", "left", "producer", "since", "size")

    def __init__(self, future: "asyncio.Future[None]", left: int, size: int, producer: KafkaProducer) -> None:
        self.future, self.left, self.size, self.producer = future, left, size, producer
        self.since = time.monotonic()
        self.error: BaseException | None = None


class KafkaLog:
    """An `EventLog` whose entries lie in Kafka. Made by `opened`; belongs to one event loop."""

    keyed = True

    def __init__(self, settings: KafkaSettings, sources: Iterable[str]) -> None:
        self._settings = settings
        self._sources = set(sources)
        self._partitions: dict[str, int] = {}
        self._producer: KafkaProducer = None
        self._because = f"the Kafka brokers at {settings.bootstrap} have not answered yet; are they running?"
        self._lock = threading.Lock()
        self._attendant: threading.Thread | None = None
        self._closing = threading.Event()
        self._waiting = 0
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._out: deque[_Append] = deque()
        self._landed: deque[tuple[_Append, BaseException | None]] = deque()
        self._woken = False
        self._sweeping = False
        self._turn = 0

    @classmethod
    def opened(cls, settings: KafkaSettings, sources: Iterable[str]) -> Self:
        """Return the log with its sources' topics in place; raise `Refused` where they cannot keep what is promised.

        Brokers that do not answer are no reason to stay away: the log says that it is not ready, and goes on asking.
        """
        client.hush()
        log = cls(settings, sources)
        try:
            log._prepare()
        except LogUnavailable as error:
            log._wrong(str(error))
        return log

    async def append(self, source: str, entries: Sequence[Entry]) -> None:
        """Return when all copies of all entries are there; else raise, and none counts as accepted."""
        _check(source, entries)
        if self._because or self._closing.is_set():
            raise LogUnavailable(self._because or "the log is closed", retry_after=self._retry_after())
        size = sum(len(entry.body) for entry in entries) + _AN_ENTRY_BESIDE_ITS_BODY * len(entries)
        # An append that is larger than the bound itself passes when it is alone.
        if self._waiting and self._waiting + size > self._settings.memory:
            raise LogBusy(
                f"{self._waiting:,} bytes wait for the Kafka brokers and log.memory is {self._settings.memory:,}; come "
                "again",
                retry_after=1,
            )
        if not entries:
            return
        self._inside += 1
        self._empty.clear()
        try:
            if source not in self._partitions:
                await self._acquainted(source, size)
            await self._send(source, entries, size)
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def _acquainted(self, source: str, size: int) -> None:
        """Put the topic of a source in place that nobody has named before; what comes with it counts meanwhile."""
        self._waiting += size
        try:
            await asyncio.to_thread(self._add, source)
        finally:
            self._waiting -= size

    async def _send(self, source: str, entries: Sequence[Entry], size: int) -> None:
        loop = asyncio.get_running_loop()
        producer, topic, partitions = self._producer, self._settings.topic(source), self._partitions[source]
        append = _Append(loop.create_future(), len(entries), size, producer)
        self._waiting += size
        self._out.append(append)
        self._sweep_soon(loop)
        arrived, failed = partial(self._arrived, loop, append), partial(self._failed, loop, append)
        error, sent = None, 0
        try:
            for entry in entries:
                if sent and sent % _WITHOUT_A_PAUSE == 0:
                    await asyncio.sleep(0)
                key = entry.key.encode() or None
                future = producer.send(topic, entry.body, key=key, partition=self._partition(key, partitions))
                sent += 1
                future.add_callback(arrived)
                future.add_errback(failed)
        except (KafkaError, ValueError) as raised:  # no metadata, or the topic is gone
            error = raised
        finally:  # a sender who went away too
            # What was not sent lands here, what was sent lands by itself: together they settle the account.
            self._land(loop, append, error, len(entries) - sent)
        await append.future

    def _partition(self, key: bytes | None, partitions: int) -> int:
        if key is None:
            self._turn += 1
            return self._turn % partitions
        return zlib.crc32(key) % partitions

    def _arrived(self, loop: asyncio.AbstractEventLoop, append: _Append, _where: object) -> None:
        """Take an entry that is kept; called in kafka-python's thread, as the next one."""
        self._land(loop, append, None, 1)

    def _failed(self, loop: asyncio.AbstractEventLoop, append: _Append, error: BaseException) -> None:
        self._land(loop, append, error, 1)

    def _land(self, loop: asyncio.AbstractEventLoop, append: _Append, error: Any, times: int) -> None:
        for _ in range(times):
            self._landed.append((append, error))
        if self._landed and not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        """Answer those whose last entry has landed; runs in the event loop."""
        self._woken = False
        while self._landed:
            append, error = self._landed.popleft()
            append.left -= 1
            append.error = append.error or error
            if not append.left:
                self._waiting -= append.size
                self._answer(append)
        while self._out and not self._out[0].left:
            self._out.popleft()

    def _answer(self, append: _Append) -> None:
        if append.error is not None and append.producer is self._producer:
            self._wrong(self._sentence(append.error))
        if append.future.done():  # its sender has gone, or was told that it takes too long
            return
        if append.error is None:
            append.future.set_result(None)
        else:
            because = self._sentence(append.error)
            append.future.set_exception(LogUnavailable(because, retry_after=self._retry_after()))

    def _sweep_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_TRY_AGAIN_AFTER, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those who wait longer than promised, should kafka-python not tell them."""
        self._sweeping = False
        late = time.monotonic() - self._settings.deliver_within - client.GRACE
        for append in self._out:
            if append.since >= late:
                break
            if append.left and not append.future.done():
                because = self._sentence(TimeoutError())
                self._wrong(because)
                append.future.set_exception(LogUnavailable(because, retry_after=self._retry_after()))
        if self._out:
            self._sweep_soon(loop)

    def _sentence(self, error: BaseException) -> str:
        """Return what is wrong by the error's name alone: its text may quote what was sent."""
        return (
            f"the Kafka brokers at {self._settings.bootstrap} did not acknowledge within "
            f"{self._settings.deliver_within:g} s ({type(error).__name__}); are they running, and enough of "
            "them?"
        )

    def _retry_after(self) -> int:
        return max(1, round(self._settings.deliver_within / 2))

    def state(self) -> LogState:
        """Say how the log is, from memory."""
        because, after = self._because, self._retry_after()
        if self._closing.is_set():
            because = "the log is closed"
        elif not because and self._waiting > self._settings.memory * 9 // 10:
            because, after = "the buffer for the Kafka brokers is nearly full", 1
        return LogState(not because, because, self._waiting, after if because else 0)

    async def close(self) -> None:
        """Accept nothing more, answer whoever is inside, and let the producer go."""
        self._closing.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), self._settings.deliver_within + 2 * client.GRACE)
        attendant = self._attendant
        if attendant is not None:
            await asyncio.to_thread(attendant.join, 3 * (self._settings.deliver_within + client.GRACE))
        await asyncio.to_thread(client.retire, self._producer, self._settings)
        self._producer = None
        self._settle()

    # What follows runs in the attendant, in a thread that waits for a new source, or before there is a loop.

    def _wrong(self, because: str) -> None:
        """Accept nothing until an attendant has found that it works again."""
        with self._lock:
            self._because = because
            if self._attendant is None and not self._closing.is_set():
                self._attendant = threading.Thread(target=self._attend, name="kindred-kafka-attendant", daemon=True)
                self._attendant.start()

    def _attend(self) -> None:
        while True:
            before = self._producer
            try:
                self._prepare()
            except KindredError as error:
                self._because = str(error)
            except Exception as error:  # noqa: BLE001 - this thread's last wall: without it the log would stay shut
                self._because = f"the log in Kafka cannot be opened ({type(error).__name__}); the brokers may be broken"
            else:
                # A producer that lost its brokers may have lost its place in the order as well; the new one begins.
                client.retire(before, self._settings)
            with self._lock:
                if not self._because or self._closing.is_set():
                    self._attendant = None
                    return
            self._closing.wait(_TRY_AGAIN_AFTER)

    def _prepare(self) -> None:
        """Put the topics and a producer in place and open the door, or raise why not."""
        try:
            client.knock(self._settings)
            sources = tuple(self._sources)  # another thread may add one
            self._partitions.update(client.topics(self._settings, sources))
            producer = client.producer(self._settings, sources)
        except Unavailable as error:
            raise LogUnavailable(str(error), retry_after=self._retry_after()) from None
        except (KafkaError, OSError, ValueError) as error:
            raise LogUnavailable(
                f"the Kafka brokers at {self._settings.bootstrap} cannot be used ({type(error).__name__}); are they "
                f"running, and at least {self._settings.replication} of them?",
                retry_after=self._retry_after(),
            ) from None
        self._producer = producer
        self._because = ""

    def _add(self, source: str) -> None:
        """Put the topic of a source in place that nobody has named before."""
        try:
            partitions = client.topics(self._settings, [source])
            self._producer.partitions_for(self._settings.topic(source))
        except (Refused, Unavailable) as error:
            raise LogUnavailable(str(error), retry_after=self._retry_after()) from None
        except (KafkaError, OSError, ValueError) as error:
            self._wrong(self._sentence(error))
            raise LogUnavailable(self._because, retry_after=self._retry_after()) from None
        self._sources.add(source)
        self._partitions.update(partitions)
