"""One source in one run, before anything is read: which of its files are new, and what its rows have to be held to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.identifiers import IdentifierType
from infra.ids import content_digest
from infra.runtime import Runtime
from ingestion.check import checks
from ingestion.config import Source
from ingestion.identify import Naming
from ingestion.judge import Reading
from ingestion.model import Account
from ingestion.pii import Screen
from ingestion.rows import columns_of, natives_of
from ingestion.store import Books, Taken
from ingestion.survey import survey

# Raised when rows would be understood differently by newer code: files are then read again.
_RULES = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all sources of a run: identifier types, the words of consent, who may not be taken in."""

    kinds: Mapping[str, IdentifierType]
    words: Mapping[str, tuple[str, ...]]
    restricted: frozenset[str] = field(repr=False)

    def restrictions(self) -> str:
        """Return the digest of the list of restricted people."""
        return content_digest(sorted(self.restricted))


@dataclass(frozen=True, slots=True)
class Intake:
    """A source with its fresh files, and the accounts of those that are as they were."""

    source: Source
    taken: Taken
    reading: Reading
    naming: Naming
    screen: Screen | None


def intake(runtime: Runtime, source: Source, terms: Terms, books: Books) -> Intake:
    """Look a source's files over; raise what is wrong with them, before anything of any source is written."""
    settings = runtime.workspace.settings
    zone = source.time_zone or settings.time_zone
    region = source.region or settings.region
    declaration = _declaration(source, terms, zone, region)
    files = survey(runtime.workspace.root, source)
    known = books.rows_taken_in(source.source, declaration, terms.restrictions())
    rows = {file.path: known.get((file.path, file.sha256)) for file in files}
    fresh = tuple(file for file in files if rows[file.path] is None)
    repeated = tuple(
        Account(source.source, path, read=count, duplicate=count) for path, count in rows.items() if count is not None
    )
    books.plan(source.source, fresh)
    reading = Reading(
        source=source,
        columns=columns_of(source, fresh),
        checks=checks(source, runtime.run.started_at, terms.words),
        natives=natives_of(source, fresh),
        zone=zone,
        jurisdiction=source.jurisdiction or settings.jurisdiction,
        received_at=runtime.run.started_at,
    )
    return Intake(
        source=source,
        taken=Taken(source.source, fresh, repeated, declaration),
        reading=reading,
        naming=_naming(runtime, reading, terms, region),
        screen=Screen(tuple(source.free_text.items()), region) if source.free_text else None,
    )


def _declaration(source: Source, terms: Terms, zone: str, region: str) -> str:
    """Return the digest of everything that decides what a source's rows come to."""
    named = [n for n, kind in terms.kinds.items() if n in source.identifiers or kind.digest_of in source.identifiers]
    # how two values of one type compare makes no row another
    kinds = {name: terms.kinds[name].model_dump(mode="json", exclude={"unique"}) for name in named}
    words = terms.words if source.record == "consent" else {}
    return content_digest([_RULES, source.model_dump(mode="json"), kinds, words, zone, region])


def _naming(runtime: Runtime, reading: Reading, terms: Terms, region: str) -> Naming:
    source = reading.source
    columns = tuple((kind, column) for kind, named in source.identifiers.items() for column in named)
    dropped = {column for _, column in columns if source.on_violation == "drop_field"}
    return Naming(
        source=source.source,
        columns=tuple((kind, _place(reading, column)) for kind, column in columns),
        kinds=terms.kinds,
        region=region,
        key=runtime.workspace.token_key(),
        restricted=terms.restricted,
        keys=tuple(_place(reading, name) for name in source.key) if source.record == "person" else (),
        known_first=source.record != "consent",
        soft={_place(reading, c): tuple(k for k in reading.checks if k.column == c) for c in dropped},
        zone=reading.zone,
        dates=tuple(_place(reading, column) for column in source.dates() if column in reading.columns),
        order=source.date_order or "month_first",
        today=reading.received_at.date(),
    )


def _place(reading: Reading, column: str) -> str:
    # Without fresh files there are no columns, and nobody is named.
    return f"r{reading.columns.index(column)}" if column in reading.columns else ""
