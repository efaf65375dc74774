"""One batch: from changed records to everything that follows from them. A whole rebuild is the batch of all records."""

from dataclasses import dataclass

from identity.config import IdentityConfig, recycled
from identity.engine import naming, pieces, touched
from identity.engine.base import Engine
from identity.engine.postings import caps_sql
from identity.tables import (
    CONSTRAINTS,
    EDGES,
    IDENTITY_EVENTS,
    MEMBERSHIP,
    POSTING_INDEX,
    PROFILE_ALIAS,
    RECORD_FEATURES,
    SUCCESSION,
)
from infra.tables import Table


@dataclass(frozen=True, slots=True)
class Counts:
    """What a batch saw; sizes only."""

    changed: int
    touched: int
    closed: int
    candidates: int
    edges: int
    components: int
    largest: int


@dataclass(frozen=True, slots=True)
class Write:
    """What a batch does to a lake table: the rows with keys of the table `gone` go, those of the table `rows` come."""

    table: Table
    rows: str
    gone: str = ""
    keys: tuple[str, ...] = ()


WRITES = (
    Write(RECORD_FEATURES, "fresh", "changed", ("record_key",)),
    Write(POSTING_INDEX, "fresh_posting", "changed", ("record_key",)),
    Write(EDGES, "edges_now", "edges_gone", EDGES.keys),
    Write(MEMBERSHIP, "members_now", "members_before", MEMBERSHIP.keys),
    Write(PROFILE_ALIAS, "aliases_now", "aliases_gone", PROFILE_ALIAS.keys),
    Write(SUCCESSION, "succession_now"),
    Write(IDENTITY_EVENTS, "events_now"),
)

_WEIGHED = "weighed"


def resolve_batch(engine: Engine, config: IdentityConfig, version: str, batch: int) -> Counts:
    """Make all that a batch writes, from the engine's tables of what changed.

    Reads `fresh` (new and changed records, as `record_features`), `gone` (record_key), `wishes` (kind, left_key,
    right_key: the stewards' constraints that stand), `taken` (old_key, record_key: who took over an anonymous record's
    events). Makes what `WRITES` names; `changed` and `closed` say which records it is about.
    """
    engine.make("cap", caps_sql(config))
    engine.make("wishes_before", f"SELECT kind, left_key, right_key FROM {engine.base(CONSTRAINTS)}")
    engine.make("rewished", f"{_new_words('wishes', 'wishes_before')} UNION {_new_words('wishes_before', 'wishes')}")
    engine.make("was", f"SELECT record_key, profile_id, component, since_batch FROM {engine.base(MEMBERSHIP)}")
    touched.find_neighbours(engine, tenanted=bool(recycled(config)))
    touched.make_touching_pairs(engine, tenanted=bool(recycled(config)))
    touched.load_records(engine, "touching")
    candidates = engine.count("touching")
    engine.drop("near", "live", "active", "block", "old_posting")
    engine.weigh("touching", _WEIGHED, pieces.telling(config))
    naming.find_heirs(engine, batch)
    touched.close(engine, config.thresholds.merge)
    candidates += _weigh_inner(engine, config)
    pieces.make_components(engine, config)
    pieces.complete(engine, config)
    engine.drop("touching", "inner_pair", "completed", "missing", "linked", "linked_node", "small")
    pieces.make_parts(engine)
    engine.settle("parts", "settled")
    engine.drop("parts", "dealt")
    pieces.make_edges(engine, config, version)
    naming.name_profiles(engine, batch)
    naming.name_aliases(engine, batch)
    naming.tell_events(engine, batch)
    return _counts(engine, candidates)


def _new_words(here: str, there: str) -> str:
    """Return SQL for the records of constraints that one table has and the other has not."""
    words = f"(SELECT kind, left_key, right_key FROM {here} EXCEPT SELECT kind, left_key, right_key FROM {there}) word"
    return f"SELECT left_key AS record_key FROM {words} UNION SELECT right_key FROM {words}"


def _weigh_inner(engine: Engine, config: IdentityConfig) -> int:
    """Weigh the closed records' other pairs too, make `nodes` of what settling and naming need; return how many pairs."""
    touched.make_inner_pairs(engine, tenanted=bool(recycled(config)))
    touched.load_closed(engine)
    engine.weigh("inner_pair", "inner_weighed", pieces.telling(config))
    engine.add(_WEIGHED, "SELECT * FROM inner_weighed")
    engine.drop("inner_weighed", "inner_posting", "inner_live", "near", "active", "block")
    engine.make("nodes", pieces.nodes_sql(engine))
    return engine.count("inner_pair")


def _counts(engine: Engine, candidates: int) -> Counts:
    components, largest = pieces.sizes(engine)
    return Counts(
        changed=engine.count("changed"),
        touched=engine.count("touched"),
        closed=engine.count("closed"),
        candidates=candidates,
        edges=engine.count("edges_now"),
        components=components,
        largest=largest,
    )
