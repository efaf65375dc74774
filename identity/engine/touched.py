"""What a change touches: whose pairs are looked for anew, and which whole components are settled again.

A pair is a candidate by the blocks that its records share and by whether these are within their caps; a component
is settled by its own records alone. So a change reaches the records that changed, those in blocks that crossed a
cap, whoever these now are linked to, and the components that all of them are or were in. Nobody else. Where values are
given out again (`tenanted`), a block ties those of one tenancy only, and a block of several tenancies that a change is
in counts as crossed.
"""

from identity.engine import tenancy
from identity.engine.base import Engine
from identity.engine.postings import POSTING, SIGHTING
from identity.model import MICRO
from identity.tables import POSTING_INDEX, RECORD_FEATURES

_POSTING = ", ".join(POSTING)


def _columns(*, tenanted: bool) -> str:
    return ", ".join(SIGHTING if tenanted else POSTING)


def find_neighbours(engine: Engine, *, tenanted: bool) -> None:
    """Make `near` (postings of every block that a change is in) and `touched` (records whose pairs may have changed).

    Reads `fresh` (records as they are now), `gone` and `cap`; makes `changed` and `fresh_posting` too.
    """
    engine.make("changed", "SELECT record_key FROM fresh UNION SELECT record_key FROM gone")
    engine.post("fresh", "fresh_posting")
    engine.make(
        "old_posting",
        f"SELECT {_columns(tenanted=tenanted)} FROM {engine.base(POSTING_INDEX)} "
        "WHERE record_key IN (SELECT record_key FROM changed)",
    )
    engine.make("block", "SELECT rule, block FROM old_posting UNION SELECT rule, block FROM fresh_posting")
    _load_near(engine, tenanted=tenanted)
    engine.make(
        "crossed",
        "SELECT rule, block FROM (SELECT n.rule AS rule, n.block AS block, n.now AS now, n.now - n.came + coalesce(o.went, 0) "
        "AS was FROM (SELECT rule, block, count(*) AS now, count(CASE WHEN came THEN 1 END) AS came FROM near GROUP BY rule, block) n "
        "LEFT JOIN (SELECT rule, block, count(*) AS went FROM old_posting GROUP BY rule, block) o "
        "ON o.rule = n.rule AND o.block = n.block) sized JOIN cap USING (rule) WHERE (now <= cap) <> (was <= cap)",
    )
    moved = "crossed"
    if tenanted:
        tenancy.find_stirred(engine)
        moved = "(SELECT rule, block FROM crossed UNION SELECT rule, block FROM stirred) moved"
    engine.make(
        "crossing",
        f"SELECT DISTINCT record_key FROM near JOIN {moved} USING (rule, block) "
        "WHERE record_key NOT IN (SELECT record_key FROM changed)",
    )
    engine.make("touched", "SELECT record_key FROM changed UNION SELECT record_key FROM crossing")
    if engine.count("crossing"):
        # what tells how a pair of a crossing block is still held together lies in all of its records' blocks
        engine.make(
            "crossing_block",
            f"SELECT DISTINCT rule, block FROM {engine.base(POSTING_INDEX)} "
            "WHERE record_key IN (SELECT record_key FROM crossing)",
        )
        engine.make("wider", "SELECT rule, block FROM block UNION SELECT rule, block FROM crossing_block")
        engine.make("block", "SELECT rule, block FROM wider")
        _load_near(engine, tenanted=tenanted)


def _load_near(engine: Engine, *, tenanted: bool) -> None:
    columns = _columns(tenanted=tenanted)
    kept = ", ".join(f"p.{name} AS {name}" for name in columns.split(", "))
    engine.make(
        "near",
        f"SELECT {kept}, false AS came "
        f"FROM {engine.base(POSTING_INDEX)} p JOIN block USING (rule, block) "
        "WHERE p.record_key NOT IN (SELECT record_key FROM changed) "
        f"UNION ALL SELECT {columns}, true FROM fresh_posting",
    )


def make_touching_pairs(engine: Engine, *, tenanted: bool) -> None:
    """Make `touching` (left_key, right_key, rule_mask): every candidate pair that has a touched record in it."""
    engine.make(
        "active",
        "SELECT rule, block FROM (SELECT rule, block, count(*) AS n FROM near GROUP BY rule, block) sized "
        "JOIN cap USING (rule) WHERE n BETWEEN 2 AND cap",
    )
    near, columns = _in_tenancies(engine, "near", tenanted=tenanted)
    engine.make(
        "live",
        f"SELECT {', '.join(f'n.{name} AS {name}' for name in columns)}, t.record_key IS NOT NULL AS moved "
        f"FROM {near} n JOIN active USING (rule, block) LEFT JOIN touched t ON t.record_key = n.record_key",
    )
    engine.make(
        "touching",
        "SELECT least(a.record_key, b.record_key) AS left_key, greatest(a.record_key, b.record_key) AS right_key, "
        f"bit_or(a.rule) AS rule_mask FROM live a JOIN live b ON {_met(columns)} "
        "AND a.record_key <> b.record_key WHERE a.moved AND (NOT b.moved OR a.record_key < b.record_key) GROUP BY 1, 2",
    )


def _in_tenancies(engine: Engine, postings: str, *, tenanted: bool) -> tuple[str, tuple[str, ...]]:
    """Return postings as pairs are made of them, and their columns; reads `near` and `active`."""
    if not tenanted:
        return postings, POSTING
    tenancy.find_tenancies(engine)
    return f"({tenancy.told_apart(postings)})", (*POSTING, "tenancy")


def _met(columns: tuple[str, ...]) -> str:
    return " AND ".join(f"a.{name} = b.{name}" for name in columns if name != "record_key")


def load_records(engine: Engine, pairs: str) -> None:
    """Make `features`: the changed records and those that pairs name, as they are now."""
    engine.make("features", "SELECT * FROM fresh")
    _load(
        engine,
        f"SELECT record_key FROM (SELECT left_key AS record_key FROM {pairs} UNION SELECT right_key FROM {pairs}) named "
        "WHERE record_key NOT IN (SELECT record_key FROM changed)",
    )


def load_closed(engine: Engine) -> None:
    """Add the closed records that are not there yet to `features`."""
    _load(engine, "SELECT record_key FROM closed WHERE record_key NOT IN (SELECT record_key FROM features)")


def _load(engine: Engine, wanted: str) -> None:
    engine.make("wanted", wanted)
    if engine.count("wanted"):
        held = engine.base(RECORD_FEATURES)
        engine.add("features", f"SELECT * FROM {held} WHERE record_key IN (SELECT record_key FROM wanted)")


def close(engine: Engine, merge: float) -> None:
    """Make `closed`: the records of every component that has to be settled again, and no link leads out of it.

    Reads the weights of the touching pairs, the stewards' `wishes`, whose of them changed (`rewished`), and `moved_in`:
    records that take over an id or give one back.
    """
    engine.make(
        "seed",
        "SELECT record_key FROM touched UNION SELECT record_key FROM rewished UNION SELECT record_key FROM moved_in "
        f"UNION SELECT left_key FROM weighed WHERE weight_micro > {round(merge * MICRO)} "
        f"UNION SELECT right_key FROM weighed WHERE weight_micro > {round(merge * MICRO)} "
        "UNION SELECT left_key FROM wishes WHERE right_key IN (SELECT record_key FROM changed) "
        "UNION SELECT right_key FROM wishes WHERE left_key IN (SELECT record_key FROM changed)",
    )
    engine.make(
        "shaken",
        "SELECT DISTINCT component FROM was WHERE record_key IN (SELECT record_key FROM seed)",
    )
    engine.make(
        "closed",
        "SELECT record_key FROM was WHERE component IN (SELECT component FROM shaken) "
        "AND record_key NOT IN (SELECT record_key FROM changed) UNION ALL SELECT record_key FROM fresh",
    )


def make_inner_pairs(engine: Engine, *, tenanted: bool) -> None:
    """Make `inner`: the candidate pairs among closed records that have no touched record in them."""
    engine.make(
        "inner_posting",
        f"SELECT {_POSTING} FROM {engine.base(POSTING_INDEX)} WHERE record_key IN (SELECT record_key FROM closed) "
        "AND record_key NOT IN (SELECT record_key FROM touched)",
    )
    engine.make("block", "SELECT rule, block FROM inner_posting GROUP BY rule, block HAVING count(*) >= 2")
    _load_near(engine, tenanted=tenanted)
    engine.make(
        "active",
        "SELECT rule, block FROM (SELECT rule, block, count(*) AS n FROM near GROUP BY rule, block) sized "
        "JOIN cap USING (rule) WHERE n <= cap",
    )
    # a block that a crowd shares is silent: it must not be joined with itself to find that out
    inner, columns = _in_tenancies(engine, "inner_posting", tenanted=tenanted)
    engine.make("inner_live", f"SELECT {', '.join(columns)} FROM {inner} i JOIN active USING (rule, block)")
    engine.make(
        "inner_pair",
        "SELECT a.record_key AS left_key, b.record_key AS right_key, bit_or(a.rule) AS rule_mask FROM inner_live a "
        f"JOIN inner_live b ON {_met(columns)} AND a.record_key < b.record_key GROUP BY 1, 2",
    )
