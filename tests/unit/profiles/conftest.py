"""A lake with three people as `build` leaves it, written without a JVM."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_lake import AT, ROWS, write


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """The lake's folder."""
    write(tmp_path / "lake", ROWS)
    return tmp_path / "lake"


@pytest.fixture
def edition(lake: Path) -> Callable[[int], Any]:
    """Return the making of an edition by its run number."""
    from profiles.config import ProfileSettings
    from profiles.publish import Edition, run_facts

    traits = [
        {"name": "orders", "compute": "order_count"},
        {"name": "spend", "compute": "order_total"},
        {"name": "likes", "compute": "favourites", "of": "department"},
    ]
    settings = ProfileSettings.model_validate({"traits": traits})
    serving = lake.parent / "serving"

    def made(number: int) -> Edition:
        return Edition(lake, serving, f"{number:08d}", settings, run_facts(f"run-{number}", number, AT))

    return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    """A shop whose events are followed as they come."""
    from online_world import OnlineWorld

    made = OnlineWorld.of(tmp_path / "shop")
    yield made
    made.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Any]:
    """What the online path serves of it."""
    from infra.keyvalue import LmdbStore

    store = LmdbStore(tmp_path / "generation", durable=False)
    yield store
    store.close()
