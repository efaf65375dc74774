"""The job of ingestion: `ingest`, which takes in what the sources have that is new, and accounts for every row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from consent.config import load_policy
from consent.store import restricted_tokens
from consent.suppression import kept_out
from consent.tables import CONSENT_INBOX
from infra.identifiers import load_identifier_types
from infra.log.folder import recover
from infra.runtime import Runtime
from infra.settings import KafkaSettings
from ingestion.again.against import against
from ingestion.again.job import in_place, into_shadow, span_of
from ingestion.config import Source, consent_words, load_sources
from ingestion.connectors import objects
from ingestion.connectors.aside import prune, put_aside, waiting_files
from ingestion.connectors.declared import Collector, Fetched, Files
from ingestion.connectors.fetch import fetch
from ingestion.connectors.streamed import cut, drain, landings
from ingestion.connectors.topics import CHECKPOINTS
from ingestion.drift.gate import Gate
from ingestion.errors import UnknownSource
from ingestion.feed import Feed
from ingestion.intake import Intake, Terms, intake
from ingestion.periods import periods
from ingestion.quarantine.replay import Return, replay_of
from ingestion.quarantine.store import load
from ingestion.report import summary, table
from ingestion.store import Books, Taken, taken_paths
from ingestion.tables import LANDED, LET_GO, TABLES

# How long segments of the log and landed files are kept for a replay once the lake has what they say.
_KEPT = timedelta(days=7)


def ingest(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Take in the named sources (`source`: names with commas between; all without) and return their accounts.

    Files that are as they were count as duplicates and are not read. With `replay` (the id of a fix) the rows come
    from the quarantine and not from files; with `since` and `until` they are those that came in between, once more.
    A source whose load breaks what is expected of it with `error` is left as it is, unless it is to be taken in
    `anyway` (yes). Killed and run again, it leaves the same.
    """
    books = Books(runtime.database, runtime.run.id)
    if "since" in arguments:
        return _again(runtime, books, arguments)
    if not books.closed():
        if "replay" in arguments:
            _replay(runtime, books, arguments["replay"])
        else:
            _take_in(runtime, books, _chosen(runtime, arguments), anyway=arguments.get("anyway") == "yes")
    for source in load_sources(runtime.workspace):
        if not isinstance(source.connector, Files):
            _cut(runtime, books, source)
        elif source.connector.remote:
            taken = taken_paths(runtime.database, source.source)
            objects.prune(runtime.workspace, source.source, taken, runtime.run.started_at - _KEPT)
    for line in table(books.accounts(), books.notes()):
        runtime.say(line)
    return summary(books.accounts(), books.notes(), books.flows())


def _again(runtime: Runtime, books: Books, arguments: Mapping[str, str]) -> dict[str, object]:
    """Replay what came in a span, into the lake that had it or, with `origin`, out of that workspace into this one.

    With `against` nothing is taken in: what today's declarations would say of it is counted.
    """
    sources, terms, span = asked = (_chosen(runtime, arguments), _terms(runtime), span_of(arguments))
    if "against" in arguments:
        return against(runtime, sources, terms, span)
    difference: dict[str, object] = {}
    if "origin" in arguments:
        difference = into_shadow(runtime, books, *asked, Path(arguments["origin"]))
    elif not books.closed():
        in_place(runtime, books, *asked)
    for line in table(books.accounts(), books.notes()):
        runtime.say(line)
    return {**summary(books.accounts(), books.notes(), books.flows()), **difference}


def _take_in(runtime: Runtime, books: Books, sources: tuple[Source, ...], *, anyway: bool) -> None:
    terms = _terms(runtime)
    _bring_log(runtime, [source.source for source in sources if isinstance(source.connector, Collector)])
    for source in sources:
        if isinstance(source.connector, Fetched):
            fetch(runtime, source, source.connector)
    intakes = tuple(intake(runtime, source, terms, books, anyway=anyway) for source in sources)
    gate = Gate(runtime.run, [one.look for one in intakes if one.look])
    runtime.lake.ensure((*TABLES, CONSENT_INBOX))
    runtime.say(_outlook(intakes))
    feed = Feed(runtime, intakes, gate)
    accounts, notes = feed.take_in()
    notes = (*notes, *(alarm for one in intakes for alarm in one.alarms), *gate.notes())
    taken = [replace(i.taken, fresh=()) if i.source.source in gate.stopped else i.taken for i in intakes]
    restrictions, at = terms.restrictions(), runtime.run.started_at
    books.close(taken, accounts, notes, restrictions=restrictions, at=at, flows=feed.flows, beside=gate.write)


def _bring_log(runtime: Runtime, sources: Sequence[str]) -> None:
    """Make readable what the log holds of the sources: land topics, seal what a server that was killed left open."""
    settings = runtime.workspace.settings.log
    if isinstance(settings, KafkaSettings):
        runtime.lake.ensure((LANDED,))
        for source in sources:
            drain(runtime.lake, settings, source, runtime.workspace.state_path / CHECKPOINTS, runtime.run.started_at)
    elif sources:
        recover(runtime.workspace.log_path)  # does nothing while a server lives


def _replay(runtime: Runtime, books: Books, fix: str) -> None:
    rules = load(runtime.database, fix)
    (source,) = _chosen(runtime, {"source": rules.source})
    terms = _terms(runtime)
    runtime.lake.ensure((*TABLES, CONSENT_INBOX))
    replayed = replay_of(runtime, source, terms, books, rules.fix())
    runtime.say(
        f"replay {fix}: {sum(file.units for file in replayed.intake.taken.fresh):,} rejected rows of {rules.source}"
    )
    feed = Return(runtime, replayed)
    accounts, notes = feed.take_in()
    taken, at = Taken(rules.source, (), accounts, ""), runtime.run.started_at
    books.close([taken], accounts, notes, restrictions=terms.restrictions(), at=at, flows=feed.flows)


def _cut(runtime: Runtime, books: Books, source: Source) -> None:
    """Clear what waits for a source: what the lake has is put aside for a while, then deleted."""
    workspace, name, before = runtime.workspace, source.source, runtime.run.started_at - _KEPT
    taken, collects = taken_paths(runtime.database, name), isinstance(source.connector, Collector)
    if collects and isinstance(workspace.settings.log, KafkaSettings):
        landed = {file.path for file in landings(workspace.lake_path, name, ())}
        cut(runtime.lake, name, len(landed - taken), before)
        books.forget(name, taken - landed)
        return
    waiting = workspace.log_path if collects else workspace.landing_path
    there = waiting_files(workspace.root, waiting / name)
    put_aside(waiting, name, [file.name for path, file in there.items() if path in taken])
    books.forget(name, [path for path in taken if not (workspace.root / path).exists()])
    prune(waiting, name, before)


def _outlook(intakes: tuple[Intake, ...]) -> str:
    fresh, known = sum(len(i.taken.fresh) for i in intakes), sum(len(i.taken.repeated) for i in intakes)
    return f"{len(intakes)} sources: {fresh} new or changed files to read, {known} as they were"


def _chosen(runtime: Runtime, arguments: Mapping[str, str]) -> tuple[Source, ...]:
    sources = {source.source: source for source in load_sources(runtime.workspace)}
    names = [name.strip() for name in arguments.get("source", "").split(",") if name.strip()] or list(sources)
    for name in names:
        if name not in sources:
            raise UnknownSource(name, tuple(sources))
    return tuple(sources[name] for name in dict.fromkeys(names))


def _terms(runtime: Runtime) -> Terms:
    words = consent_words(load_policy(runtime.workspace))
    kinds, restricted = load_identifier_types(runtime.workspace), restricted_tokens(runtime.database)
    out = kept_out(runtime.database, runtime.workspace.token_keys())
    return Terms(
        kinds, words, frozenset(restricted), out, periods(runtime.workspace, runtime.run.base.get(LET_GO.name))
    )
