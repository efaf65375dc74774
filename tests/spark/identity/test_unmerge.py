"""Two people tied by a steward's mistake and parted again: as if it had never happened, but for lineage and audit."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from street import RECORDS, configured, everyday, identifier, record, runtime, workspace

from infra import shelf

pytestmark = pytest.mark.spark

# What tells that it happened: the words, the lineage, the runs; and since which run somebody is where they are.
AUDIT = {"identity_events", "succession", "constraints", "resolution"}
SINCE = {"batch", "since_batch", "identity_version"}
# `service` sees what is proven alone, so nothing that a steward's word brings in; `analytics` sees all of a person.
AUDIENCES = {"served": ("service", 2), "buyers": ("analytics", 2), "fans": ("analytics", 4)}
SON = {"given_name": "Robert", "family_name": "Carver", "birth_date": "2003-01-02", "street": "5 Elm St",
       "postcode": "43017"}  # fmt: skip
# While the two are tied, the son buys again and is entered once more.
LATER = [{**record("son2", 9, identifier("email", "rob03@example.org"), source="shop", **SON), "batch": 2}]


def bought(record_key: str, order: int, batch: int = 1) -> dict[str, Any]:
    """Return a purchase of a record: an order of one product."""
    told = everyday()[0]
    line = {"name": "purchase", "order_id": f"o{order}", "product_id": "tea", "quantity": 1.0, "amount": 2.5,
            "channel": "store", "anonymous_id": None, "identifiers": []}  # fmt: skip
    at = told["occurred_at"] + timedelta(minutes=order)
    return {**told, **line, "message_id": f"m{order}", "record_key": record_key, "occurred_at": at, "batch": batch}


FACTS = [*everyday(), *(bought(key, number) for number, key in enumerate(["bob1", "bob2", "son1"]))]
TOLD = [*FACTS, bought("son1", 3, batch=2)]


def shop(root: Path) -> Path:
    """Return a new workspace with audiences of its own and nothing that goes out."""
    workspace(root)
    for folder in ("audiences", "destinations"):
        shutil.rmtree(root / folder)
    (root / "audiences").mkdir()
    for name, (purpose, orders) in AUDIENCES.items():
        text = f"audience: {name}\npurpose: {purpose}\nwhere: {{trait: orders, op: '>=', value: {orders}}}\n"
        (root / "audiences" / f"{name}.yaml").write_text(text)
    configured(root, "")
    return root


def derived(run: Any) -> Any:
    """Do what `kindred run` does with facts until they are served; return the run."""
    from activation.jobs import audiences
    from identity.jobs import resolve
    from ingestion.tables import CATALOGUE
    from profiles.config import load_settings
    from profiles.jobs import build
    from profiles.publish import Edition, publish_edition

    run.lake.ensure([CATALOGUE])
    resolve(run, {})
    build(run, {})
    audiences(run, {"at": "yes"})
    place = run.workspace
    publish_edition(Edition(place.lake_path, place.serving_path, f"{run.run.number}", load_settings(place), {}))
    return run


def content(run: Any) -> dict[str, list[str]]:
    """Return every table that is derived, row by row, and every entry that is served; without what only tells lineage."""
    from activation.tables import AUDIENCE_INDEX, AUDIENCE_MEMBERS
    from identity import tables as identity
    from infra.serving.embedded import Generations
    from profiles import tables as profiles
    from profiles.serving import FOLDER, MANIFEST

    said = {}
    for table in (*identity.TABLES, *profiles.TABLES, AUDIENCE_MEMBERS, AUDIENCE_INDEX):
        if table.name not in AUDIT:
            said[table.name] = sorted(
                repr({name: value for name, value in row.items() if name not in SINCE}) for row in rows(run, table)
            )
    served = Generations(run.workspace.serving_path / FOLDER).current()
    said["served"] = [repr(entry) for entry in served.items(b"") if entry[0] != MANIFEST]
    return said


def rows(run: Any, table: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shelf.reader(run.workspace.lake_path, table).read_all().to_pylist()
    return found


def persons(run: Any) -> dict[str, str]:
    from identity.tables import MEMBERSHIP

    return {row["record_key"]: row["profile_id"] for row in rows(run, MEMBERSHIP)}


def members(run: Any) -> set[tuple[str, str]]:
    from activation.tables import AUDIENCE_MEMBERS

    return {(row["audience"], row["profile_id"]) for row in rows(run, AUDIENCE_MEMBERS)}


def desk(run: Any) -> Any:
    from identity.config import load_identity, rules
    from identity.stewardship.steward import Desk

    return Desk(run.database, run.workspace.lake_path, rules(load_identity(run.workspace)))


@pytest.mark.nightly  # by day test_ids_laws.py and test_incremental_laws.py undo merges
@pytest.mark.parametrize("undo", ["unlink", "withdraw"])
def test_a_wrong_merge_undone_never_was(spark: Any, tmp_path: Path, undo: str) -> None:
    from identity.jobs import resolve
    from identity.stewardship.steward import Wish, link, unlink, withdraw
    from identity.tables import IDENTITY_EVENTS

    root, straight = shop(tmp_path / "detour"), tmp_path / "straight"
    first = runtime(spark, root, 1, RECORDS, FACTS)
    resolve(first, {})
    shutil.copytree(root, straight)
    (tied,) = link(desk(first), "bob2", "son1", Wish("ann", "a mistake", first.run.started_at))

    second = derived(runtime(spark, root, 2, [*RECORDS, *LATER], TOLD))
    merged = content(second)
    assert {persons(second)[key] for key in ("bob1", "bob2", "son1", "son2")} == {"bob1"}
    assert members(second) == {("buyers", "bob1"), ("fans", "bob1"), ("served", "bob1")}

    moment = second.run.started_at + timedelta(hours=1)
    third = runtime(spark, root, 3, [*RECORDS, *LATER], TOLD)
    never = runtime(spark, straight, 3, [*RECORDS, *LATER], TOLD)
    if undo == "unlink":
        # the word that they are two stays: where nobody ever tied them it says the same
        for run in (third, never):
            unlink(desk(run), "bob2", "son1", Wish("ann", "father and son", moment))
    else:
        withdraw(desk(third), tied.id, moment)
    found, wanted = content(derived(third)), content(derived(never))
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert members(third) == {("buyers", "bob1"), ("buyers", "son1"), ("served", "bob1"), ("served", "son1")}

    # it was felt everywhere while it lasted, and lineage remembers
    felt = {name for name in wanted if merged[name] != wanted[name]}
    assert felt >= {"membership", "profile_index", "profile_alias", "profile_traits", "profile_views",
                    "profile_timeline", "profile_graph", "profile_tokens", "audience_members", "audience_index",
                    "served"}  # fmt: skip
    assert {"MERGED", "SPLIT", "RESTORED"} <= {row["kind"] for row in rows(third, IDENTITY_EVENTS)}
    for run in (first, second, third, never):
        run.database.dispose()
