"""After an erasure the lake is as one that never had the person, whatever comes again: source, version, backup."""

import shutil
from collections.abc import Callable, Mapping
from typing import Any

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.nightly, pytest.mark.timeout(3_600)]
LEO = 11
EMAIL = "leo.nash@example.org"
# Tables that may differ, and why; the certificate names the first three.
EXCEPTIONS = {
    "model_registry": "a model is learnt from all records there were",
    "tf_snapshot": "so are its frequencies",
    "consent_event": "sealed entries stay, under numbers that nothing leads to",
    "verdicts": "that a row was kept out is told under the token of its key",
    "resolution": "which run resolved how much",
}
# What a model's parameters show in, and what tells of runs rather than of people.
LEARNT = ("weight_micro", "conflict_micro", "confidence", "weakest_micro", "density", "negative_share", "reasons",
          "model_version", "edges", "identity_version")  # fmt: skip


def hashes(town: Any) -> Mapping[str, str]:
    from api.cli.tables import TABLES
    from profiles.digest import state_hashes

    compared = [table for table in TABLES if table.name not in EXCEPTIONS]
    return state_hashes(town.world.workspace.lake_path, compared, ignore=LEARNT)


def served(town: Any) -> Mapping[bytes, bytes]:
    """Return what is served, but for the graphs, whose edges bear a model's weights, and the manifest."""
    from infra.serving.embedded import Generations
    from profiles.serving import FOLDER, MANIFEST

    found = Generations(town.world.workspace.serving_path / FOLDER).current().items(b"")
    return {key: value for key, value in found if key != MANIFEST and key[:2] in (b"k|", b"t|", b"l|", b"s|")}


def versions(town: Any) -> dict[str, int]:
    from infra.shelf import newest_versions

    return newest_versions(town.world.workspace.lake_path)


def restored(town: Any, before: Mapping[str, int]) -> None:
    from delta.tables import DeltaTable

    for name in ("records", "events"):
        path = str(town.world.workspace.lake_path / name)
        DeltaTable.forPath(town.spark, path).restoreToVersion(before[name])


@pytest.mark.parametrize("comes", ["source", "version", "backup"])
def test_whoever_was_erased_stays_away(town_of: Callable[..., Any], comes: str) -> None:
    town, never = town_of("town"), town_of("never", range(LEO))
    for one in (town, never):
        one.job("run")
    before = versions(town)
    if comes == "backup":
        town.world.database.dispose()
        shutil.copytree(town.root / "state", town.root / "backup")
    request = town.ask("email", EMAIL)
    # an older version can only come back where its files are still there
    town.job("erase", request=request, at_once="no" if comes == "version" else "yes")
    never.job("run", full="yes")
    if comes == "source":
        text = (town.root / "data/crm/1.csv").read_text()
        (town.root / "data/crm/1.csv").write_text(text + "\n")
    elif comes == "version":
        restored(town, before)
    else:
        shutil.rmtree(town.root / "state")
        shutil.copytree(town.root / "backup", town.root / "state")
    for one in (town, never):
        one.job("run", full="yes")
    for again in _asked(town):
        town.job("erase", request=again, at_once="yes")
        never.job("run", full="yes")
    for one in (town, never):
        one.job("run", full="yes")
    assert hashes(town) == hashes(never)
    assert served(town) == served(never)


def _asked(town: Any) -> list[str]:
    """Return the erasures that wait: those that a run has asked for."""
    from consent.erasure.book import Book
    from infra.clock import system_clock

    return [one.id for one in Book(town.world.database, system_clock).all() if one.certificate is None]


@pytest.mark.parametrize("step", ["deleting", "purging", "expiring", "verifying_residue"])
def test_killed_in_a_step_it_comes_to_the_same_end(
    town_of: Callable[..., Any], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent.erasure.book import Book
    from infra.clock import system_clock

    class Killed(BaseException):
        """A kill -9: nothing catches it."""

    town = town_of("town")
    town.job("run")
    request = town.ask("email", EMAIL)
    whole = Book.begin
    deaths = iter([step] if step == "verifying_residue" else [f"{step} identity", f"{step} activation"])
    due = next(deaths)

    def begin(self: Book, request_id: str, name: str, store: str = "") -> None:
        nonlocal due
        whole(self, request_id, name, store)
        if f"{name} {store}".strip() == due:
            due = next(deaths, "")
            raise Killed

    monkeypatch.setattr(Book, "begin", begin)
    resume = False
    while True:
        try:
            told = town.job("erase", resume=resume, request=request, at_once="yes")
            break
        except Killed:
            resume = True
    assert told["status"] == "certified_with_exceptions"
    assert Book(town.world.database, system_clock).get(request).certificate is not None
