"""Both stores that can serve, each empty, under one suite."""

from pathlib import Path

import pytest

from infra.serving.embedded import Generations
from infra.serving.store import ServingStore


@pytest.fixture
def store(tmp_path: Path) -> ServingStore:
    """Return a store that nothing was published in."""
    return Generations(tmp_path / "generations")
