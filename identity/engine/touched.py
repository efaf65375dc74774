"""What a change touches: whose pairs are looked for anew, and which whole components are settled again.

A pair is a candidate by the blocks that its records share and by whether these are within their caps; a component
is settled by its own records alone. So a change reaches the records that changed, those in blocks that crossed a
cap, whoever these now are linked to, and the components that all of them are or were in. Nobody else.
"""

from identity.engine.base import Engine
from identity.engine.postings import POSTING
from identity.model import MICRO
from identity.tables import POSTING_INDEX, RECORD_FEATURES

_POSTING = ", ".join(POSTING)


def find_neighbours(engine: Engine) -> None:
    """Make `near` (postings of every block that a change is in) and `touched` (records whose pairs may have changed).

    Reads `fresh` (records as they are now), `gone` and `cap`; makes `changed` and `fresh_posting` too.
    """
    engine.make("changed", "SELECT record_key FROM fresh UNION SELECT record_key FROM gone")
    engine.post("fresh", "fresh_posting")
    engine.make(
        "old_posting",
        f"SELECT {_POSTING} FROM {engine.base(POSTING_INDEX)} WHERE record_key IN (SELECT record_key FROM changed)",
    )
    engine.make("block", "SELECT rule, block FROM old_posting UNION SELECT rule, block FROM fresh_posting")
    _load_near(engine)
    engine.make(
        "crossed",
        "SELECT rule, block FROM (SELECT n.rule AS rule, n.block AS block, n.now AS now, n.now - n.came + coalesce(o.went, 0) "
        "AS was FROM (SELECT rule, block, count(*) AS now, count(CASE WHEN came THEN 1 END) AS came FROM near GROUP BY rule, block) n "
        "LEFT JOIN (SELECT rule, block, count(*) AS went FROM old_posting GROUP BY rule, block) o "
        "ON o.rule = n.rule AND o.block = n.block) sized JOIN cap USING (rule) WHERE (now <= cap) <> (was <= cap)",
    )
    engine.make(
        "crossing",
        "SELECT DISTINCT record_key FROM near JOIN crossed USING (rule, block) "
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
        _load_near(engine)


def _load_near(engine: Engine) -> None:
    engine.make(
        "near",
        f"SELECT p.rule AS rule, p.block AS block, p.record_key AS record_key, false AS came "
        f"FROM {engine.base(POSTING_INDEX)} p JOIN block USING (rule, block) "
        "WHERE p.record_key NOT IN (SELECT record_key FROM changed) "
        f"UNION ALL SELECT {_POSTING}, true FROM fresh_posting",
    )


def make_touching_pairs(engine: Engine) -> None:
    """Make `touching` (left_key, right_key, rule_mask): every candidate pair that has a touched record in it."""
    engine.make(
        "active",
        "SELECT rule, block FROM (SELECT rule, block, count(*) AS n FROM near GROUP BY rule, block) sized "
        "JOIN cap USING (rule) WHERE n BETWEEN 2 AND cap",
    )
    engine.make(
        "live",
        "SELECT n.rule AS rule, n.block AS block, n.record_key AS record_key, t.record_key IS NOT NULL AS moved "
        "FROM near n JOIN active USING (rule, block) LEFT JOIN touched t ON t.record_key = n.record_key",
    )
    engine.make(
        "touching",
        "SELECT least(a.record_key, b.record_key) AS left_key, greatest(a.record_key, b.record_key) AS right_key, "
        "bit_or(a.rule) AS rule_mask FROM live a JOIN live b ON a.rule = b.rule AND a.block = b.block "
        "AND a.record_key <> b.record_key WHERE a.moved AND (NOT b.moved OR a.record_key < b.record_key) GROUP BY 1, 2",
    )


def load_records(engine: Engine, pairs: str) -> None:
    """Make `features`: the changed records and those that pairs name, as they are now."""
    _load(
        engine,
        f"SELECT record_key FROM (SELECT left_key AS record_key FROM {pairs} UNION SELECT right_key FROM {pairs}) named "
        "WHERE record_key NOT IN (SELECT record_key FROM changed)",
        "fresh",
    )


def load_closed(engine: Engine) -> None:
    """Add the closed records that are not there yet to `features`."""
    engine.make("paired", "SELECT * FROM features")
    _load(engine, "SELECT record_key FROM closed WHERE record_key NOT IN (SELECT record_key FROM paired)", "paired")


def _load(engine: Engine, wanted: str, beside: str) -> None:
    engine.make("wanted", wanted)
    engine.make(
        "features",
        f"SELECT * FROM {beside} UNION ALL SELECT * FROM {engine.base(RECORD_FEATURES)} "
        "WHERE record_key IN (SELECT record_key FROM wanted)",
    )


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


def make_inner_pairs(engine: Engine) -> None:
    """Make `inner`: the candidate pairs among closed records that have no touched record in them."""
    engine.make(
        "inner_posting",
        f"SELECT {_POSTING} FROM {engine.base(POSTING_INDEX)} WHERE record_key IN (SELECT record_key FROM closed) "
        "AND record_key NOT IN (SELECT record_key FROM touched)",
    )
    engine.make("block", "SELECT rule, block FROM inner_posting GROUP BY rule, block HAVING count(*) >= 2")
    _load_near(engine)
    engine.make(
        "active",
        "SELECT rule, block FROM (SELECT rule, block, count(*) AS n FROM near GROUP BY rule, block) sized "
        "JOIN cap USING (rule) WHERE n <= cap",
    )
    # a block that a crowd shares is silent: it must not be joined with itself to find that out
    engine.make("inner_live", f"SELECT {_POSTING} FROM inner_posting JOIN active USING (rule, block)")
    engine.make(
        "inner_pair",
        "SELECT a.record_key AS left_key, b.record_key AS right_key, bit_or(a.rule) AS rule_mask FROM inner_live a "
        "JOIN inner_live b ON a.rule = b.rule AND a.block = b.block AND a.record_key < b.record_key GROUP BY 1, 2",
    )
