"""A rehearsal says what a resolution would do: on a small lake without a JVM, and writes nothing into it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from registered import register

from identity.clustering import ids
from identity.config import IdentityConfig, overridden
from identity.errors import Unresolved
from identity.matching import scoring
from identity.model import Constraint, Rank
from identity.modelling import training
from identity.stewardship.dryrun import Wanted, rehearse
from identity.stewardship.plan import Plan, unheard
from infra.errors import ConfigurationError
from infra.ids import RecordKey

PEOPLE = {
    "ann1": ({"given_name": "Ann", "family_name": "Fisher", "birth_date": "1980-02-03"}, {"email": "ann@example.org"}),
    "ann2": ({"given_name": "Ann", "family_name": "Fisher", "birth_date": "1980-02-03"}, {"email": "ann@example.org"}),
    "ann3": ({"given_name": "Ann", "family_name": "Fischer"}, {"email": "ann@example.org"}),
    "bob1": ({"given_name": "Bob", "family_name": "Stone", "birth_date": "1991-07-08"}, {"phone": "+15550100"}),
    "bob2": ({"given_name": "Robert", "family_name": "Stone", "birth_date": "1991-07-08"}, {"phone": "+15550100"}),
    "cat1": ({"given_name": "Cat", "family_name": "Woods", "birth_date": "1970-01-09"}, {}),
}


@pytest.fixture
def lake(
    tmp_path: Path,
    told: Any,
    row_of: Callable[..., dict[str, Any]],
    features_schema: pa.Schema,
    identity_config: IdentityConfig,
) -> Path:
    """A lake in which nobody has been put together yet, with the declared model."""
    root = tmp_path / "lake"
    records = [told(key, *what) for key, what in PEOPLE.items()]
    rows = [{**row_of(r, identity_config), "arrival": n} for n, r in enumerate(records)]
    features = pa.Table.from_pylist(rows, schema=features_schema)
    write_deltalake(str(root / "record_features"), features)
    alone = [{"record_key": k, "profile_id": k, "component": k, "known": True, "since_batch": 1} for k in PEOPLE]
    write_deltalake(str(root / "membership"), pa.Table.from_pylist(alone))
    index = [{"profile_id": k, "status": "held" if k == "cat1" else "live"} for k in PEOPLE]
    write_deltalake(str(root / "profile_index"), pa.Table.from_pylist(index))
    connection = scoring.connect()
    pq.write_table(features, tmp_path / "f.parquet")
    scoring.load_features(connection, [str(tmp_path / "f.parquet")])
    model = training.declared(connection, identity_config)
    frozen = connection.execute("SELECT field, value_hash, frequency FROM frequencies").fetchall()
    names = ("snapshot", "field", "value_hash", "frequency")
    kinds = (pa.string(), pa.string(), pa.string(), pa.float64())
    kept = [dict(zip(names, (model.frequencies_digest, *row), strict=True)) for row in frozen]
    frozen = pa.Table.from_pylist(kept, schema=pa.schema(list(zip(names, kinds, strict=True))))
    write_deltalake(str(root / "tf_snapshot"), frozen)
    register(root, model)
    return root


@pytest.fixture
def rehearsed(lake: Path, tmp_path: Path, identity_config: IdentityConfig) -> Callable[..., Plan]:
    def run(*constraints: Constraint, **keys: str) -> Plan:
        then = overridden(identity_config, {name.replace("__", "."): text for name, text in keys.items()})
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        return rehearse(lake, Wanted(identity_config, then, constraints), work)

    return run


def test_merges_ids_and_held_profiles_are_told_and_nothing_is_written(
    rehearsed: Callable[..., Plan], lake: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*")}
    plan = rehearsed()
    assert (plan.before.profiles, plan.after.profiles, plan.after.largest) == (6, 3, 3)
    assert (plan.merges, plan.united, plan.splits) == (2, 5, 0)
    assert (plan.created, plan.retired, plan.moved, plan.changed_ids) == (0, 3, 3, 3)
    assert plan.released == ("cat1",)
    assert [e.profile_id for e in plan.merged_examples] == ["ann1", "bob1"]
    assert plan.merged_examples[0].others == ("ann2", "ann3")
    assert plan.merged_examples[0].tie is not None
    assert plan.touched == {"ann1", "ann2", "ann3", "bob1", "bob2"}
    assert not plan.learnt
    assert {path: path.stat().st_mtime_ns for path in lake.rglob("*")} == before


def test_the_names_are_those_of_the_pure_rule(rehearsed: Callable[..., Plan]) -> None:
    plan = rehearsed()
    clusters = {RecordKey(k): RecordKey(k[:3]) for k in PEOPLE}
    ranks = {RecordKey(k): Rank(False, n, "s", RecordKey(k)) for n, k in enumerate(PEOPLE)}
    named = ids.profile_ids(clusters, ranks)
    assert {e.profile_id for e in plan.merged_examples} | {"cat1"} == set(named.values())


def test_another_threshold_a_limit_and_a_steward_are_rehearsed(rehearsed: Callable[..., Plan]) -> None:
    assert rehearsed(thresholds__merge="60").after.profiles == 6
    assert rehearsed(Constraint("cannot_link", RecordKey("bob1"), RecordKey("bob2"))).after.profiles == 4
    strict = rehearsed(health__births="1", limits__profile_size="2")
    assert strict.newly_held == ("ann1",)


def test_a_newly_blocked_value_joins_nobody(rehearsed: Callable[..., Plan]) -> None:
    plain = rehearsed()
    blocked = rehearsed(identifiers__email__blocked="[ann@example.org]")
    assert blocked.candidates <= plain.candidates
    tie, weaker = plain.merged_examples[0].tie, blocked.merged_examples[0].tie
    assert tie is not None
    assert weaker is not None
    assert weaker.bits < tie.bits


def test_a_type_that_becomes_unique_is_heard_of(rehearsed: Callable[..., Plan], lake: Path) -> None:
    path = str(lake / "record_features")
    held = DeltaTable(path).to_pyarrow_table()
    rows = held.drop_columns(["numbers"]).to_pylist()
    for row in rows:
        if row["record_key"] in ("bob1", "bob2"):
            value = {"bob1": "9870123", "bob2": "2215548"}[row["record_key"]]
            row["identifiers"].append({"type": "customer", "value": value, "token": f"1:{value}"})
    older = held.schema.remove(held.schema.get_field_index("numbers"))
    write_deltalake(path, pa.Table.from_pylist(rows, schema=older), mode="overwrite", schema_mode="overwrite")
    plain, unique = rehearsed(), rehearsed(identifiers__customer__unique="true")
    ties = [next(e.tie for e in plan.merged_examples if e.profile_id == "bob1") for plan in (plain, unique)]
    assert ties[0] is not None
    assert ties[1] is not None
    assert ties[1].bits < ties[0].bits - 6
    assert (plain.learnt, unique.learnt, unique.unheard) == (False, True, ())


def test_a_model_of_another_format_gives_way_to_one_learnt_anew(rehearsed: Callable[..., Plan], lake: Path) -> None:
    before = rehearsed()
    foreign = pa.table(
        {
            "batch": [2],
            "model_version": ["old"],
            "model": ['{"format": 0, "comparisons": [], "records": 6}'],
            "trained_at": [datetime(2026, 1, 2, tzinfo=UTC)],
            "records": [6],
        }
    )
    write_deltalake(str(lake / "model_registry"), foreign, mode="append")
    plan = rehearsed()
    assert (plan.model_before, plan.model, plan.learnt) == ("old", before.model, True)
    assert plan.merges == before.merges


def test_what_only_a_run_can_bring_to_bear_is_said(identity_config: IdentityConfig) -> None:
    now = overridden(identity_config, {"identifiers.phone.blocked": "['+15550100']"})
    keys = {
        "cookies.look_back_days": "3",
        "identifiers.badge": "{normaliser: code}",
        "identifiers.email.normaliser": "text",
        "identifiers.phone.blocked": "['+15550101']",
    }
    found = [what.split(":")[0] for what in unheard(now, overridden(now, keys))]
    assert found == ["cookies", *list(keys)[1:]]


@pytest.mark.parametrize("key", ["nothing.at_all", "thresholds.merge.deep", "thresholds.marge", "limits.block"])
def test_a_wrong_key_is_named(identity_config: IdentityConfig, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        overridden(identity_config, {key: "-7"})
    assert caught.value.where == key


def test_it_prints_and_says_it_as_data(rehearsed: Callable[..., Plan]) -> None:
    plan = rehearsed()
    text = "\n".join(plan.lines())
    assert "2 profiles would unite 5 of today's" in text
    assert "Fisher" not in text
    assert "example.org" not in text
    assert plan.facts()["held"] == {"held_before": 1, "held_after": 0, "newly_held": 0, "released": 1}


def test_before_the_first_resolution_there_is_nothing_to_hold_it_against(
    tmp_path: Path, identity_config: IdentityConfig
) -> None:
    with pytest.raises(Unresolved):
        rehearse(tmp_path, Wanted(identity_config, identity_config), tmp_path)
