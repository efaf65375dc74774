"""Where a fix is tried: a workspace's declarations and its open rejections brought together, without an engine."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from consent.config import load_policy
from infra.workspace import Workspace
from ingestion.check import checks
from ingestion.config import Source, consent_words, load_sources
from ingestion.errors import UnknownSource
from ingestion.quarantine.form import form_of
from ingestion.quarantine.opened import Rejection, named, open_rejections
from ingestion.quarantine.patch import Fix
from ingestion.quarantine.preview import Contract, Preview, preview


def declared(workspace: Workspace) -> Mapping[str, Source]:
    """Return the sources of a workspace by name."""
    return {source.source: source for source in load_sources(workspace)}


def known(sources: Iterable[str], name: str) -> None:
    """Raise `UnknownSource` for a name that no source has."""
    if name not in sources:
        raise UnknownSource(name, tuple(sources))


def tried(workspace: Workspace, fix: Fix, at: datetime) -> Preview:
    """Return what a fix would do to the open rejections, at a moment."""
    sources = declared(workspace)
    known(sources, fix.where.source)
    source = sources[fix.where.source]
    form, _ = form_of(workspace, source, _named(workspace, fix))
    words = consent_words(load_policy(workspace))
    zone = source.time_zone or workspace.settings.time_zone
    contract = Contract(source, checks(source, at, words), zone, at.astimezone(UTC).date())
    return preview(fix, _named(workspace, fix), form, contract)


def _named(workspace: Workspace, fix: Fix) -> Iterator[Rejection]:
    return named(open_rejections(workspace.lake_path, fix.where.source), fix.where)
