"""The change feed beside the answers: what the overlay denies is told at once, and who listens waits here for more."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Protocol

import lmdb
import orjson
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.http.errors import TooManyStreams
from api.http.serve import ENDING
from api.http.told import keeper_of
from consent.overlay import DenyOverlay
from infra.clock import Clock
from infra.errors import KindredError, Missing
from infra.ids import ProfileId, Purpose, Token
from infra.keyvalue import KeyValue
from infra.workspace import Workspace
from infra.writer import is_held
from profiles.changefeed import store
from profiles.changefeed.pages import Feed
from profiles.changefeed.teller import Seen, Teller
from profiles.history.reading import Past
from profiles.serving import ProfileReader, graph_key, holders_key, serving_store, token_key

LOG = logging.getLogger("kindred.http")
_PAUSE: Final = 0.1
# A generation that nobody has told: its publisher is at it, mostly.
_PATIENCE: Final = 5.0
_SHORTENED_EVERY: Final = 3_600.0
# To look through everybody's identifiers takes at most this share of the time.
_SHARE: Final = 0.1
# A server that has just begun answers first.
_SETTLED_AFTER: Final = 2.0
_AILING: Final = (KindredError, SQLAlchemyError, lmdb.Error, OSError)


def open_changes(
    workspace: Workspace,
    book: tuple[Engine, DenyOverlay],
    profiles: ProfileReader,
    purposes: Callable[[], Sequence[Purpose]],
    clock: Clock,
) -> "Changes":
    """Return the feed of a workspace's server: what is told is what its readers see."""
    generations, (database, overlay) = serving_store(workspace), book
    teller = Teller(
        database,
        generations,
        purposes,
        lambda: profiles.over(generations.current()).moment(),
        clock,
        keeper_of(workspace),
    )
    state, keep = workspace.state_path, timedelta(days=workspace.settings.serving.changes.keep_days)
    feed = Feed(database, teller, workspace.token_key())
    watch = Watch(
        overlay,
        generations.current,
        rests_on=profiles.rests_on,
        _rest_until=time.monotonic() + _SETTLED_AFTER,
    )
    return Changes(feed, watch, keep, lambda: is_held(state))


class Over(Protocol):
    """Profiles that can be read from any store."""

    def over(self, store: KeyValue) -> Seen:
        """Return the profiles of a store."""


@dataclass(slots=True)
class Watch:
    """Of whom the overlay tells something else, from one look to the next.

    A refusal also closes who is only near its bearer. Whoever is tied to them by an edge is told at once; the others
    are found by looking through everybody.
    """

    overlay: DenyOverlay
    served: Callable[[], KeyValue]
    stopwatch: Callable[[], float] = time.monotonic
    # What everybody's decisions rest on, where that is not the build.
    rests_on: Callable[[], str | None] = lambda: None
    _rested_on: str | None = None
    _revision: int = -1
    _told: frozenset[tuple[str, bytes, bytes]] = frozenset()
    _sought: set[str] = field(default_factory=set)
    _rest_until: float = 0.0

    def look(self, teller: Teller) -> int:
        """Tell what became of those whom a change of the overlay touches; return how many changes that were.

        Another policy than the build's, or no other any more, touches everybody.
        """
        revision, rests_on, count = self.overlay.entries.revision(), self.rests_on(), 0
        if revision != self._revision:
            told = self.overlay.lines()
            tokens = {token for token, *_ in told ^ self._told}
            count = teller.tell(_bearers(self.served(), tokens)) if tokens else 0
            self._revision, self._told = revision, told
            self._sought |= tokens
        if rests_on != self._rested_on:
            count += teller.tell_all()
            self._rested_on = rests_on
        if self._sought and self.stopwatch() >= self._rest_until:
            count += self._looked_through(teller)
        return count

    def _looked_through(self, teller: Teller) -> int:
        begun, sought, prefix = self.stopwatch(), {one.encode() for one in self._sought}, holders_key("")
        found = [
            key[len(prefix) :].decode()
            for key, held in self.served().items(prefix)
            if not sought.isdisjoint(held.split(b"\n"))
        ]
        count = teller.tell(found)
        self._sought -= {one.decode() for one in sought}
        self._rest_until = self.stopwatch() + (self.stopwatch() - begun) / _SHARE
        return count


def _bearers(store_: KeyValue, tokens: set[str]) -> Iterator[str]:
    """Yield whom identifiers lead to, and who is tied to those by an edge between two people."""
    for token in tokens:
        value = store_.get(token_key(Token(token)))
        for profile_id in value.decode().partition("\n")[0].split(",") if value else ():
            yield profile_id
            graph = store_.get(graph_key(ProfileId(profile_id)))
            edges = orjson.loads(graph)["edges"] if graph else ()
            yield from {edge["elsewhere"] for edge in edges} - {None}


@dataclass(slots=True)
class Changes:
    """The feed as a server has it."""

    feed: Feed
    watch: Watch
    keep: timedelta
    busy: Callable[[], bool]
    stopwatch: Callable[[], float] = time.monotonic
    most_streams: int = 4
    closing: bool = False
    _streams: Counter[str] = field(default_factory=Counter)
    _behind_since: float | None = None
    _shortened_at: float | None = None
    _newest: tuple[float, int] = (float("-inf"), 0)
    _said: str = ""

    def past(self) -> Past:
        """Return what was seen, as it is kept beside what is told."""
        teller = self.feed.teller
        return Past(self.feed.database, teller.keeper, teller.clock, teller)

    def over(self, profiles: "Over") -> "Changes":
        """Return the feed of what others see: profiles that are read in another way."""
        teller = self.feed.teller
        seen = replace(teller, seen=lambda: profiles.over(teller.generations.current()))
        return replace(self, feed=replace(self.feed, teller=seen), watch=replace(self.watch))

    def look(self) -> int:
        """Tell what has changed and nobody has told; return how many changes that were."""
        teller, now = self.feed.teller, self.stopwatch()
        count = self.watch.look(teller)
        if not teller.behind():
            self._behind_since = None
        elif self._behind_since is None and not teller.new():
            self._behind_since = now
        elif self._behind_since is None or (now - self._behind_since >= _PATIENCE and not self.busy()):
            count += teller.tell_generation()
        if self._shortened_at is None or now - self._shortened_at >= _SHORTENED_EVERY:
            store.shorten(self.feed.database, teller.clock() - self.keep)
            teller.keeper.shorten(self.feed.database, teller.clock())
            self._shortened_at = now
        return count

    def close(self) -> None:
        """Have every stream end, and nobody wait any longer."""
        self.closing = True

    async def run(self) -> None:
        """Look for ever, in a thread; what fails is said once and tried again."""
        with suppress(ValueError, RuntimeError, NotImplementedError):  # in another thread than the main one
            asyncio.get_running_loop().add_signal_handler(ENDING, self.close)
        try:
            while True:
                await asyncio.to_thread(self._tried)
                await asyncio.sleep(_PAUSE)
        finally:
            self.close()

    def _tried(self) -> None:
        try:
            with suppress(Missing):  # nothing is served yet
                self.look()
            self._said = ""
        except _AILING as error:
            trouble = type(error).__name__
            if trouble != self._said:
                LOG.warning("changes wait to be told: %s", trouble)
            self._said = trouble

    async def more(self, behind: int, seconds: float) -> bool:
        """Wait until the feed goes on behind a row, for so many seconds at most; say whether it does."""
        until = self.stopwatch() + seconds
        while not self.closing:
            if await asyncio.to_thread(self._newest_now) > behind:
                return True
            left = until - self.stopwatch()
            if left <= 0:
                return False
            await asyncio.sleep(min(_PAUSE, left))
        return False

    def _newest_now(self) -> int:
        # Whoever waits asks the same: the database hears it once.
        now = self.stopwatch()
        if now - self._newest[0] >= _PAUSE / 2:
            self._newest = (now, self.feed.newest())
        return self._newest[1]

    @contextmanager
    def stream(self, key_id: str) -> Iterator[None]:
        """Count a stream of a key as long as the block lasts; raise `TooManyStreams` for one too many."""
        if self._streams[key_id] >= self.most_streams:
            raise TooManyStreams(self.most_streams)
        self._streams[key_id] += 1
        try:
            yield
        finally:
            self._streams[key_id] -= 1
            if not self._streams[key_id]:
                del self._streams[key_id]
