"""One sandbox for all that only read, and for people of whom one test alone says something."""

from collections.abc import Iterator

import pytest
from sandboxed import Running, sandbox


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started
