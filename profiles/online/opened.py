"""The online path over a workspace: the rules, the log in its parts, the resolver's state of each generation."""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar

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
from infra.log.tail import Place, Read
from infra.serving.store import Live, Overtaken
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.config import Source, load_sources
from ingestion.connectors.declared import Collector
from ingestion.connectors.topics import CHECKPOINTS
from ingestion.live import LiveEvent, Reader, Terms
from ingestion.store import taken_paths
from profiles.config import load_settings
from profiles.denials import Denials
from profiles.errors import LogSilent, OthersPart, ServedElsewhere
from profiles.online.answers import Answers, Begun
from profiles.online.apply import HOME, Applier, Words, places, put_place
from profiles.online.person import Change
from profiles.online.places import FOLDER
from profiles.online.rules import Served
from profiles.online.seen import Seen
from profiles.online.tails import Part, SpoolTail, Tail, Taken, TopicsTail, source_of
from profiles.online.turns import Turns, home_of
from profiles.rulebook import Rulebook

# Below the workspace's state: the resolver's state of each generation, and which events were seen.
_SEEN: Final = "seen"
_FRESH: Final = timedelta(milliseconds=50)
_REMEMBERED: Final = 100_000
# A change of what is served that somebody else was faster than is made again so often.
_TRIES: Final = 20
_PATIENCE, _IDLE = 0.2, 300


def collects(workspace: Workspace) -> bool:
    """Say whether events come in at once, by a log that the online path reads."""
    return workspace.settings.serving.online and bool(_collected(workspace))


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
        if self._speak(holders):
            return self._decided(holders)
        links = tuple(sorted(holders.values()))
        if links not in self._alike:
            self._alike[links] = self._decided(holders)
        return self._alike[links]

    def foresee(self, tokens: Collection[Token]) -> None:
        """Look at once whether anything was said under tokens that will be asked for one after the other."""
        self._look()
        self._speak(tokens)

    def _speak(self, tokens: Iterable[Token]) -> bool:
        """Say whether anything was ever said under one of these tokens."""
        unknown = [token for token in tokens if token not in self._silent]
        said = store.sids(self._desk.database, unknown) if unknown else {}
        self._silent.update(token for token in unknown if token not in said)
        return bool(said)

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
    tail: Tail
    _readers: dict[str, Reader] = field(default_factory=dict)
    _made_for: object = None

    @classmethod
    def of(cls, workspace: Workspace, database: Engine, clock: Clock, besides: Collection[str] = ()) -> Self:
        """Return the log of a workspace as it is declared now; what the runs `besides` took in counts as not taken."""
        declared = _collected(workspace)
        tail = _tail(workspace, partial(taken_paths, database, besides=besides), [one.source for one in declared])
        log = cls(workspace, database, clock, declared, load_identifier_types(workspace), tail)
        log.judge()
        return log

    def refresh(self) -> None:
        """Ask anew who may not be stored, and which parts there are."""
        self.judge()
        self.tail.look()

    def judge(self) -> None:
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

    def read(self, part: Part, place: Place | None) -> Iterator[tuple[Read, list[LiveEvent]]]:
        """Yield what stands behind a place: each piece that was read, with the events that will be taken in."""
        for piece in self.tail.read(part, place):
            yield piece, self._events(part, piece)

    def between(self, part: Part, place: Place | None, until: Place) -> list[LiveEvent]:
        """Return the events of a piece that was read before, once more."""
        return self._events(part, self.tail.between(part, place, until))

    def knows(self, part: Part) -> bool:
        """Say whether a part is of a source that is declared."""
        return source_of(part) in self._readers

    def _events(self, part: Part, piece: Read) -> list[LiveEvent]:
        return self._readers[source_of(part)].read([entry for _, entry in piece.entries])


def _tail(workspace: Workspace, paths: Taken, sources: Sequence[str]) -> Tail:
    settings = workspace.settings.log
    if isinstance(settings, KafkaSettings):
        checkpoints = workspace.state_path / CHECKPOINTS
        return TopicsTail(settings, sources, workspace.lake_path, checkpoints, paths)
    return SpoolTail(workspace.log_path, sources, paths)


class _Closes(Protocol):
    def close(self) -> None: ...


_Held = TypeVar("_Held", bound=_Closes)


def _all(_part: Part) -> bool:
    return True


class Opened:
    """The online path over one generation; what it opened is let go by `close`."""

    def __init__(self, workspace: Workspace, log: Log, name: str, state: Path, words: Words, denials: Denials) -> None:
        self.name = name
        self.newest: datetime | None = None
        self._parts: tuple[Part, ...] | None = None
        self._sure = False
        self._reached: dict[Part, Place] = {}
        self._log, self._stack = log, ExitStack()
        key = workspace.token_key()
        resolver_store = self._held(LmdbStore(state, durable=False))
        seen = Seen(self._held(LmdbStore(workspace.state_path / FOLDER / _SEEN, durable=False)), key)
        self._turns = self._held(Turns(workspace.state_path / FOLDER))
        self._home = home_of(workspace.state_path / FOLDER).encode()
        identity: IdentityConfig = load_identity(workspace)
        self.applier = Applier(Resolver(resolver_store, identity), served_by(workspace), words, denials, seen, key)

    def _held(self, held: _Held) -> _Held:
        self._stack.callback(held.close)
        return held

    def catch_up(self, live: Live, mine: Callable[[Part], bool] = _all, patience: float = 0.0) -> int:
        """Apply what stands behind the generation's places, piece by piece; return how many events that was.

        What another answered and did not come to serve is among them. `mine` says which parts of the log are read
        here; `patience` how long to wait for something to read.
        """
        tail, parts = self._log.tail, tuple(filter(mine, self._log.tail.parts()))
        finished = self._go_over(live, parts) if parts != self._parts or not self._sure else 0
        tail.follow(self.places())
        tail.wait(patience)
        return finished + sum(self._caught_up(live, part) for part in parts)

    def catch_up_wholly(self, live: Live) -> int:
        """Apply all that the log holds now; return how many events that was."""
        ends, count, idle = self._log.tail.ends(), self.catch_up(live), 0
        while any((place := self._reached.get(part)) is None or place.at < end for part, end in ends.items()):
            before = dict(self._reached)
            count += self.catch_up(live, patience=_PATIENCE)
            idle = 0 if self._reached != before else idle + 1
            if idle > _IDLE:
                raise LogSilent
        return count

    def places(self) -> dict[Part, Place | None]:
        """Return how far each part that is read here is served."""
        return {part: self._reached.get(part) for part in self._parts or ()}

    def alone(self) -> AbstractContextManager[None]:
        """Have what is served to oneself, among the workers of a workspace."""
        return self._turns.serving()

    def behind(self) -> Mapping[Part, int]:
        """Return how many entries wait of each part that is read here, where they can be counted."""
        return self._log.tail.behind(self.places())

    def _go_over(self, live: Live, parts: tuple[Part, ...]) -> int:
        """Read these parts from now on; whoever read them before may have left something half done."""
        with self._turns.answering(), self._turns.serving(), live.change() as change:
            if (change.get(HOME) or self._home) != self._home:
                raise ServedElsewhere
            change.put(HOME, self._home)
            finished = self._finish(change, None)
            self._reached, self._parts, self._sure = places(change.get), parts, True
        return finished

    def _caught_up(self, live: Live, part: Part) -> int:
        count = 0
        for read, events in self._log.read(part, self._reached.get(part)):
            with ExitStack() as serving:
                with self._turns.answering():
                    answers = self.applier.answered(events, part, self._reached.get(part), read)
                    serving.enter_context(self._turns.serving())
                count += self._serve(live, events, answers)
            self.newest = max((event.received_at for event in events), default=self.newest)
        return count

    def _serve(self, live: Live, events: Sequence[LiveEvent], answers: Answers) -> int:
        part, begin = answers.to.part, answers.to.begin
        self._sure = False  # until it has come to its end; else all is looked at anew
        for tried in range(_TRIES):
            try:
                with live.change() as change:
                    finished = self._finish(change, answers.to)
                    if places(change.get).get(part) != begin:
                        raise OthersPart(part)
                    self.applier.apply(change, events, answers)
                break
            except Overtaken:  # something else of what was read is another by now: once more, from what is there
                if tried == _TRIES - 1:
                    raise
        self._reached[part], self._sure = answers.to.end, True
        return finished + len(events)

    def _finish(self, change: Change, before: Begun | None) -> int:
        """Serve what was answered in earlier turns and not served, and return how many events that was.

        Whoever had it to do was killed, or failed.
        """
        count = 0
        for one in self.applier.begun():
            later = before is not None and one.turn >= before.turn
            if later or self._reached.get(one.part) == one.end or not self._log.knows(one.part):
                continue
            if places(change.get).get(one.part) == one.begin:
                events = self._log.between(one.part, one.begin, one.end)
                self.applier.apply(change, events, self.applier.kept(one.part))
                count += len(events)
        return count

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
    sources = load_sources(workspace)
    trust = {one.source: one.trust for one in sources}
    return Served.of(load_settings(workspace), rulebook, trust, {one.source: one.of_the_person() for one in sources})


def begun_at(change: Change, log: Log) -> None:
    """Say in a new generation how far into the log the lake is that it was made from."""
    for part, place in log.tail.taken().items():
        put_place(change, part, place)
