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
from profiles.model import CERTAIN
from profiles.serving import Header, header_key

# So many people are looked at under one lock: what others have to write waits that long.
_TOGETHER: Final = 200


class Seen(Protocol):
    """What is served at one moment, under later denials."""

    def tagged(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes] | None:
        """Return ETag and answer of a read, or None."""

    def successors(self, profile_id: ProfileId) -> tuple[ProfileId, ...]:
        """Return who answers for an id that was given up."""

    def candidates(self, token: Token) -> tuple[ProfileId, ...]:
        """Return everybody whom an identifier leads to."""

    def header(self, profile_id: ProfileId) -> Header | None:
        """Return who a profile is made of, or None where there is none."""


@dataclass(frozen=True, slots=True)
class Teller:
    """The feed of a workspace: `seen` is what is served, looked at anew each time it is called."""

    database: Engine
    generations: ServingStore
    # Asked at each look, for a policy may come to name more of them.
    purposes: Callable[[], Sequence[Purpose]]
    seen: Callable[[], Seen]
    clock: Clock

    def tell(self, ids: Iterable[str]) -> int:
        """Tell what has become of people, each once, and return how many changes that were.

        Whoever cannot be read holds nobody else up: all others are told before `Torn` is raised.
        """
        return self._all_told(iter(dict.fromkeys(ids)))

    def tell_all(self) -> int:
        """Hold everybody who is served, and everybody of whom anything was told, against what was told last."""
        return self._all_told(self._everybody())

    def tell_generation(self) -> int:
        """Tell all that the served generation changed, where its publisher has not come to do it."""
        name = self.generations.name()
        with self.database.connect() as connection:
            if name is None or store.mark(connection, store.GENERATION) == name:
                return 0
        count = self.tell_all()
        self.settle(name)
        return count

    def settle(self, name: str) -> None:
        """Say that a generation was told whole."""
        with writing(self.database) as connection:
            store.put_mark(connection, store.GENERATION, name)

    def behind(self) -> bool:
        """Say whether a generation is served that was not told whole."""
        with self.database.connect() as connection:
            told = store.mark(connection, store.GENERATION)
        return told != self.generations.name()

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

    def _all_told(self, ids: Iterator[str]) -> int:
        count, torn = 0, list[Torn]()
        while some := list(islice(ids, _TOGETHER)):
            count += self._told(some, torn)
        if torn:
            raise torn[0]
        return count

    def _told(self, ids: Collection[str], torn: list[Torn]) -> int:
        wanted = [one for one in ids if not is_sealed(one)]
        with writing(self.database) as connection:
            last = store.last(connection, wanted)
            with suppress(Missing):  # nothing is served yet
                seen = self.seen()
                found: list[Change] = []
                for one in wanted:
                    try:
                        became = self._change(connection, seen, one, last.get(one))
                    except Torn as error:
                        torn.append(error)
                        continue
                    found += [] if became is None else [became]
                return store.append(connection, found, self.clock())
        return 0

    def _change(self, connection: Connection, seen: Seen, profile_id: str, last: Last | None) -> Change | None:
        state = self._state(seen, profile_id)
        if last is None or last.state.keys() <= state.keys():
            return change(profile_id, last, Now(state))
        heirs = {str(one): self._state(seen, one) for one in seen.successors(ProfileId(profile_id))}
        header = seen.header(ProfileId(profile_id))
        sure = () if header is None else [token for token, link in header.tokens.items() if link in CERTAIN]
        now = Now(state, heirs, lives=header is not None, erased=not state and erasing(connection, sure))
        return change(profile_id, last, now)

    def _state(self, seen: Seen, profile_id: str) -> Mapping[str, str]:
        found = ((purpose, seen.tagged(ProfileId(profile_id), purpose)) for purpose in self.purposes())
        return {str(purpose): tagged[0].strip(b'"').decode() for purpose, tagged in found if tagged is not None}

    def _everybody(self) -> Iterator[str]:
        yield from (one for one, _ in groupby(heapq.merge(self._served(), store.people(self.database))))

    def _served(self) -> Iterator[str]:
        with suppress(Missing):
            prefix = header_key("")
            yield from (key[len(prefix) :].decode() for key, _ in self.generations.current().items(prefix))
