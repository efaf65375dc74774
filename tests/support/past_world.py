"""A world whose people are made of records, so that what each purpose sees follows from what it may use; read by HTTP's
own rules as of any moment."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from feed_world import KEEPER, PURPOSES, FeedWorld, Views
from sqlalchemy import event

import api.http.store
from api.http.audit import ReadAudit
from api.http.credentials import KeyRing
from api.http.keys import Credential
from api.http.people import People
from api.http.reading import Found, Split, Tongue, read
from api.http.routes.profiles import seen_at
from api.http.world import World
from consent.erasure.ports import Subject
from infra.ids import ProfileId, Purpose, RecordKey
from profiles.history.erasure import PastViews
from profiles.history.pruning import as_built, prune
from profiles.history.reading import Past
from profiles.serving import ProfileReader

EVERY = frozenset(PURPOSES)


@dataclass
class Record:
    """What one record says, and what may be done with it."""

    says: int
    purposes: frozenset[str]


@dataclass
class _Workspace:
    state_path: Path


@dataclass
class PastWorld(FeedWorld):
    """People as records (`held`): a view shows what the records say that its purpose may use, and nothing else."""

    held: dict[str, dict[str, Record]] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        event.listen(self.database, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF"))  # no power cut here
        self.database.dispose()
        api.http.store.METADATA.create_all(self.database)
        self.caller = Credential("k", "test", frozenset({"profile:read"}), frozenset(PURPOSES))
        self.reader = ProfileReader(self.generations.current, self.denied)
        # The world as the server has it.
        self.api = World(
            profiles=self.reader, consents=None, decider=None, tongue=Tongue({}, b"k"), database=self.database,
            ring=KeyRing(self.database), audit=ReadAudit(self.database, lambda: self.now, capacity=10**9),
            people=People(self.database, lambda: self.now), clock=lambda: self.now,
            past=Past(self.database, KEEPER, lambda: self.now, self.teller),
        )  # fmt: skip

    def records(self, one: str, views: Views) -> dict[str, list[str]]:
        return {key: sorted(set(self.used(one, key)) & set(views)) for key in self.held[one]}

    def used(self, one: str, key: str) -> list[str]:
        return [p for p in self.held[one][key].purposes if (one, p) not in self.refused]

    def views(self, one: str) -> dict[str, int]:
        """Return what each purpose sees: a number that every record has a part in that it may use."""
        found: dict[str, int] = {}
        for purpose in PURPOSES:
            mine = [r.says for key, r in self.held[one].items() if purpose in self.used(one, key)]
            if mine:
                found[purpose] = sum(mine)
        return found

    def served(self) -> None:
        """Publish the people as they are made now, without telling anybody."""
        self.people = {one: self.views(one) for one in self.held}
        self.publish()

    def told(self) -> None:
        """Have all that is served told and kept, as the processes do."""
        self.watch.look(self.teller)
        self.flush()
        self.teller.tell_generation()
        self.forget_taken_in()

    def forget_taken_in(self) -> None:
        """Have the overlay let go of what the served generation has taken in."""
        self.forget()
        self.watch.look(self.teller)

    def changed(self, one: str) -> None:
        """Serve a person live as they are made now."""
        self.put(one, self.views(one))
        self.flush()

    def merged(self, one: str, other: str) -> None:
        """Have a person become part of another live."""
        self.held[other] |= self.held[one]
        self.join(one, other)
        del self.held[one]
        self.changed(other)

    def now_read(self, one: str, purpose: str) -> Found | Split | None:
        return read(self.reader, ProfileId(one), Purpose(purpose))

    def usable(self, one: str, purpose: str) -> frozenset[str] | None:
        return self.reader.usable(ProfileId(one), Purpose(purpose))

    def as_of(self, one: str, purpose: str, moment: datetime) -> Found | Split:
        """Return what the route answers with."""
        return seen_at(self.api, self.caller, ProfileId(one), Purpose(purpose), moment)

    def erased(self, one: str, *old: str) -> None:
        """Erase a person with their records, from what is served and from the past."""
        keys = tuple(map(RecordKey, self.held.pop(one)))
        self.erase(one)
        self.watch.look(self.teller)
        self.served()
        self.told()
        self.erasable.delete(Subject(tokens=(), record_keys=keys, profile_ids=tuple(map(ProfileId, (one, *old)))))

    @property
    def erasable(self) -> PastViews:
        workspace: Any = _Workspace(self.root / "state")
        return PastViews(self.database, workspace)

    def maintained(self) -> int:
        return prune(self.database, lambda: as_built(self.generations.current().snapshot()))

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


def said(found: Found) -> dict[str, Any]:
    """Return an answer without its moment."""
    view: dict[str, Any] = orjson.loads(found.body)
    return {name: value for name, value in view.items() if name != "as_of"}


def begun(world: PastWorld, *people: str) -> None:
    """Serve people of one record each."""
    for number, one in enumerate(people):
        world.held[one] = {f"{one[0]}1": Record(10 ** (2 * number + 1), EVERY)}
    world.served()
    world.told()
