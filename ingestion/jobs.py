"""The job of ingestion: `ingest`, which takes in what the sources have that is new, and accounts for every row."""

from collections.abc import Mapping

from consent.config import load_policy
from consent.store import restricted_tokens
from consent.tables import CONSENT_INBOX
from infra.identifiers import load_identifier_types
from infra.runtime import Runtime
from ingestion.config import Source, consent_words, load_sources
from ingestion.errors import UnknownSource
from ingestion.feed import Feed
from ingestion.intake import Intake, Terms, intake
from ingestion.report import summary, table
from ingestion.store import Books
from ingestion.tables import TABLES


def ingest(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Take in the named sources (`source`: names with commas between; all without) and return their accounts.

    Files that are as they were count as duplicates and are not read. Killed and run again, it leaves the same.
    """
    books = Books(runtime.database, runtime.run.id)
    if not books.closed():
        _take_in(runtime, books, _chosen(runtime, arguments))
    for line in table(books.accounts(), books.notes()):
        runtime.say(line)
    return summary(books.accounts(), books.notes())


def _take_in(runtime: Runtime, books: Books, sources: tuple[Source, ...]) -> None:
    terms = _terms(runtime)
    intakes = tuple(intake(runtime, source, terms, books) for source in sources)
    runtime.lake.ensure((*TABLES, CONSENT_INBOX))
    runtime.say(_outlook(intakes))
    accounts, notes = Feed(runtime, intakes).take_in()
    books.close(
        [i.taken for i in intakes], accounts, notes, restrictions=terms.restrictions(), at=runtime.run.started_at
    )


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
    return Terms(load_identifier_types(runtime.workspace), words, frozenset(restricted_tokens(runtime.database)))
