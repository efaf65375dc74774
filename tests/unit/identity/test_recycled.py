"""A phone that was given to somebody else, and too many values in a week: told by the batch and asked at once."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from identity.clustering import components
from identity.config import IdentityConfig, overridden, recycled, rules, timed
from identity.engine import pairing
from identity.matching import scoring
from identity.modelling import training
from identity.online import build
from identity.online.build import Resolved
from identity.online.newcomers import newcomer_of
from identity.online.resolver import Resolver
from identity.stewardship.plan import unheard
from identity.tables import RECORD_FEATURES
from infra.arrow import schema
from infra.keyvalue import LmdbStore

PHONE = {"phone": "+16145550177"}
ANN = {"given_name": "Ann", "family_name": "Carver", "birth_date": "1980-02-03"}
BOB = {"given_name": "Robert", "family_name": "Lindqvist", "birth_date": "1971-07-09"}
Row = dict[str, Any]


@pytest.fixture
def config(identity_config: IdentityConfig) -> IdentityConfig:
    """The template, with phones that may be somebody else's after a year of silence."""
    return overridden(identity_config, {"identifiers.phone.recycled_after_days": "366"})


@pytest.fixture
def seen(told: Any, row_of: Callable[..., Row], config: IdentityConfig) -> Callable[..., Row]:
    """Return the making of a record whose identifiers it carried from one year's first day to another's."""

    def made(key: str, fields: dict[str, str], held: dict[str, str], *years: int) -> Row:
        row = {**row_of(told(key, fields, held), config), "key": f"s-{key}"}
        first, last = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (years[0], years[-1]))
        row["identifiers"] = [{**one, "seen_from": first, "seen_to": last} for one in row["identifiers"]]
        return row

    return made


class Outcome:
    """What the batch makes of rows, and the online resolver over it."""

    def __init__(self, rows: list[Row], config: IdentityConfig, folder: Path) -> None:
        connection = scoring.connect()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema(RECORD_FEATURES)), folder / "rows.parquet")
        scoring.load_features(connection, [str(folder / "rows.parquet")])
        model = training.declared(connection, config)
        work = pairing.Work(edges=folder / "edges.parquet", parts=folder / "parts.parquet")
        pairing.pair_up(connection, model, config, (), work)
        connection.close()
        settled = components.resolved_bucket(pq.read_table(work.parts), rules(config)).to_pylist()
        nodes = {r["left_key"]: r for r in settled if r["kind"] == "node"}
        self.cluster_of = {r["record_key"]: r["record_key"] for r in rows} | {k: r["cluster"] for k, r in nodes.items()}
        self.why = {(r["left_key"], r["right_key"]): r["why"] for r in settled if r["kind"] == "edge"}
        self.edges = {(e["left_key"], e["right_key"]): e for e in pq.read_table(work.edges).to_pylist()}
        places = [
            {"record_key": key, "profile_id": name, "component": nodes[key]["component"] if key in nodes else key}
            for key, name in self.cluster_of.items()
        ]
        build.build(folder / "online", config, model, {}, Resolved(rows, places, self.edges.values()), 1)
        self.store = LmdbStore(folder / "online", durable=False)
        self.resolver = Resolver(self.store, config)

    def compared(self, left: str, right: str) -> set[str]:
        """Return what the edge of two records says; nothing where there is none."""
        edge = self.edges.get((left, right))
        return {reason["comparison"] for reason in edge["reasons"]} if edge else set()


@pytest.fixture
def outcome(tmp_path: Path) -> Iterator[Callable[..., Outcome]]:
    made: list[Outcome] = []

    def run(config: IdentityConfig, *rows: Row) -> Outcome:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Outcome(list(rows), config, folder))
        return made[-1]

    yield run
    for one in made:
        one.store.close()


def test_a_number_ties_nobody_to_its_former_holder(
    outcome: Callable[..., Outcome], seen: Callable[..., Row], config: IdentityConfig, identity_config: IdentityConfig
) -> None:
    people = [
        seen("ann", ANN, PHONE, 2015, 2018),
        seen("bob", BOB, PHONE, 2021, 2026),
        seen("call", {}, PHONE, 2022),
    ]
    told_apart = outcome(config, *people)
    assert told_apart.cluster_of["call"] == told_apart.cluster_of["bob"] != told_apart.cluster_of["ann"]
    # neither the identifier nor the comparison of phones says anything of the two
    assert not {"phone"} & told_apart.compared("ann", "bob")
    assert told_apart.compared("ann", "call") == set()
    assert "phone" in told_apart.compared("bob", "call")
    # without the setting a number of two is nobody's
    alone = outcome(identity_config, *people)
    assert len({alone.cluster_of[key] for key in ("ann", "bob", "call")}) == 3


def test_a_sighting_in_the_pause_or_at_no_known_time_ties_them_again(
    outcome: Callable[..., Outcome], seen: Callable[..., Row], config: IdentityConfig
) -> None:
    people = [seen("ann", ANN, PHONE, 2015, 2018), seen("bob", BOB, PHONE, 2021, 2026)]
    between = [seen("shop", {}, PHONE, year) for year in (2019, 2020)]
    bridge = [{**row, "record_key": f"shop{n}", "key": f"shop{n}"} for n, row in enumerate(between)]
    assert {pair for pair in outcome(config, *people, *bridge).edges if "shop0" in pair} >= {
        ("ann", "shop0"),
        ("bob", "shop0"),
    }
    unknown = seen("shop", {}, PHONE, 2020)
    unknown["identifiers"] = [{**one, "seen_from": None, "seen_to": None} for one in unknown["identifiers"]]
    assert {("ann", "shop"), ("bob", "shop")} <= set(outcome(config, *people, unknown).edges)


def test_asked_at_once_a_call_belongs_to_the_holder_of_its_time(
    outcome: Callable[..., Outcome], seen: Callable[..., Row], config: IdentityConfig
) -> None:
    world = outcome(config, seen("ann", ANN, PHONE, 2015, 2018), seen("bob", BOB, PHONE, 2021, 2026))

    def asked(*years: int) -> Any:
        return world.resolver.resolve(newcomer_of(seen("call", {}, PHONE, *years)))

    assert (asked(2017).profile_id, asked(2017).deferred) == ("ann", ())
    assert (asked(2024).profile_id, asked(2024).deferred) == ("bob", ())
    both = asked(2017, 2022)
    assert (both.act, both.why, both.deferred) == ("create", "shared", ("tenancy",))


def test_a_digest_is_given_out_again_with_its_number(identity_config: IdentityConfig) -> None:
    sha = {"normaliser": "sha256", "digest_of": "phone"}
    said = identity_config.model_dump()
    said["identifiers"] |= {"phone_sha256": sha, "phone": said["identifiers"]["phone"] | {"recycled_after_days": 2}}
    config = IdentityConfig.model_validate(said)
    assert recycled(config) == {"phone": 172_800, "phone_sha256": 172_800}
    assert timed(config) == ("phone", "phone_sha256")
    assert recycled(identity_config) == {}


def test_a_rehearsal_says_that_it_does_not_know_when(identity_config: IdentityConfig, config: IdentityConfig) -> None:
    assert unheard(identity_config, config) == (
        "identifiers.phone: when its values were seen; they count as seen at all times",
    )
    assert unheard(config, config) == ()


def test_too_many_cards_in_a_week_are_not_one_persons(
    outcome: Callable[..., Outcome], seen: Callable[..., Row], identity_config: IdentityConfig
) -> None:
    strict = overridden(identity_config, {"identifiers.loyalty.limit": "{values: 1, days: 30}"})
    card, other = {"loyalty": "2812300"}, {"loyalty": "2812399"}
    years_apart = outcome(strict, seen("a", ANN, card, 2019), seen("b", ANN, other, 2024))
    assert years_apart.cluster_of["a"] == years_apart.cluster_of["b"]
    at_once = outcome(strict, seen("a", ANN, card, 2024), seen("b", ANN, other, 2024))
    assert at_once.cluster_of["a"] != at_once.cluster_of["b"]
    assert at_once.why["a", "b"] == "limit:loyalty"
    ask = newcomer_of(seen("c", ANN, other, 2019, 2020))
    assert years_apart.resolver.resolve(ask).profile_id == "a"
    assert years_apart.resolver.resolve(newcomer_of(seen("c", ANN, {"loyalty": "2812377"}, 2019))).act == "create"
