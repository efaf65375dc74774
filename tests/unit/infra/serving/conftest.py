"""Both stores that can serve, each empty, under one suite."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeys import Valkey, valkey

from infra.serving.embedded import Generations
from infra.serving.remote import RemoteGenerations
from infra.serving.store import ServingStore

_SPACES = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Valkey]:
    """Return a running Valkey that all tests share, each in a space of its own."""
    with valkey() as running:
        yield running


@pytest.fixture(params=["embedded", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ServingStore:
    """Return a store that nothing was published in."""
    if request.param == "embedded":
        return Generations(tmp_path / "generations")
    url = request.getfixturevalue("server").url
    return RemoteGenerations(url, f"test{next(_SPACES)}", time.monotonic)
