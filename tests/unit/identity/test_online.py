"""The online resolver: what it may do at once, what it leaves to the batch, and that it agrees with the batch."""

import importlib.util
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from identity.clustering import components, ids
from identity.clustering.cluster import Rules
from identity.config import IdentityConfig, rules
from identity.engine import pairing
from identity.fields.features import Value, features
from identity.matching import scoring
from identity.model import MICRO, Constraint, Edge, Node, Rank
from identity.modelling import training
from identity.online import build as online_build
from identity.online import state as online_state
from identity.online.attach import Scene, placed
from identity.online.build import Resolved
from identity.online.newcomers import Event, Newcomer, newcomer_of
from identity.online.resolver import Resolver
from infra.errors import Missing
from infra.ids import ProfileId, RecordKey
from infra.keyvalue import LmdbStore

HOME = {"street": "5 Elm St", "postcode": "43017"}
ANN = {"given_name": "Ann", "family_name": "Carver", "birth_date": "1980-02-03", **HOME}
BOB = {"given_name": "Robert", "family_name": "Carver", "birth_date": "1978-07-09", **HOME}
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))
KINDS = {name: pa.list_(pa.string()) for name in ("given_forms", "emails", "phones", "numbers")} | {
    "identifiers": VALUES, "bare": pa.bool_(), "given_known": pa.bool_(), "known": pa.bool_(), "arrival": pa.int64(),
}  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class World:
    """A world resolved by the batch, and the online resolver over what the batch left."""

    resolver: Resolver
    store: LmdbStore
    profile_of: Mapping[str, str]


@pytest.fixture
def said(identity_config: IdentityConfig) -> Callable[..., Row]:
    """Return the making of a row of `record_features` from what a source says."""

    def made(
        key: str, fields: Mapping[str, str], held: Mapping[str, str] | None = None, *, known: bool = True, at: int = 0
    ) -> Row:
        values = [Value(kind, value, f"1:{kind}:{value}") for kind, value in (held or {}).items()]
        told = asdict(features(fields, values, identity_config.identifiers, date(2026, 11, 1)))
        plain = {"record_key": key, "source": "s", "key": f"s-{key}", "kind": "person", "known": known, "arrival": at}
        return {**plain, **told}

    return made


@pytest.fixture
def resolved_online(tmp_path: Path, identity_config: IdentityConfig) -> Iterator[Callable[..., World]]:
    """Return the resolving of rows by the batch, with the online resolver opened on the outcome."""
    opened: list[LmdbStore] = []

    def run(
        rows: Sequence[Row], *wishes: Constraint, trained_on: Sequence[Row] | None = None, intervals: Sequence[Row] = ()
    ) -> World:
        places, edges, model, often = batch(rows, wishes, trained_on or rows, identity_config, tmp_path)
        resolved = Resolved(
            rows, places, edges, [{"kind": w.kind, "left_key": w.left, "right_key": w.right} for w in wishes],
            intervals, {("web", "left"): 5_000_000},
        )  # fmt: skip
        folder = tmp_path / f"online-{len(opened)}"
        online_build.build(folder, identity_config, model, often, resolved, 1)
        opened.append(LmdbStore(folder, durable=False))
        return World(
            Resolver(opened[-1], identity_config), opened[-1], {p["record_key"]: p["profile_id"] for p in places}
        )

    yield run
    for store in opened:
        store.close()


def batch(
    rows: Sequence[Row], wishes: Sequence[Constraint], trained_on: Sequence[Row], config: IdentityConfig, folder: Path
) -> tuple[list[Row], list[Row], Any, Any]:
    """Return memberships, edges, model and frequencies as the batch has them, in DuckDB and the pure rule."""
    connection = scoring.connect()
    for name, held in (("all", trained_on), ("given", rows)):
        schema = pa.schema([(n, KINDS.get(n, pa.string())) for n in held[0]])
        pq.write_table(pa.Table.from_pylist(list(held), schema=schema), folder / f"{name}.parquet")
    scoring.load_features(connection, [str(folder / "all.parquet")])
    model = (training.train if len(trained_on) > 100 else training.declared)(connection, config)
    often = {
        (f, v): n for f, v, n in connection.execute("SELECT field, value_hash, frequency FROM frequencies").fetchall()
    }
    scoring.load_features(connection, [str(folder / "given.parquet")])
    work = pairing.Work(edges=folder / "edges.parquet", parts=folder / "parts.parquet")
    pairing.pair_up(connection, model, config, wishes, work)
    connection.close()
    settled = components.resolved_bucket(pq.read_table(work.parts), rules(config)).to_pylist()
    node = {r["left_key"]: r for r in settled if r["kind"] == "node"}
    alone = {r["record_key"]: r["record_key"] for r in rows}
    ranks = {r["record_key"]: Rank(not r["known"], r["arrival"], r["source"], r["record_key"]) for r in rows}
    named = ids.profile_ids(alone | {key: r["cluster"] for key, r in node.items()}, ranks)
    places = [
        {"record_key": key, "profile_id": named[key], "component": node[key]["component"] if key in node else key}
        for key in ranks
    ]
    return places, pq.read_table(work.edges).to_pylist(), model, often


# --- what may be done at once: pure

A, B, T, NEW = (RecordKey(key) for key in ("a", "b", "t", "new"))


def scene(edges: Sequence[Edge], *nodes: Node, profiles: Mapping[RecordKey, str] | None = None) -> Scene:
    everybody = [*nodes, Node(NEW)]
    ranks = {n.record_key: Rank(not n.known, 9 if n.record_key == NEW else 1, "s", n.record_key) for n in everybody}
    held = {n.record_key: ProfileId((profiles or {}).get(n.record_key, n.record_key)) for n in nodes}
    return Scene(everybody, ranks, held, edges, {})


def test_a_record_that_meets_nobody_is_somebody_new() -> None:
    answer = placed(NEW, scene([]), Rules())
    assert (answer.act, answer.profile_id, answer.provisional, answer.confidence) == ("create", "new", True, 1.0)


def test_a_record_joins_a_person_and_takes_the_older_name() -> None:
    answer = placed(NEW, scene([Edge(A, NEW, 9 * MICRO)], Node(A)), Rules())
    assert (answer.act, answer.profile_id, answer.provisional) == ("attach", "a", False)
    assert answer.confidence > 0.99


def test_two_persons_are_proposed_and_stay_two() -> None:
    edges = [Edge(A, NEW, 9 * MICRO), Edge(B, NEW, 8 * MICRO), Edge(A, B, 5 * MICRO)]
    answer = placed(NEW, scene(edges, Node(A), Node(B)), Rules())
    assert (answer.act, answer.profile_id, answer.proposed, answer.joined) == ("merge_proposed", "a", ("b",), ())
    assert answer.deferred == ("merge",)


def test_a_cookie_comes_along_and_gives_up_its_name() -> None:
    edges = [Edge(NEW, T, 2 * MICRO)]
    answer = placed(NEW, scene(edges, Node(T, known=False, bare=True)), Rules())
    assert (answer.act, answer.profile_id, answer.provisional, answer.joined) == ("attach", "new", True, ("t",))


def test_a_card_comes_along_with_one_person() -> None:
    edges = [Edge(A, NEW, 9 * MICRO), Edge(NEW, T, 4 * MICRO)]
    answer = placed(NEW, scene(edges, Node(A), Node(T, bare=True)), Rules())
    assert (answer.act, answer.profile_id, answer.joined) == ("attach", "a", ("t",))


def test_who_fits_two_persons_as_well_is_nobody_for_certain() -> None:
    apart = Edge(A, B, -20 * MICRO, -20 * MICRO)
    answer = placed(NEW, scene([Edge(A, NEW, 5 * MICRO), Edge(B, NEW, 5 * MICRO), apart], Node(A), Node(B)), Rules())
    assert (answer.act, answer.why) == ("create", "ambiguous")
    assert answer.confidence < 0.1


def test_what_would_take_a_person_apart_is_left_to_the_batch() -> None:
    apart = Edge(A, B, -20 * MICRO, -20 * MICRO)
    answer = placed(NEW, scene([Edge(A, NEW, 9 * MICRO), apart], Node(A), Node(B), profiles={A: "a", B: "a"}), Rules())
    assert (answer.act, answer.profile_id, answer.deferred) == ("attach", "a", ("split",))


# --- stories over a state


def ask(row: Row) -> Newcomer:
    return newcomer_of(row)


def test_a_record_that_is_known_is_answered_without_looking(resolved_online: Any, said: Any) -> None:
    rows = [said("ann", ANN, at=1), said("bob", BOB, at=2)]
    world = resolved_online(rows)
    again = world.resolver.resolve(ask(rows[0]))
    assert (again.profile_id, again.act, again.why, again.deferred) == ("ann", "attach", "known", ())
    changed = world.resolver.accept(ask({**said("x", BOB), "key": "s-ann"}))
    assert (changed.profile_id, changed.deferred) == ("ann", ("update",))


def test_a_new_record_joins_and_the_next_one_meets_it(resolved_online: Any, said: Any) -> None:
    world = resolved_online([said("ann", ANN, {"email": "ann80@example.org"}, at=1), said("bob", BOB, at=2)])
    shop = ask(said("shop", {**ANN, "given_name": "Anne"}, {"email": "ann80@example.org"}, at=3))
    answer = world.resolver.resolve(shop)
    assert (answer.profile_id, answer.act) == ("ann", "attach")
    assert {"prior", "email"} <= {r.comparison for r in answer.reasons}
    assert world.resolver.accept(shop) == answer
    far = {"given_name": "Anne", "family_name": "Carver", "street": "9 Bay Rd", "postcode": "90210"}
    stranger = ask(said("web", far, {"phone": "+16145550177"}, at=4))
    assert world.resolver.accept(stranger).act == "create"
    bare = world.resolver.resolve(ask(said("call", {}, {"phone": "+16145550177"}, at=5)))
    assert (bare.profile_id, bare.act, [r.comparison for r in bare.reasons]) == ("web", "attach", ["phone"])


def test_spouses_who_share_all_but_themselves_stay_two(resolved_online: Any, said: Any) -> None:
    shared = {"email": "carvers@example.org", "phone": "+16145550101", "loyalty": "28123"}
    world = resolved_online([said("ann", ANN, shared, at=1)])
    answer = world.resolver.accept(ask(said("bob", BOB, shared, at=2)))
    assert (answer.act, answer.profile_id) == ("create", "bob")
    till = world.resolver.resolve(ask(said("till", {}, {"loyalty": "28123"}, at=3)))
    assert (till.act, till.why) == ("create", "shared")


def test_a_stewards_word_holds(resolved_online: Any, said: Any) -> None:
    wish = Constraint("cannot_link", RecordKey("ann"), RecordKey("ann2"))
    rows = [said("ann", ANN, at=1), said("ann2", ANN, at=2)]
    world = resolved_online(rows, wish)
    assert world.profile_of["ann"] != world.profile_of["ann2"]
    answer = world.resolver.resolve(ask(said("ann3", ANN, at=3)))
    assert not answer.proposed


def test_a_value_that_reaches_its_cap_falls_silent(
    resolved_online: Any, said: Any, identity_config: IdentityConfig
) -> None:
    cap = identity_config.identifiers["email"].fan_out
    names = [f"N{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(cap + 2)]
    crowd = [
        said(f"p{n:02d}", {"given_name": name}, {"email": "kiosk@example.org"}, at=n) for n, name in enumerate(names)
    ]
    world = resolved_online(crowd[:cap])
    assert "block" in world.resolver.accept(ask(crowd[cap])).deferred
    after = world.resolver.resolve(ask(crowd[cap + 1]))
    assert (after.act, after.deferred) == ("create", ())


def test_an_event_belongs_to_the_login_and_after_a_sign_out_to_nobody(resolved_online: Any, said: Any) -> None:
    rows = [
        said("ann", ANN, {"account": "W1", "email": "ann80@example.org"}, at=1),
        said("anon", {}, {"cookie": "c9"}, known=False),
    ]
    lives = [
        _life("tablet", 1, 5, "ann", known=True),
        _life("left", 1, 9, "ann", known=True),
        _life("alone", 1, 5, "anon", known=False),
    ]
    world = resolved_online(rows, intervals=lives)
    ask_event = world.resolver.event
    assert ask_event(_event("tablet", 3)).profile_id == "ann"
    assert ask_event(_event("tablet", 60)).profile_id == "ann"
    assert ask_event(_event("tablet", 86_400)).act == "create"
    assert ask_event(_event("left", 60)).act == "create"
    assert ask_event(_event("alone", 86_400)).profile_id == "anon"
    named = ask_event(_event("new", 3, Value("account", "W1", "1:account:W1")))
    assert (named.profile_id, named.act) == ("ann", "attach")


def test_events_taken_in_make_the_life_of_a_cookie(resolved_online: Any, said: Any) -> None:
    world = resolved_online([said("ann", ANN, {"account": "W1"}, at=1)])
    first = world.resolver.accept_event(_event("c1", 10, key="e1"))
    assert (first.act, first.profile_id, first.provisional) == ("create", "e1", True)
    assert world.resolver.accept_event(_event("c1", 11, key="e2")).profile_id == "e1"
    login = world.resolver.accept_event(_event("c1", 12, Value("account", "W1", "1:account:W1"), key="e3"))
    assert login.profile_id == "ann"
    assert world.resolver.accept_event(_event("c1", 13, key="e4")).profile_id == "ann"
    world.resolver.accept_event(_event("c1", 14, key="e5", signs_out=True))
    assert world.resolver.event(_event("c1", 15, key="e6")).act == "create"


def _event(cookie: str, at: int, *named: Value, key: str = "e", signs_out: bool = False) -> Event:
    values = (Value("cookie", cookie, f"1:cookie:{cookie}"), *named)
    return Event(RecordKey(key), "web", at * 1_000_000, values, cookie, signs_out=signs_out)


def _life(cookie: str, start: int, end: int, key: str, *, known: bool) -> Row:
    moments = {name: datetime.fromtimestamp(at, tz=UTC) for name, at in (("from_at", start), ("to_at", end))}
    return {"source": "web", "anonymous_id": cookie, "record_key": key, "known": known, **moments}


def test_a_state_that_was_not_finished_does_not_open(tmp_path: Path, identity_config: IdentityConfig) -> None:
    store = LmdbStore(tmp_path / "half")
    with pytest.raises(Missing, match="not built to its end"):
        Resolver(store, identity_config)
    store.close()


# --- agreement


@pytest.fixture(scope="module")
def households() -> Any:
    place = Path(__file__).parents[2] / "bench" / "household_world.py"
    spec = importlib.util.spec_from_file_location("household_world", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_by_one_comes_out_as_all_at_once_but_for_what_the_batch_decides(
    resolved_online: Any, households: Any, identity_config: IdentityConfig, tmp_path: Path
) -> None:
    rows = [households.row(told, identity_config) for told in households.world(250, 5)]
    held = set(Random(3).sample([row["record_key"] for row in rows], len(rows) // 10))  # noqa: S311 - a sample
    whole, *_ = batch(rows, (), rows, identity_config, tmp_path)
    world = resolved_online([row for row in rows if row["record_key"] not in held], trained_on=rows)
    answers = {row["record_key"]: world.resolver.accept(ask(row)) for row in rows if row["record_key"] in held}
    place = {p["record_key"]: p for p in whole}
    left_to_batch = {place[key]["component"] for key, answer in answers.items() if answer.deferred}
    now = {key: (online_state.member(world.store, RecordKey(key)) or (key,))[0] for key in place}
    theirs, mine = _groups({key: p["profile_id"] for key, p in place.items()}), _groups(now)
    same = [key for key in held if theirs[key] == mine[key] and now[key] == place[key]["profile_id"]]
    told = Counter(answer.act for answer in answers.values())
    print(
        f"{len(held)} online, {len(same)} as in the batch; {told}; left to the batch: {len(left_to_batch)} components"
    )
    assert {place[key]["component"] for key in held - set(same)} <= left_to_batch
    assert len(same) >= 0.9 * len(held)


def _groups(profile_of: Mapping[str, str]) -> dict[str, frozenset[str]]:
    of: dict[str, set[str]] = defaultdict(set)
    for key, profile in profile_of.items():
        of[profile].add(key)
    return {key: frozenset(of[profile]) for key, profile in profile_of.items()}
