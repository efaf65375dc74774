"""What a workspace has already that a proposal must fit: identifier types, purposes, and the values of its sources."""

from typing import Any

import numpy as np

from consent.config import load_policy
from infra.identifiers import load_identifier_types
from infra.workspace import Workspace
from ingestion.check import trimmed
from ingestion.config import Source, load_sources
from ingestion.proposal.facts import marks_of
from ingestion.proposal.understood import Known
from ingestion.sampling import files_of, sampled

_ROWS = 20_000


def known_of(workspace: Workspace) -> Known:
    """Return what a workspace has; the values of its sources' identifiers stay marks."""
    found: dict[str, list[Any]] = {}
    sources = load_sources(workspace)
    for source in sources:
        for kind, marks in _marks(workspace, source).items():
            found.setdefault(kind, []).append(marks)
    marks_by_kind = {kind: np.unique(np.concatenate(parts)) for kind, parts in found.items()}
    purposes = tuple(load_policy(workspace).purposes)
    names = frozenset(source.source for source in sources)
    return Known(load_identifier_types(workspace), purposes, marks_by_kind, names)


def _marks(workspace: Workspace, source: Source) -> dict[str, Any]:
    wanted = {kind: columns for kind, columns in source.identifiers.items() if kind not in ("email", "phone")}
    if not wanted:
        return {}
    sample = sampled(files_of(workspace, source), source.connector, source.source, _ROWS)
    return {
        kind: np.concatenate([marks_of([trimmed(v) for v in sample.columns.get(c, ())]) for c in columns])
        for kind, columns in wanted.items()
    }
