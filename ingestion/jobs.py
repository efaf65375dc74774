"""The job of ingestion: `ingest`, which takes in what the sources have that is new, and accounts for every row."""

from collections.abc import Iterable, Mapping
from time import monotonic

from consent.config import load_policy
from consent.store import restricted_tokens
from consent.tables import CONSENT_INBOX
from infra.identifiers import load_identifier_types
from infra.runtime import Runtime
from ingestion.config import Source, consent_words, load_sources
from ingestion.errors import UnknownSource
from ingestion.feed import Load, Terms
from ingestion.model import Account
from ingestion.report import summary, table
from ingestion.store import notes_of
from ingestion.tables import TABLES


def ingest(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Take in the named sources (`source`: names with commas between; all without) and return their accounts.

    Files that are as they were count as duplicates and are not read. Killed and run again, it goes on where it was.
    """
    terms = _terms(runtime)
    loads = [(source, Load(runtime, source, terms)) for source in _chosen(runtime, arguments)]
    for _, load in loads:
        load.prepare()
    runtime.lake.ensure((*TABLES, CONSENT_INBOX))
    accounts = [account for source, load in loads for account in _carried_out(runtime, source, load)]
    notes = notes_of(runtime.database, runtime.run.id)
    for line in table(accounts, notes):
        runtime.say(line)
    return summary(accounts, notes)


def _chosen(runtime: Runtime, arguments: Mapping[str, str]) -> tuple[Source, ...]:
    sources = {source.source: source for source in load_sources(runtime.workspace)}
    names = [name.strip() for name in arguments.get("source", "").split(",") if name.strip()] or list(sources)
    for name in names:
        if name not in sources:
            raise UnknownSource(name, tuple(sources))
    return tuple(sources[name] for name in names)


def _terms(runtime: Runtime) -> Terms:
    words = consent_words(load_policy(runtime.workspace))
    return Terms(load_identifier_types(runtime.workspace), words, frozenset(restricted_tokens(runtime.database)))


def _carried_out(runtime: Runtime, source: Source, load: Load) -> Iterable[Account]:
    began = monotonic()
    accounts = load.carry_out()
    rows = sum(account.read - account.duplicate for account in accounts)
    if rows:
        seconds = monotonic() - began
        runtime.say(f"{source.source}: {rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)")
    return accounts
