"""Telling: what is served of some people now, held against what was told of them last, goes into the feed.

It may be asked by several processes, as often as they like, for people of whom they do not know whether anything has
changed. Each takes the lock of the database's writers first and looks at what is served after that, so that nobody
tells what is older than what another has told. What dies on the way has told all of a few people, and of the others
nothing.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import Final, Protocol

from sqlalchemy import Connection, Engine

from consent.suppression import erasing
from infra.clock import Clock
from infra.database import writing
from infra.errors import Missing
from infra.ids import ProfileId, Purpose, Token
from infra.keyvalue import Torn
from infra.serving.store import Live, ServingStore
from profiles.changefeed import store
from profiles.changefeed.outbox import OUTBOX
from profiles.changefeed.rule import Change, Last, Now, change
from profiles.changefeed.sealed import is_sealed
from profiles.header import Header
from profiles.history.keeping import Keeper
from profiles.history.rule import Looked, Shown
from profiles.model import CERTAIN
from profiles.serving import alias_key, header_key

# So many people are looked at under one lock: what others have to write waits that long.
_TOGETHER: Final = 200


class Seen(Protocol):
    """What is served at one moment, under later denials."""

    def tagged(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes] | None:
        """Return ETag and answer of a read, or None."""

    def shown(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes, frozenset[str]] | None:
        """Return ETag, answer and the records behind them, or None."""

    def successors(self, profile_id: ProfileId) -> tuple[ProfileId, ...]:
        """Return who answers for an id that was given up."""

    def candidates(self, token: Token) -> tuple[ProfileId, ...]:
        """Return everybody whom an identifier leads to."""

    def header(self, profile_id: ProfileId) -> Header | None:
        """Return who a profile is made of, or None where there is none."""


@dataclass(frozen=True, slots=True)
class Teller:
    """The feed of a workspace: `seen` is what is served, looked at anew each time it is called.

    `keeper` keeps what was seen, beside what is told.
    """

    database: Engine
    generations: ServingStore
    # Asked at each look, for a policy may come to name more of them.
    purposes: Callable[[], Sequence[Purpose]]
    seen: Callable[[], Seen]
    clock: Clock
    keeper: Keeper

    def tell(self, ids: Iterable[str], since: datetime | None = None) -> int:
        """Tell what has become of people, each once, and return how many changes that were.

        What it is counts from `since`, from now where no moment is named. Whoever cannot be read holds nobody else up:
        all others are told before `Torn` is raised.
        """
        return self._all_told(iter(dict.fromkeys(ids)), since)

    def tell_all(self, since: datetime | None = None) -> int:
        """Hold everybody who is served, and everybody of whom anything was told, against what was told last."""
        return self._all_told(self._everybody(), since)

    def tell_generation(self) -> int:
        """Tell all that the served generation changed, where its publisher has not come to do it."""
        name = self.generations.name()
        if name is None or self.told() == name:
            return 0
        count = self.tell_all(self.served_since(name))
        self.settle(name)
        return count

    def settle(self, name: str) -> None:
        """Say that a generation was told whole."""
        with writing(self.database) as connection:
            store.put_mark(connection, store.GENERATION, name)
            self.keeper.begin(connection, self.clock())

    def told(self) -> str | None:
        """Return the generation that was told and kept whole last; None where all is to be told and kept first."""
        with self.database.connect() as connection:
            return store.mark(connection, store.GENERATION) if self.keeper.whole(connection) else None

    def behind(self) -> bool:
        """Say whether a generation is served that was not told whole."""
        return self.told() != self.generations.name()

    def served_since(self, name: str) -> datetime:
        """Return when a generation that is served was first seen to be: all that it changed counts from then on."""
        with self.database.connect() as connection:
            told = store.mark(connection, store.SERVED) or ""
        if told.partition(" ")[0] != name:
            with writing(self.database) as connection:
                told = store.mark(connection, store.SERVED) or ""
                if told.partition(" ")[0] != name:
                    told = f"{name} {self.clock().isoformat()}"
                    store.put_mark(connection, store.SERVED, told)
        return datetime.fromisoformat(told.partition(" ")[2])

    def new(self) -> bool:
        """Say whether no generation was ever told."""
        with self.database.connect() as connection:
            return store.mark(connection, store.GENERATION) is None

    def tell_outbox(self, live: Live, turn: Callable[[], AbstractContextManager[None]] = nullcontext) -> int:
        """Tell what the live writers of a generation noted beside their changes, and take the notes away.

        `turn` is how one has what is served to oneself; nobody waits for the database in it.
        """
        noted = dict(self.generations.reader(live.name).items(OUTBOX))
        if not noted:
            return 0
        count = self.tell(key[len(OUTBOX) :].decode() for key in noted)
        with turn(), live.change() as undone:
            for key, value in noted.items():
                if undone.get(key) == value:  # else they have changed again meanwhile, and are noted again
                    undone.delete(key)
        return count

    def _all_told(self, ids: Iterator[str], since: datetime | None) -> int:
        count, torn = 0, list[Torn]()
        while some := list(islice(ids, _TOGETHER)):
            count += self._told(some, torn, since)
        if torn:
            raise torn[0]
        return count

    def _told(self, ids: Collection[str], torn: list[Torn], since: datetime | None) -> int:
        wanted = list(dict.fromkeys(one for one in ids if not is_sealed(one)))
        with writing(self.database) as connection:
            last = store.last(connection, wanted)
            with suppress(Missing):  # nothing is served yet
                seen = self.seen()
                at, found, looked = since or self.clock(), list[tuple[Change, datetime]](), dict[str, Looked]()
                for one in wanted:
                    try:
                        now = self._looked(seen, one)
                        became = self._change(connection, seen, one, last.get(one), now)
                    except Torn as error:
                        torn.append(error)
                        continue
                    looked[one] = now
                    if became is not None:
                        # A publication is told after it was served; what was told in between stays before it.
                        found.append((became, max(at, last[one].at) if one in last else at))
                self.keeper.note(connection, looked, at)
                return store.append(connection, found)
        return 0

    def _change(
        self, connection: Connection, seen: Seen, profile_id: str, last: Last | None, looked: Looked
    ) -> Change | None:
        state = _state(looked)
        if last is None or last.state.keys() <= state.keys():
            return change(profile_id, last, Now(state))
        ids = looked.heirs or seen.successors(ProfileId(profile_id))
        heirs = {str(one): _state(self._looked(seen, one)) for one in ids}
        header = seen.header(ProfileId(profile_id))
        sure = () if header is None else [token for token, link in header.tokens.items() if link in CERTAIN]
        now = Now(state, heirs, lives=header is not None, erased=not state and erasing(connection, sure))
        return change(profile_id, last, now)

    def _looked(self, seen: Seen, profile_id: str) -> Looked:
        found = ((purpose, seen.shown(ProfileId(profile_id), purpose)) for purpose in self.purposes())
        shown = {str(purpose): _shown(*one) for purpose, one in found if one is not None}
        return Looked(shown, () if shown else tuple(sorted(seen.successors(ProfileId(profile_id)))))

    def _everybody(self) -> Iterator[str]:
        # The feed lets go of an id that was given up before the past does: who it leads to is looked at as well.
        given_up = self._served(alias_key("", "")[:2]) if self.keeper.keep else iter(())
        ids = heapq.merge(self._served(header_key("")), given_up, store.people(self.database))
        yield from (one for one, _ in groupby(ids))

    def _served(self, prefix: bytes) -> Iterator[str]:
        with suppress(Missing):
            keys = (key for key, _ in self.generations.current().items(prefix))
            yield from (key[len(prefix) :].decode().partition("|")[0] for key in keys)


def _shown(tag: bytes, body: bytes, records: frozenset[str]) -> Shown:
    return Shown(tag[1:-1].decode(), body, records)


def _state(looked: Looked) -> Mapping[str, str]:
    return {purpose: one.version for purpose, one in looked.shown.items()}
