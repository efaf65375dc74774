"""No store without an owner: what an erasure does not know of, it leaves a person in."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.cli.erasable import stores
from api.cli.tables import TABLES
from consent.erasure.ports import Places

ROOT = Path(__file__).parents[2]
PACKAGES = ("activation", "api", "consent", "identity", "infra", "ingestion", "profiles")
# Below the workspace's state, and no store of people's data: name -> why.
NO_STORE = {
    "kafka": "the broker's own data on this machine; topics are the stores of the event log",
}


class _Lake:
    root = Path("lake")
    spark: Any = None


class _Workspace:
    root = state_path = lake_path = serving_path = log_path = landing_path = Path("nowhere")
    database_path = Path("nowhere/kindred.db")

    def load_all(self, *_: Any) -> tuple[()]:
        return ()


class _Runtime:
    workspace, lake, database = _Workspace(), _Lake(), None


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> tuple[Places, ...]:
    from activation import erasure

    monkeypatch.setattr(erasure.feed, "declared", lambda _: type("No", (), {"destinations": ()}))
    runtime: Any = _Runtime()
    return tuple(store.places() for store in stores(runtime, "r", {}, at_once=True))


def test_every_delta_table_has_one_owner_that_searches_it(places: tuple[Places, ...]) -> None:
    owned = Counter(table.name for one in places for table in one.tables)
    assert owned == Counter(table.name for table in TABLES)
    searched = {place.store.removeprefix("lake.") for one in places for place in one.scanned if place.kind == "delta"}
    assert searched == set(owned)


def test_every_database_table_has_one_owner(places: tuple[Places, ...]) -> None:
    from api.cli import world  # with every package's tables

    declared = {table for module in _metadata(world) for table in module.tables}
    owned = Counter(name for one in places for name in one.database)
    assert owned == Counter(declared)


def _metadata(world: Any) -> Iterator[Any]:
    import api.cli.main  # noqa: F401 - what every command loads

    for module in (world.runs, world.consent.requests.store, world.consent.store, world.ingestion.store,
                   world.ingestion.quarantine.store,
                   world.identity.stewardship.store, world.activation.store, world.api.http.store,
                   world.profiles.changefeed.store, world.profiles.history.store):  # fmt: skip
        yield module.METADATA


def test_every_folder_of_the_state_has_an_owner(places: tuple[Places, ...]) -> None:
    owned = {name for one in places for name in one.state} | set(NO_STORE)
    assert set(_folders()) - owned == set()


def _folders() -> Iterator[str]:
    """Yield what code puts below `state_path`: the names that stand behind it after a slash."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.BinOp)
                    and isinstance(node.op, ast.Div)
                    and isinstance(node.left, ast.Attribute)
                    and node.left.attr == "state_path"
                    and isinstance(node.right, ast.Constant)
                ):
                    yield str(node.right.value)


def test_what_holds_no_person_says_why(places: tuple[Places, ...]) -> None:
    for one in places:
        known = {table.name for table in one.tables} | set(one.database)
        for name, ground in one.without.items():
            assert name in known
            assert len(ground) > 10
