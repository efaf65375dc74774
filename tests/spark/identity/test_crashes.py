"""A resolution that dies between any two of its writes, and goes on or is overtaken: as if nothing had happened."""

import os
import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from infra import shelf

pytestmark = pytest.mark.spark

# A replaced table has two moments to die at (before it, and between taking out and putting in), any other has one:
# two tables are replaced and one is written anew before anything is compared, then six are replaced and two grow, and
# at last the resolution says that it came to its end.
BEFORE, WHILE, END = range(1, 5), range(5, 19), 19
SEED = 4
CHANCE = random.Random(SEED)  # noqa: S311 - a seed, no secret
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
DIES_AT = [*BEFORE, *WHILE, END] if NIGHTLY else [CHANCE.choice(BEFORE), CHANCE.choice(WHILE)]


class Died(Exception):
    """The power went."""


def mortal(spark: Any, root: Path, number: int, base: dict[str, int], moments: int) -> Any:
    """Return a lake whose process dies when so many moments have passed; whoever writes beside it dies too."""
    from infra.lake import Lake

    left, lock = [moments], Lock()

    def pass_moment() -> None:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                raise Died

    class Mortal(Lake):
        def append(self, table: Any, frame: Any, part: str = "") -> None:
            pass_moment()
            super().append(table, frame, part)

        def overwrite(self, table: Any, frame: Any, part: str = "") -> None:
            pass_moment()
            super().overwrite(table, frame, part)

        def replace(self, table: Any, rows: Any, gone: Any, keys: Any, part: str = "") -> None:
            pass_moment()
            super().replace(table, rows, gone, keys, part)

    return Mortal(spark, root, number, base)


@pytest.fixture
def eve(street: Callable[..., Any], told: Any, people: list[Any], events: list[Any], refused: Any) -> Any:
    """Return a workspace that was resolved once, and in which then everything happened that can happen to a record."""
    from identity.config import load_identity, rules
    from identity.jobs import resolve
    from identity.stewardship.steward import Desk, Wish, link

    heir = told("bob3", 6, {"type": "email", "value": "bobby@example.org", "token": "1:email:bobby@example.org"},
                given_name="Robert", family_name="Carver", birth_date="1978-07-09", street="5 Elm St",
                postcode="43017")  # fmt: skip
    account = [{"type": "account", "value": "W9", "token": "1:account:W9"}, *people[2]["identifiers"]]
    people = [*people, heir, told("login9", 7, *account, source="web")]
    first = street(1, records=people, events=events)
    resolve(first, {})
    desk = Desk(first.database, first.workspace.lake_path, rules(load_identity(first.workspace)))
    link(desk, "ann1", "son1", Wish("ann", "a mistake", first.run.started_at))
    come = told("zoe1", 8, given_name="Zoe", family_name="Carver", birth_date="1999-09-09", street="5 Elm St")
    moved = {**people[2], "attributes": {**people[2]["attributes"], "street": "9 Oak Road"}, "sequence": 9}
    lone = {**events[0], "anonymous_id": "alone", "occurred_at": events[0]["occurred_at"] + timedelta(minutes=9)}
    login = {**lone, "record_key": "login9", "message_id": "alone-login"}
    return street(
        2,
        records=[*people, {**come, "batch": 2}, {**moved, "batch": 2}],
        events=[*events, {**login, "batch": 2}],
        words=[refused("1:email:rob.carver@example.org", 10)],
    )


def opened(eve: Any, root: Path, number: int, base: dict[str, int], moments: int = 99) -> Any:
    """Return a run over a copy of the workspace; what it builds on is given."""
    import consent.store
    from identity.stewardship.store import METADATA
    from infra.database import open_database
    from infra.runtime import RunInfo, Runtime
    from infra.workspace import Workspace

    workspace = Workspace.open(root)
    lake = mortal(eve.lake.spark, workspace.lake_path, number, base, moments)
    database = open_database(workspace, METADATA, consent.store.METADATA)
    run = RunInfo(f"run-{number}", number, eve.run.started_at, f"salt-{number}", base)
    return Runtime(workspace, lake, database, run, lambda _: None)


def content(root: Path) -> dict[str, Any]:
    """Return every row of every table of identity, and the digests that a rebuild is held against."""
    from identity.engine.digest import state_digests
    from identity.tables import TABLES
    from infra.workspace import Workspace

    lake = Workspace.open(root).lake_path
    rows = {table.name: sorted(map(repr, shelf.reader(lake, table).read_all().to_pylist())) for table in TABLES}
    return rows | {"digests": state_digests(lake)}


def everything_changed(wanted: dict[str, Any]) -> None:
    """The world is no idle one: people came, were tied and left, and a login took a browser over."""
    from identity.tables import IDENTITY_EVENTS, SUCCESSION

    told = wanted[IDENTITY_EVENTS.name]
    mine = [row for row in told if "'batch': 3" in row]
    assert {kind for kind in ("CREATED", "JOINED", "MERGED", "LEFT") if any(kind in row for row in mine)} == {
        "CREATED", "JOINED", "MERGED", "LEFT",
    }  # fmt: skip
    assert any("'heir': 'bob3'" in row for row in wanted[SUCCESSION.name])
    assert any("'heir': 'login9'" in row for row in wanted[SUCCESSION.name])


def test_a_run_that_died_goes_on_and_one_that_was_overtaken_never_was(eve: Any, tmp_path: Path) -> None:
    from identity.jobs import resolve

    root, base = eve.workspace.root, shelf.newest_versions(eve.workspace.lake_path)
    calm = shutil.copytree(root, tmp_path / "calm")
    resolve(opened(eve, calm, 3, base), {})
    wanted = content(calm)
    everything_changed(wanted)
    for moments in DIES_AT:
        scene = shutil.copytree(root, tmp_path / f"dies-{moments}")
        with pytest.raises(Died):
            resolve(opened(eve, scene, 3, base, moments), {})
        resolve(opened(eve, scene, 3, base), {})
        assert content(scene) == wanted, f"died after {moments} moments"
    overtaken = shutil.copytree(root, tmp_path / "overtaken")
    with pytest.raises(Died):
        resolve(opened(eve, overtaken, 2, base, max(WHILE) - 1), {})
    begun = shelf.newest_versions(overtaken / eve.workspace.lake_path.relative_to(root))
    with pytest.raises(Died):
        resolve(opened(eve, overtaken, 3, begun, min(WHILE)), {})
    resolve(opened(eve, overtaken, 3, begun), {})
    assert content(overtaken) == wanted
