"""The serving store in Redis or Valkey: a cache of the lake that many machines read.

A generation is three keys of one slot: its values (a hash), their names in order (a sorted set) and what was published
under keys that were changed since (a hash). So it is there as a whole or not at all, whatever the server evicts, loses
or lets expire, and one script changes it atomically. A pointer beside them names the one that is served.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from infra.serving.breaker import Breaker
from infra.serving.remote_writes import RemoteLive, RemoteWriter
from infra.serving.store import UNDO, NothingBefore, NothingPublished, Undo, hides_undo, without_undo
from infra.serving.wire import (
    BATCH,
    GIVEN_UP_SECONDS,
    READ_SECONDS,
    SAID,
    WHOLE,
    WRITE_SECONDS,
    Client,
    Keys,
    StoreAway,
    StoreEmptied,
    client,
    readable,
    told,
)

_Answer = TypeVar("_Answer")
# What a pattern of the server's would read as more than itself.
_SPECIAL: Final = re.compile(rb"[*?\[\]\\^-]")


class RemoteGenerations:
    """Generations in one Redis or Valkey, under one name."""

    def __init__(self, url: str, space: str, stopwatch: Callable[[], float]) -> None:
        self._space = f"kindred:{space}".encode()
        self._readers = client(url, READ_SECONDS)
        self._writers = client(url, WRITE_SECONDS)
        self._breaker = Breaker(stopwatch)

    def name(self) -> str | None:
        """Return the name of the served generation, or None before the first."""
        return self._pointed()[0]

    def before(self) -> str | None:
        """Return the name of the generation that a rollback would serve, or None."""
        before = self._pointed()[1]
        return before if before is not None and self._is_whole(before) else None

    def _pointed(self) -> tuple[str | None, str | None]:
        served, before = self._ask(lambda: self._readers.hmget(self._pointer, "served", "before"))
        return served.decode() if served else None, before.decode() if before else None

    @property
    def _pointer(self) -> bytes:
        return self._space + b":current"

    @property
    def _names(self) -> bytes:
        return self._space + b":generations"

    def keys(self, name: str) -> Keys:
        """Return where a generation lies: values, names, undo. What stands in braces decides the slot of a cluster."""
        tag = b"{" + self._space + b":" + name.encode() + b"}"
        return tag + b":values", tag + b":names", tag + b":undo"

    def current(self) -> "RemoteReader":
        """Return a reader of the served generation."""
        name = self.name()
        if name is None:
            raise NothingPublished
        return self.reader(name)

    def reader(self, name: str) -> "RemoteReader":
        """Return a reader of a generation by its name, served or not."""
        return RemoteReader(self._readers, name, self.keys(name), self._ask)

    def kept(self) -> tuple[str, ...]:
        """Return the names of all generations there are, the served one last."""
        served = self.name()
        whole = [name for name in self._all() if self._is_whole(name)]
        return tuple(sorted(whole, key=lambda name: (name == served, name)))

    def _is_whole(self, name: str) -> bool:
        return bool(self._write(self._writers.hget, self.keys(name)[0], WHOLE) == SAID)

    @contextmanager
    def building(self, name: str, base: str | None = None) -> Iterator["RemoteWriter"]:
        """Build a generation from nothing, or from an earlier one as it was published."""
        keys = self.keys(name)
        self._write(self._writers.unlink, *keys)
        self._write(self._writers.sadd, self._names, name)
        with told():
            writer = RemoteWriter(self._writers, name, keys)
            writer.begin()
            if base is not None:
                self._copy(base, writer)
            yield writer
            writer.finish()

    def _copy(self, base: str, writer: "RemoteWriter") -> None:
        """Put what was published of a generation; it may be changed meanwhile, and what was undone first comes last."""
        values, _, undo = self.keys(base)
        if not self._is_whole(base):
            raise StoreEmptied(base)
        for key, value in self._writers.hscan_iter(values, count=BATCH):
            if key != WHOLE:
                writer.put(key, value)
        for key, value in self._writers.hscan_iter(undo, count=BATCH):
            kept = Undo.read(UNDO + key, value)
            if kept.was is None:
                writer.delete(key)
            else:
                writer.put(key, kept.was)
        if not self._is_whole(base):  # lost while it was copied
            raise StoreEmptied(base)

    def publish(self, name: str) -> None:
        """Make a built generation the served one, atomically, and keep the one before it for rollback."""
        served = self.name()
        if name == served:
            return
        if not self._is_whole(name):
            raise StoreEmptied(name)
        self._last(name)
        self._write(self._writers.hset, self._pointer, mapping={"served": name, "before": served or ""})
        self._drop([other for other in self._all() if other not in {name, served}])

    def rollback(self) -> str:
        """Make the generation before the served one the served one again, and return its name."""
        served, before = self.name(), self.before()
        if served is None or before is None:
            raise NothingBefore
        self._write(self._writers.hset, self._pointer, mapping={"served": before, "before": ""})
        for key in self.keys(served):
            self._write(self._writers.expire, key, GIVEN_UP_SECONDS)
        return before

    def live(self, name: str | None = None) -> "RemoteLive":
        """Return a writer of the served generation, or of a built one that is about to be."""
        wanted = name or self.name()
        if wanted is None:
            raise NothingPublished
        readable(self._write(self._writers.hget, self.keys(wanted)[0], WHOLE), wanted)
        return RemoteLive(self._writers, wanted, self.keys(wanted), self.name)

    def remove_older(self) -> int:
        """Remove every generation but the served one, and return how many that were."""
        served = self.name()
        older = [name for name in self._all() if name != served]
        if served is not None:
            self._write(self._writers.hset, self._pointer, "before", "")
        self._drop(older)
        return len(older)

    def _all(self) -> list[str]:
        return sorted(name.decode() for name in self._write(self._writers.smembers, self._names))

    def _last(self, name: str) -> None:
        for key in self.keys(name):
            self._write(self._writers.persist, key)

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            self._write(self._writers.unlink, *self.keys(name))
            self._write(self._writers.srem, self._names, name)

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return what the server answers a reader; raise `StoreAway`, at once where it has not answered lately."""
        if self._breaker.is_open():
            raise StoreAway("it has not answered lately")
        try:
            with told():
                answer = question()
        except StoreAway:
            self._breaker.failed()
            raise
        self._breaker.answered()
        return answer

    def _write(self, command: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with told():
            return command(*arguments, **named)


class RemoteReader:
    """A reader of one generation. Each call sees it at one moment; several calls see one generation."""

    def __init__(
        self,
        client: Client,
        name: str,
        keys: Keys,
        ask: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self._client, self.name, self._keys, self._ask = client, name, keys, ask

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self.values(key)[0]

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys as they were at one moment."""
        whole, *found = self._ask(lambda: self._client.hmget(self._keys[0], WHOLE, *keys))
        readable(whole, self.name)
        return list(found)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        if prefix.startswith(UNDO):
            return self._undoing(prefix)
        found = self._found(prefix)
        return without_undo(found) if hides_undo(prefix) else found

    def _found(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        after, end = b"(" if not prefix else b"[" + prefix, _end(prefix)
        while True:
            names = self._names(after, end)
            yield from ((k, v) for k, v in zip(names, self.values(*names), strict=True) if v is not None)
            if len(names) < BATCH:
                return
            after = b"(" + names[-1]

    def _names(self, after: bytes, end: bytes) -> list[bytes]:
        def asked() -> list[Any]:
            pipeline = self._client.pipeline(transaction=True)
            pipeline.zscore(self._keys[1], WHOLE)
            pipeline.zrange(self._keys[1], after, end, bylex=True, offset=0, num=BATCH)
            return list(pipeline.execute())

        whole, names = self._ask(asked)
        if whole is None:
            raise StoreEmptied(self.name)
        return list(names)

    def _undoing(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        # Piece by piece: all at once would have every reader wait for it, and the server takes longer than one may.
        found, at = dict[bytes, bytes](), 0
        wanted = _SPECIAL.sub(rb"\\\g<0>", prefix.removeprefix(UNDO)) + b"*"
        while True:
            at, some = self._ask(partial(self._client.hscan, self._keys[2], at, match=wanted, count=BATCH))
            found |= some
            if not at:
                return ((UNDO + key, value) for key, value in sorted(found.items()))

    def snapshot(self) -> "RemoteReader":
        """Return itself: its generation does not move, though a live change may come between two calls."""
        return self


def _end(prefix: bytes) -> bytes:
    """Return the first name behind all that begin with the prefix, as the server wants to be told."""
    stem = prefix.rstrip(b"\xff")
    return b"(" + stem[:-1] + bytes([stem[-1] + 1]) if stem else b"+"
