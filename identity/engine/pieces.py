"""From weighed pairs to persons: components, the pieces of those that are too large, missing evidence, settling."""

from identity.config import IdentityConfig
from identity.engine.base import Engine
from identity.model import MICRO
from identity.tables import EDGES

_STEP = 2
_HIGHEST = 60


def make_components(engine: Engine, config: IdentityConfig) -> None:
    """Make `component` (who could be one person at all) and `piece` (the same, cut where it is too large).

    Both hold (record_key, component) of the closed records that anything links. A component too large to be a few
    people is cut at higher weights, two bits at a time, until its pieces are not.
    """
    threshold, limit = config.thresholds.merge, config.limits.jumbo
    engine.make("linked", _linked(threshold, "closed"))
    engine.make("linked_node", _ENDS)
    engine.components("linked_node", "linked", "component")
    engine.make("piece", "SELECT record_key, component FROM component")
    engine.make("jumbo", _jumbo(limit))
    while engine.count("jumbo") and threshold < _HIGHEST:
        threshold += _STEP
        engine.make("linked", _linked(threshold, "jumbo"))
        engine.make("linked_node", _ENDS)
        engine.components("linked_node", "linked", "smaller")
        engine.make(
            "cut",
            "SELECT record_key, component FROM piece WHERE record_key NOT IN (SELECT record_key FROM jumbo) "
            "UNION ALL SELECT record_key, component FROM smaller",
        )
        engine.make("piece", "SELECT record_key, component FROM cut")
        engine.make("jumbo", _jumbo(limit))


_ENDS = "SELECT left_key AS record_key FROM linked UNION SELECT right_key FROM linked"


def _linked(threshold: float, among: str) -> str:
    inside = f"left_key IN (SELECT record_key FROM {among}) AND right_key IN (SELECT record_key FROM {among})"
    return (
        f"SELECT left_key, right_key FROM weighed WHERE weight_micro > {round(threshold * MICRO)} AND {inside} "
        f"UNION SELECT left_key, right_key FROM wishes WHERE kind = 'must_link' AND {inside}"
    )


def _jumbo(limit: int) -> str:
    return (
        "SELECT p.record_key AS record_key FROM piece p JOIN (SELECT component FROM piece GROUP BY component "
        f"HAVING count(*) > {limit}) large ON large.component = p.component"
    )


def telling(config: IdentityConfig) -> int:
    """Return the micro-bits above which a pair is stored, or links, whatever component it is in."""
    return round(min(config.thresholds.keep, config.thresholds.merge) * MICRO)


def complete(engine: Engine, config: IdentityConfig) -> None:
    """Weigh what is still missing inside components: negative evidence is what stops over-merging.

    That is every candidate that weighed too little to be kept by itself, and inside small pieces what no rule
    brought together at all.
    """
    engine.make(
        "small",
        "SELECT s.record_key AS record_key, s.component AS component FROM (SELECT p.record_key AS record_key, "
        "p.component AS component FROM piece p JOIN features f ON f.record_key = p.record_key WHERE NOT f.bare) s "
        "JOIN (SELECT p.component AS component FROM piece p JOIN features f ON f.record_key = p.record_key WHERE NOT f.bare "
        f"GROUP BY p.component HAVING count(*) BETWEEN 3 AND {config.limits.complete}) c ON c.component = s.component",
    )
    candidates = " UNION ALL ".join(
        f"SELECT left_key, right_key, rule_mask FROM {pairs} JOIN component a ON a.record_key = left_key "
        "JOIN component b ON b.record_key = right_key AND b.component = a.component"
        for pairs in ("touching", "inner_pair")
    )
    engine.make(
        "inside_pair",
        f"SELECT left_key, right_key, max(rule_mask) AS rule_mask FROM ({candidates} UNION ALL "
        "SELECT a.record_key AS left_key, b.record_key AS right_key, CAST(0 AS BIGINT) AS rule_mask "
        "FROM small a JOIN small b ON a.component = b.component AND a.record_key < b.record_key) pairs GROUP BY 1, 2",
    )
    engine.make(
        "missing",
        "SELECT p.left_key AS left_key, p.right_key AS right_key, p.rule_mask AS rule_mask FROM inside_pair p "
        "LEFT JOIN weighed w ON w.left_key = p.left_key AND w.right_key = p.right_key WHERE w.left_key IS NULL",
    )
    if engine.count("missing"):
        engine.weigh("missing", "completed")
        engine.add("weighed", "SELECT * FROM completed")


def nodes_sql(engine: Engine) -> str:
    """Return SQL for what settling and naming need to know of each closed record."""
    return (
        f"SELECT record_key, known, bare, arrival, source, {engine.limited('identifiers')} AS limited FROM features "
        "WHERE record_key IN (SELECT record_key FROM closed)"
    )


def sizes(engine: Engine) -> tuple[int, int]:
    """Return how many components there are, and how many records the largest has."""
    engine.make("component_size", "SELECT component, count(*) AS records FROM component GROUP BY component")
    engine.make(
        "largest",
        "SELECT c.record_key AS record_key FROM component c JOIN (SELECT max(component) AS component FROM component_size "
        "WHERE records = (SELECT max(records) FROM component_size)) largest ON largest.component = c.component",
    )
    return engine.count("component_size"), engine.count("largest")


def make_parts(engine: Engine) -> None:
    """Make `parts` (`components.PART`): the records, edges and constraints of every piece."""
    inside = (
        "JOIN piece a ON a.record_key = left_key JOIN piece b ON b.record_key = right_key AND a.component = b.component"
    )
    engine.make(
        "parts",
        "SELECT p.component AS component, 'node' AS kind, p.record_key AS left_key, CAST(NULL AS STRING) AS right_key, "
        "CAST(0 AS BIGINT) AS weight_micro, CAST(0 AS BIGINT) AS conflict_micro, f.known AS known, f.bare AS bare, "
        "f.limited AS limited FROM piece p JOIN nodes f ON f.record_key = p.record_key UNION ALL "
        "SELECT a.component, 'edge', left_key, right_key, weight_micro, conflict_micro, NULL, NULL, NULL FROM weighed "
        f"{inside} UNION ALL SELECT a.component, w.kind, left_key, right_key, 0, 0, NULL, NULL, NULL FROM wishes w {inside}",
    )


def make_edges(engine: Engine, config: IdentityConfig, version: str) -> None:
    """Make `edges_now` (the edges to store) and `edges_gone` (the keys of the stored ones that they replace).

    Stored are all edges inside components, and what is probable at all across them.
    """
    engine.make(
        "edges_now",
        "SELECT w.left_key AS left_key, w.right_key AS right_key, w.weight_micro AS weight_micro, "
        "w.conflict_micro AS conflict_micro, w.kind AS kind, w.rule_mask AS rule_mask, "
        "CASE WHEN a.component = b.component THEN a.component ELSE '' END AS component, "
        f"'{version}' AS model_version, w.reasons AS reasons, coalesce(v.state, 'suppressed') AS state, "
        # probable, but not enough to make anybody a candidate, or cut from a component that had grown too large
        "coalesce(v.why, 'below_threshold') AS why FROM weighed w "
        "LEFT JOIN component a ON a.record_key = w.left_key LEFT JOIN component b ON b.record_key = w.right_key "
        "LEFT JOIN (SELECT left_key, right_key, state, why FROM settled WHERE kind = 'edge') v "
        "ON v.left_key = w.left_key AND v.right_key = w.right_key "
        f"WHERE a.component = b.component OR w.weight_micro > {round(config.thresholds.keep * MICRO)}",
    )
    engine.make(
        "edges_gone",
        f"SELECT left_key, right_key FROM {engine.base(EDGES, EDGES.keys)} WHERE left_key IN (SELECT record_key FROM touched) "
        "OR right_key IN (SELECT record_key FROM touched) OR (left_key IN (SELECT record_key FROM closed) "
        "AND right_key IN (SELECT record_key FROM closed))",
    )
