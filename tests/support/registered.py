"""A registry of models with one in it, as a run would have left it."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from identity.matching import registry
from identity.matching.registry import MatchModel


def register(lake: Path, model: MatchModel) -> None:
    """Write the table of models with this one, learnt by run 1."""
    row = {
        "batch": [1],
        "model_version": [model.version],
        "model": [registry.as_text(model)],
        "trained_at": [datetime(2026, 1, 1, tzinfo=UTC)],
        "records": [model.records],
    }
    write_deltalake(str(lake / "model_registry"), pa.table(row))
