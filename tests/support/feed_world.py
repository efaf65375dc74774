"""People who are served and become others, without a lake: generations, live changes, refusals, and the feed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import consent.store
from api.http.changing import Watch
from api.http.wiring import Denied
from consent.erasure.freeze import REASON
from consent.model import ALL
from consent.overlay import DenyOverlay
from consent.suppression import Cause, suppress
from infra.database import open_database
from infra.ids import ProfileId, Purpose, Token
from infra.serving.embedded import Generations
from profiles import render, serving
from profiles.changefeed import store
from profiles.changefeed.outbox import outbox_key
from profiles.changefeed.pages import Feed, Heard
from profiles.changefeed.teller import Teller
from profiles.history import store as history
from profiles.history.keeping import Keeper
from profiles.stored import packed

BEGIN = datetime(2026, 11, 2, 9, tzinfo=UTC)
PURPOSES = tuple(map(Purpose, ("service", "analytics", "email_marketing")))
KEEPER = Keeper(timedelta(days=90))
Views = Mapping[str, int]


@dataclass
class FeedWorld:
    """What is served (`people`: what each purpose sees of whom), and all that may become of it."""

    root: Path
    people: dict[str, dict[str, int]] = field(default_factory=dict)
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    now: datetime = BEGIN
    number: int = 0
    database: Any = None

    def __post_init__(self) -> None:
        self.database = self.database or open_database(
            f"sqlite:///{self.root}/kindred.db", consent.store.METADATA, store.METADATA, history.METADATA
        )
        self.overlay = DenyOverlay.open(self.root)
        self.generations = Generations(self.root / serving.FOLDER)
        self.denied = Denied(self.overlay)
        self.teller = Teller(self.database, self.generations, lambda: PURPOSES, self.seen, self.clock, KEEPER)
        self.feed = Feed(self.database, self.teller, b"a key of tests")
        self.watch = Watch(self.overlay, self.generations.current, lambda: 0.0)

    def seen(self) -> serving.ProfileReader:
        return serving.ProfileReader(self.generations.current, self.denied).moment()

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def publish(self) -> str:
        """Serve the people as they are; what was refused meanwhile is in it, and the overlay forgets it."""
        self.number += 1
        name = f"{self.number:08d}"
        self.generations.root.mkdir(parents=True, exist_ok=True)
        with self.generations.building(name) as writer:
            told = {"generation": name, "started_at": render.moment(self.now)}
            writer.put(serving.MANIFEST, json.dumps(told).encode())
            for one, views in self.people.items():
                for key, value in self.lies(one, views).items():
                    writer.put(key, value)
            for given, heirs in self.aliases.items():
                for heir in heirs:
                    writer.put(serving.alias_key(given, heir), b"")
        self.generations.publish(name)
        return name

    def lies(self, one: str, views: Views) -> dict[bytes, bytes]:
        """Return what lies in the store of a person."""
        return _person(one, views, self.records(one, views))

    def records(self, one: str, views: Views) -> dict[str, list[str]]:
        """Return what a person is made of: records, each with the purposes that may use it."""
        return {one: sorted(views)}

    def forget(self) -> list[Token]:
        """Have the overlay forget everything, as after a publication that has seen it all; return what it denied."""
        denied = [Token(token) for token, _ in self.overlay.denials()]
        self.overlay.entries.delete([key for key, _ in self.overlay.entries.items(b"d|")])
        return denied

    def live(self, edit: Callable[[Any], None]) -> None:
        """Change what is served in place."""
        live = self.generations.live()
        with live.change() as change:
            edit(change)
        live.close()

    def put(self, one: str, views: dict[str, int]) -> None:
        """Change a person live, as the stream worker does."""
        self.people[one] = views

        def edit(change: Any) -> None:
            for purpose in PURPOSES:
                change.delete(serving.view_key(purpose, one))
            for key, value in self.lies(one, views).items():
                change.put(key, value)
            change.put(outbox_key(one), json.dumps(views).encode())

        self.live(edit)

    def join(self, one: str, other: str) -> None:
        """Have a person become part of another live."""
        views = self.people.pop(one)
        self.aliases = {given: heirs for given, heirs in self.aliases.items() if given != other}
        self.aliases[one] = (other,)

        def edit(change: Any) -> None:
            for key in (*self.lies(one, views), *(serving.view_key(purpose, one) for purpose in PURPOSES)):
                change.delete(key)
            change.put(serving.alias_key(one, other), b"")
            change.put(outbox_key(one), other.encode())

        self.live(edit)

    def flush(self) -> int:
        """Tell what was noted beside live changes."""
        live = self.generations.live()
        try:
            return self.teller.tell_outbox(live)
        finally:
            live.close()

    def refuse(self, one: str, purpose: str) -> None:
        """Have a person refuse a purpose; the next publication has seen it."""
        self.overlay.restrict([token_of(one)], [Purpose(purpose)], at=self.clock(), sequence=1)
        if one in self.people:
            self.people[one] = {p: n for p, n in self.people[one].items() if p != purpose}

    def erase(self, one: str) -> None:
        """Freeze somebody; the next publication is without them."""
        suppress(
            self.database, [(1, token_of(one))], Cause(reason=REASON, request_id=f"r-{self.number}", at=self.clock())
        )
        self.overlay.restrict([token_of(one)], [Purpose(ALL)], at=self.now, sequence=1)
        self.people.pop(one, None)
        self.aliases = {
            given: kept for given, heirs in self.aliases.items() if (kept := tuple(h for h in heirs if h != one))
        }

    def shown(self, purpose: str) -> dict[str, str]:
        """Return who may be seen now, each with the version of what is seen."""
        seen = self.teller.seen()
        prefix = serving.header_key("")
        ids = [key[len(prefix) :].decode() for key, _ in self.generations.current().items(prefix)]
        found = {one: seen.tagged(ProfileId(one), Purpose(purpose)) for one in ids}
        return {one: tagged[0].strip(b'"').decode() for one, tagged in found.items() if tagged is not None}

    def close(self) -> None:
        self.overlay.close()
        self.database.dispose()


@dataclass
class Follower:
    """An application that keeps what it hears."""

    world: FeedWorld
    purpose: str
    cursor: str | None = None
    kept: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    def follow(self, limit: int = 1_000, pages: int = 1_000) -> list[Heard]:
        """Hear what there is, page by page, and return it; what may not be kept is let go of."""
        fresh: list[Heard] = []
        for _ in range(pages):
            page = self.world.feed.page(Purpose(self.purpose), self.world.feed.place(self.cursor), limit)
            shown = self.world.shown(self.purpose)
            told = [one.place.sequence for one in page.changes]
            assert told == sorted(set(told)), "in the feed's order, each once"
            behind = self.heard[-1].place.sequence if self.cursor is not None and self.heard else 0
            assert not told or page.anew or told[0] > behind, "nothing twice, from one page to the next"
            for one in page.changes:
                if one.version is None:
                    self.kept.pop(one.profile_id, None)
                else:
                    assert one.profile_id in shown, "nobody hears of whom they may not see"
                    self.kept[one.profile_id] = one.version
                assert set(one.others) <= set(shown)
            fresh += page.changes
            self.heard += page.changes
            self.cursor = page.following.cursor()
            if not page.more:
                break
        return fresh


def token_of(one: str) -> Token:
    """Return the one token of a person."""
    return Token("1:" + hashlib.sha256(one.encode()).hexdigest())


def _person(one: str, views: Views, records: Mapping[str, list[str]]) -> dict[bytes, bytes]:
    header = {
        "profile_id": one, "anchor": one, "known": True, "size": 1, "confidence": 1.0,
        "tokens": {token_of(one): "own"},
        "records": {key: {"tokens": [token_of(one)], "purposes": purposes} for key, purposes in records.items()},
    }  # fmt: skip
    found = {
        serving.header_key(one): json.dumps(header).encode(),
        serving.holders_key(one): token_of(one).encode(),
        serving.token_key(token_of(one)): one.encode(),
        serving.graph_key(one): b'{"edges":[]}',
    }
    for purpose, number in views.items():
        shown = {"profile_id": one, "number": number, "attributes": {}}
        version = render.digest(shown)
        body = json.dumps({**shown, "version": version}).encode()
        found[serving.view_key(purpose, one)] = packed(render.etag(version), body, token_of(one).encode())
    return found
