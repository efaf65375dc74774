"""The online path over a workspace: the rules, the log of each source, the resolver's state of each generation."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Engine

from consent import officer, store
from consent.config import load_policy
from consent.model import Decision, Link
from consent.suppression import kept_out, not_to_be_stored
from identity.config import IdentityConfig, load_identity
from identity.online.resolver import Resolver
from infra.clock import Clock
from infra.identifiers import IdentifierType, load_identifier_types
from infra.ids import Token
from infra.keyvalue import LmdbStore
from infra.log.tail import Place, Read, behind, read_on
from infra.serving.store import Live
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.config import Source, load_sources
from ingestion.connectors.aside import KEPT
from ingestion.connectors.declared import Collector
from ingestion.live import LiveEvent, Reader, Terms
from ingestion.store import taken_paths
from profiles.config import load_settings
from profiles.online.apply import Applier, Words, places, put_place
from profiles.online.person import Change
from profiles.online.places import FOLDER
from profiles.online.rules import Served
from profiles.online.seen import Seen
from profiles.rulebook import Rulebook
from profiles.serving import Denials

# Below the workspace's state: the resolver's state of each generation, and which events were seen.
_SEEN: Final = "seen"
_FRESH: Final = timedelta(milliseconds=50)
_REMEMBERED: Final = 100_000


def collects(workspace: Workspace) -> bool:
    """Say whether events come in at once, by a log that the online path reads."""
    settings = workspace.settings
    return settings.serving.online and not isinstance(settings.log, KafkaSettings) and bool(_collected(workspace))


def _collected(workspace: Workspace) -> tuple[Source, ...]:
    return tuple(one for one in load_sources(workspace) if isinstance(one.connector, Collector))


def state_folder(workspace: Workspace, generation: str) -> Path:
    """Return where the resolver's state that belongs to a generation lies."""
    return workspace.state_path / FOLDER / generation


def forget_states(workspace: Workspace, kept: Sequence[str]) -> None:
    """Delete the states of all generations but some."""
    root = workspace.state_path / FOLDER
    for path in root.iterdir() if root.is_dir() else ():
        if path.is_dir() and path.name not in {*kept, _SEEN}:
            shutil.rmtree(path, ignore_errors=True)


class Ledger:
    """`Words` of the consent ledger as it is now.

    Of most newcomers nothing was ever said; they are decided alike, and who they are is remembered until the ledger
    grows. It is looked at again after a moment: a refusal that comes in between is obeyed by the overlay at each read.
    """

    def __init__(self, desk: officer.Desk, clock: Clock) -> None:
        self._desk, self._clock = desk, clock
        self._silent: set[Token] = set()
        self._alike: dict[tuple[Link, ...], Mapping[str, Decision]] = {}
        self._through, self._looked = -1, datetime.min.replace(tzinfo=UTC)

    def decisions(self, holders: Mapping[Token, Link]) -> Mapping[str, Decision]:
        """Return what each purpose may do with somebody who holds these tokens."""
        self._look()
        unknown = [token for token in holders if token not in self._silent]
        if unknown:
            said = store.sids(self._desk.database, unknown)
            self._silent.update(token for token in unknown if token not in said)
            if said:
                return self._decided(holders)
        links = tuple(sorted(holders.values()))
        if links not in self._alike:
            self._alike[links] = self._decided(holders)
        return self._alike[links]

    def _decided(self, holders: Mapping[Token, Link]) -> Mapping[str, Decision]:
        said = officer.state(self._desk, holders, at=self._clock())
        return {str(decision.purpose): decision for decision in said}

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < _FRESH:
            return
        self._looked = now
        through = store.last_sequence(self._desk.database)
        if through != self._through or len(self._silent) > _REMEMBERED:
            self._silent.clear()
        self._through = through


@dataclass(slots=True)
class Log:
    """The event log of a workspace, read from the places that a generation has come to."""

    workspace: Workspace
    database: Engine
    clock: Clock
    declared: tuple[Source, ...]
    kinds: Mapping[str, IdentifierType]
    _readers: dict[str, Reader] = field(default_factory=dict)
    _made_for: object = None

    @classmethod
    def of(cls, workspace: Workspace, database: Engine, clock: Clock) -> Self:
        """Return the log of a workspace as it is declared now."""
        log = cls(workspace, database, clock, _collected(workspace), load_identifier_types(workspace))
        log.refresh()
        return log

    def refresh(self) -> None:
        """Ask anew who may not be stored."""
        workspace, now = self.workspace, self.clock()
        settings = workspace.settings
        out = kept_out(self.database, workspace.token_keys())
        terms = Terms(
            self.kinds, workspace.token_key(), settings.region, settings.time_zone,
            frozenset(not_to_be_stored(self.database)), out,
        )  # fmt: skip
        made_for = (terms.restricted, out.tokens, now.date())
        if made_for != self._made_for:
            self._readers = {one.source: Reader.of(one, terms, now) for one in self.declared}
            self._made_for = made_for

    def sources(self) -> tuple[str, ...]:
        """Return the sources whose events come by the log."""
        return tuple(self._readers)

    def taken(self) -> dict[str, Place]:
        """Return the place behind what the lake has of each source."""
        root = self.workspace.log_path
        found = {
            name: behind([*taken_paths(self.database, name), *map(str, (root / KEPT / name).glob("*"))])
            for name in self._readers
        }
        return {name: place for name, place in found.items() if place is not None}

    def read(
        self, source: str, place: Place | None, until: Place | None = None
    ) -> Iterator[tuple[Read, list[LiveEvent]]]:
        """Yield what stands behind a place: each piece that was read, with the events that will be taken in.

        With `until` only what stands before it: what was read once is read once more.
        """
        root, reader = self.workspace.log_path, self._readers[source]
        for piece in read_on((root / source, root / KEPT / source), place):
            kept = piece if until is None else piece.before(until)
            yield kept, reader.read([entry for _, entry in kept.entries])
            if until is not None:
                return


class Opened:
    """The online path over one generation; what it opened is let go by `close`."""

    def __init__(self, workspace: Workspace, log: Log, name: str, state: Path, words: Words, denials: Denials) -> None:
        self.name = name
        self.newest: datetime | None = None
        self._reached: dict[str, Place] | None = None
        self._log, self._stack = log, ExitStack()
        key = workspace.token_key()
        resolver_store = self._held(LmdbStore(state, durable=False))
        self._seen = Seen(self._held(LmdbStore(workspace.state_path / FOLDER / _SEEN, durable=False)), key)
        identity: IdentityConfig = load_identity(workspace)
        self.applier = Applier(
            Resolver(resolver_store, identity), served_by(workspace), words, denials, self._seen, key
        )

    def _held(self, store: LmdbStore) -> LmdbStore:
        self._stack.callback(store.close)
        return store

    def catch_up(self, live: Live) -> int:
        """Apply what stands behind the generation's places, piece by piece; return how many events that was."""
        if self._reached is None:
            with live.change() as change:
                self._reached = places(change.get)
        return sum(self._caught_up(live, source) for source in self._log.sources())

    def _caught_up(self, live: Live, source: str) -> int:
        count, reached = 0, {} if self._reached is None else self._reached
        until = self.applier.pending(source, reached.get(source))
        if until is not None:  # answered, and not served before the end came
            for read, events in self._log.read(source, reached.get(source), until):
                count += self._apply(live, source, read, events)
        for read, events in self._log.read(source, reached.get(source)):
            self.applier.answered(events, source, reached.get(source), read)
            self._seen.keep()
            count += self._apply(live, source, read, events)
        return count

    def _apply(self, live: Live, source: str, read: Read, events: Sequence[LiveEvent]) -> int:
        with live.change() as change:
            self.applier.apply(change, events, source, read)
        if self._reached is not None:
            self._reached[source] = read.place
        self.newest = max((event.received_at for event in events), default=self.newest)
        return len(events)

    def close(self) -> None:
        """Let go of the files."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def served_by(workspace: Workspace) -> Served:
    """Return the rules by which a workspace serves people."""
    rulebook = Rulebook(load_policy(workspace), load_identifier_types(workspace))
    trust = {one.source: one.trust for one in load_sources(workspace)}
    return Served.of(load_settings(workspace), rulebook, trust)


def begun_at(change: Change, log: Log) -> None:
    """Say in a new generation how far into the log the lake is that it was made from."""
    for source, place in log.taken().items():
        put_place(change, source, place)
