"""Replays as runs of the job `ingest`: the rows of a span come again, through the feed that all rows come through."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from consent.lent import lend
from consent.store import METADATA as CONSENT
from consent.store import restricted_tokens
from consent.suppression import suppressed_tokens
from consent.tables import CONSENT_INBOX
from infra.database import open_database
from infra.lake import Lake
from infra.runtime import Runtime
from infra.shelf import newest_versions
from infra.workspace import Workspace
from ingestion.again.compare import compared, lines
from ingestion.again.feed import Again, InPlace, replayed
from ingestion.again.raw import Raw, raw_of
from ingestion.again.shadow import Shadow
from ingestion.again.span import Span
from ingestion.config import Source
from ingestion.errors import NothingCame
from ingestion.intake import Terms
from ingestion.store import METADATA, Books, Taken
from ingestion.tables import TABLES


def span_of(arguments: Mapping[str, str]) -> Span:
    """Return the span that a run's arguments name."""
    return Span(datetime.fromisoformat(arguments["since"]), datetime.fromisoformat(arguments["until"]))


def in_place(runtime: Runtime, books: Books, sources: Sequence[Source], terms: Terms, span: Span) -> None:
    """Judge the raw rows of a span anew, into the lake that had them; twice is once."""
    raws = [raw_of(runtime.workspace, runtime.database, source, span) for source in sources]
    runtime.lake.ensure((*TABLES, CONSENT_INBOX))
    tell(runtime, raws, "what the lake has of those stays as it is")
    found = [replayed(runtime, raw, terms, books) for raw in raws]
    _close(runtime, books, raws, InPlace(runtime, found), terms)


def into_shadow(
    runtime: Runtime, books: Books, sources: Sequence[Source], terms: Terms, span: Span, origin: Path
) -> dict[str, Any]:
    """Judge the raw rows of another workspace's span into this one, and return how both differ.

    Who is restricted there today stays away here.
    """
    seen = _seen(runtime, origin)
    if not books.closed():
        lend(seen.database, runtime.database)
        restricted = terms.restricted | restricted_tokens(seen.database)
        kept_out = replace(terms.kept_out, tokens=terms.kept_out.tokens | suppressed_tokens(seen.database))
        now = replace(terms, restricted=restricted, kept_out=kept_out)
        raws = [raw_of(seen.workspace, seen.database, source, span) for source in sources]
        runtime.lake.ensure((*TABLES, CONSENT_INBOX))
        tell(runtime, raws, "what the lake has of those comes from there")
        found = [replayed(seen, raw, now, books) for raw in raws]
        _close(runtime, books, raws, Shadow(runtime, found, seen, restricted | kept_out.tokens), now)
    difference = compared(runtime.lake, seen.lake, sources, span)
    for line in lines(difference):
        runtime.say(line)
    return difference


def _seen(runtime: Runtime, origin: Path) -> Runtime:
    """Return the world in which the raw rows lie: the other's files, log, lake and books, under this one's settings."""
    there, own = Workspace.open(origin), runtime.workspace
    settings = own.settings.model_copy(update={"stores": there.settings.stores, "log": there.settings.log})
    workspace = Workspace(there.root, settings, own.environ)
    lake = Lake(runtime.lake.spark, there.lake_path, runtime.run.number, newest_versions(there.lake_path))
    return replace(runtime, workspace=workspace, lake=lake, database=open_database(there, CONSENT, METADATA))


def _close(runtime: Runtime, books: Books, raws: Sequence[Raw], feed: Again, terms: Terms) -> None:
    accounts, notes = feed.take_in()
    names = [raw.source.source for raw in raws]
    # A file that came again is none that was taken in: what `ingest` knows of it stays as it is.
    taken = [Taken(name, (), tuple(one for one in accounts if one.source == name), "") for name in names]
    limits, at = terms.restrictions(), runtime.run.started_at
    books.close(taken, accounts, notes, restrictions=limits, at=at, flows=feed.flows)


def tell(runtime: Runtime, raws: Sequence[Raw], rest: str) -> None:
    """Say what of the span can be seen, and what becomes of the rest; raise where nothing ever came in it."""
    if not any(raw.rows or raw.gone for raw in raws):
        raise NothingCame([raw.source.source for raw in raws], str(raws[0].span))
    for raw in raws:
        for line in raw.lines():
            runtime.say(line)
        if raw.gone:
            runtime.say(f"{raw.source.source}: {rest}")
