"""One source in one run, before anything is read: which of its files are new, and what its rows have to be held to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from consent.suppression import KeptOut
from infra.identifiers import IdentifierType
from infra.ids import content_digest
from infra.runtime import Runtime
from infra.settings import KafkaSettings
from ingestion.check import checks
from ingestion.config import Source
from ingestion.connectors.collected import segments
from ingestion.connectors.declared import Collector, Files
from ingestion.connectors.landed import landed
from ingestion.connectors.objects import brought
from ingestion.connectors.streamed import landings
from ingestion.discover import Found, labelled_fields
from ingestion.drift.look import Look, checks_of, columns_with, drawn_of, look, telling
from ingestion.drift.store import history
from ingestion.expected import Evolution
from ingestion.identify import Naming, naming_of
from ingestion.judge import Reading
from ingestion.model import Account, Note, SourceFile
from ingestion.periods import Periods
from ingestion.pii import Screen
from ingestion.precaution import alarms, found_by, watch
from ingestion.rows import columns_of, natives_of
from ingestion.sampling import Sample, sampled
from ingestion.store import Books, Taken, taken_paths
from ingestion.survey import survey

# Raised when rows would be understood differently by newer code: files are then read again.
_RULES = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all sources of a run: identifier types, words of consent, who and what may not be taken in."""

    kinds: Mapping[str, IdentifierType]
    words: Mapping[str, tuple[str, ...]]
    restricted: frozenset[str] = field(repr=False)
    kept_out: KeptOut = field(default_factory=KeptOut, repr=False)
    periods: Periods = field(default_factory=Periods)

    def keeps_out(self) -> bool:
        """Say whether anybody or anything may not be stored."""
        return bool(self.restricted or self.kept_out or self.periods)

    def restrictions(self) -> str:
        """Return the digest of what may not be stored: restricted people, those kept out, rows older than a period."""
        people = sorted(self.restricted | self.kept_out.tokens)
        return content_digest([people, *self.periods.facts()] if self.periods.rules else people)


@dataclass(frozen=True, slots=True)
class Intake:
    """A source with its fresh files, and the accounts of those that are as they were; `landed` ones lie in the lake."""

    source: Source
    taken: Taken
    reading: Reading
    naming: Naming
    screen: Screen | None
    landed: bool = False
    alarms: tuple[Note, ...] = ()
    look: Look | None = None
    periods: Periods = field(default_factory=Periods)


def intake(runtime: Runtime, source: Source, terms: Terms, books: Books, *, anyway: bool = False) -> Intake:
    """Look a source's files over; raise what is wrong with them, before anything of any source is written.

    `anyway` takes in what the source's own expectations would stop or hold back.
    """
    declaration = _declaration(source, terms, *_places(runtime, source))
    known = books.rows_taken_in(source.source, declaration, terms.restrictions())
    files = _files(runtime, source, known)
    rows = {file.path: known.get((file.path, file.sha256)) for file in files}
    new = tuple(file for file in files if rows[file.path] is None)
    fresh = books.plan(source.source, new, grows=not isinstance(source.connector, Files) or source.connector.remote)
    passed_over = sum(file.passed_over for file in fresh)
    if passed_over:
        runtime.say(f"{source.source}: {passed_over:,} tombstones say nothing of a row and are passed over")
    repeated = tuple(
        Account(source.source, path, read=count, duplicate=count) for path, count in rows.items() if count is not None
    )
    taken = Taken(source.source, fresh, repeated, declaration)
    seen, found = _looked(runtime, source, fresh, anyway=anyway)
    made = prepared(runtime, source, terms, taken, columns_of(source, fresh), natives_of(source, fresh), found, seen)
    landed = isinstance(source.connector, Collector) and isinstance(runtime.workspace.settings.log, KafkaSettings)
    return replace(made, landed=landed, alarms=alarms(source, found))


def _looked(
    runtime: Runtime, source: Source, fresh: Sequence[SourceFile], *, anyway: bool
) -> tuple[Look, tuple[Found, ...]]:
    """Return what a sample of a source's new files shows of its columns, and what is personal in it undeclared."""
    sample = _sample(runtime, source, fresh)
    found = found_by(runtime, source, sample, _places(runtime, source)[1])
    labelled = labelled_fields(runtime.workspace)
    drawn = drawn_of(sample, telling(source, labelled, found), runtime.run.started_at)
    known = history(runtime.database, source.source, 2 * source.expect.drift.loads)  # some may have been stopped
    return look(source, drawn, found, labelled, known, loads=bool(fresh), anyway=anyway), found


def _sample(runtime: Runtime, source: Source, files: Sequence[SourceFile]) -> Sample:
    return sampled([runtime.workspace.root / file.path for file in files], source.connector, source.source)


def personal(runtime: Runtime, source: Source, files: Sequence[SourceFile]) -> tuple[Found, ...]:
    """Return what a sample of files shows to be personal though nothing declares it."""
    return found_by(runtime, source, _sample(runtime, source, files), _places(runtime, source)[1])


def prepared(
    runtime: Runtime,
    source: Source,
    terms: Terms,
    taken: Taken,
    columns: tuple[str, ...],
    natives: Mapping[str, str],
    found: Sequence[Found] = (),
    seen: Look | None = None,
) -> Intake:
    """Return a source whose rows have these columns as it is to be understood in a run.

    Rows of new files were `seen` in a sample, with what was `found` in it; those of a replay were when they came.
    """
    zone, region = _places(runtime, source)
    known = seen.history if seen else history(runtime.database, source.source)
    refused = seen.refused if seen else frozenset[str]()
    columns = columns_with(source, columns, known, refused)
    more = () if seen and seen.anyway else checks_of(source, columns, known, refused)
    reading = Reading(
        source=source,
        columns=columns,
        checks=(*checks(source, runtime.run.started_at, terms.words), *more),
        natives=natives,
        zone=zone,
        jurisdiction=source.jurisdiction or runtime.workspace.settings.jurisdiction,
        received_at=runtime.run.started_at,
    )
    watched = watch(runtime, source, found, region)
    return Intake(
        source=source,
        taken=taken,
        reading=reading,
        naming=_naming(runtime, reading, terms, region),
        screen=Screen(tuple(source.free_text.items()), region, watched) if source.free_text or watched else None,
        look=seen,
        periods=terms.periods,
    )


def _files(runtime: Runtime, source: Source, known: Mapping[tuple[str, str], int]) -> tuple[SourceFile, ...]:
    workspace, where = runtime.workspace, source.connector
    if isinstance(where, Files) and where.remote:
        return brought(workspace, source, where, known, taken_paths(runtime.database, source.source), runtime.say)
    if isinstance(where, Files):
        return survey(workspace.root, source, where)
    taken = {path for path, _ in known}
    if not isinstance(where, Collector):
        return landed(workspace.root, workspace.landing_path / source.source, taken)
    if isinstance(workspace.settings.log, KafkaSettings):
        return landings(workspace.lake_path, source.source, taken)
    return segments(workspace.root, workspace.log_path / source.source, taken)


def _places(runtime: Runtime, source: Source) -> tuple[str, str]:
    """Return the time zone and the region of a source."""
    settings = runtime.workspace.settings
    return source.time_zone or settings.time_zone, source.region or settings.region


def _declaration(source: Source, terms: Terms, zone: str, region: str) -> str:
    """Return the digest of everything that decides what a source's rows come to."""
    named = [n for n, kind in terms.kinds.items() if n in source.identifiers or kind.digest_of in source.identifiers]
    # how two values of one type compare makes no row another
    kinds = {name: terms.kinds[name].model_dump(mode="json", exclude={"unique"}) for name in named}
    words = terms.words if source.record == "consent" else {}
    # What is expected of loads makes no row another; what its columns refer to and may become does.
    said = source.model_dump(mode="json", exclude={"expect", "evolution"})
    held = [{c: r.model_dump() for c, r in source.expect.reference.items()}, source.evolution.model_dump()]
    asked = held if held != [{}, Evolution().model_dump()] else []
    return content_digest([_RULES, said, kinds, words, zone, region, *asked])


def _naming(runtime: Runtime, reading: Reading, terms: Terms, region: str) -> Naming:
    source = reading.source
    telling = source.once or source.duplicates.within or source.consent_gate or terms.keeps_out()
    return naming_of(
        source,
        reading.columns,
        reading.checks,
        terms.kinds,
        runtime.workspace.token_key(),
        region=region,
        zone=reading.zone,
        today=reading.received_at.date(),
        # the words of restricted people are heard, those of people who are kept out are not
        restricted=frozenset() if source.record == "consent" else terms.restricted,
        kept_out=terms.kept_out,
        told=source.key if telling else (),
    )
