"""Tenancies in the blocks of identifiers that are given out again: the twin of `identity.cookies.validity` in SQL.

Who carried a value without a longer pause in between shares it. The steps run on DuckDB and Spark as they stand, and are
left out where no identifier type is given out again. A block above its cap is silent and has no tenancies.
"""

from identity.engine.base import Engine

_ORDER = "ORDER BY seen_from, seen_to, record_key ROWS BETWEEN UNBOUNDED PRECEDING AND"


def _paused(sightings: str, block: str) -> str:
    """Return SQL for sightings with `begins`: 1 where nobody had shown the value for longer than its pause, else 0."""
    return (
        f"SELECT {block}, record_key, seen_from, seen_to, CASE WHEN seen_from - max(seen_to) OVER "
        f"(PARTITION BY {block} {_ORDER} 1 PRECEDING) > pause THEN 1 ELSE 0 END AS begins FROM {sightings}"
    )


def find_stirred(engine: Engine) -> None:
    """Make `stirred` (rule, block): blocks that a change is in and that were, or are now, of several tenancies.

    There two records that did not change may have come together, or apart. Reads `near`, `old_posting` and `cap`.
    """
    moments = "rule, block, record_key, seen_from, seen_to"
    engine.make(
        "sighting",
        f"SELECT now, {moments}, pause FROM (SELECT true AS now, {moments} FROM near UNION ALL SELECT false, {moments} "
        f"FROM near WHERE NOT came UNION ALL SELECT false, {moments} FROM old_posting) seen "
        "JOIN cap USING (rule) WHERE pause IS NOT NULL",
    )
    engine.make(
        "stirred",
        f"SELECT DISTINCT p.rule AS rule, p.block AS block FROM ({_paused('sighting', 'now, rule, block')}) p "
        "JOIN cap c ON c.rule = p.rule JOIN (SELECT rule, block, count(*) AS n FROM near GROUP BY rule, block) sized "
        "ON sized.rule = p.rule AND sized.block = p.block WHERE begins = 1 AND n <= cap",
    )
    engine.drop("sighting")


def find_tenancies(engine: Engine) -> None:
    """Make `tenancy` (rule, block, record_key, tenancy) of the active blocks whose values are given out again."""
    sightings = (
        "(SELECT n.rule AS rule, n.block AS block, n.record_key AS record_key, n.seen_from AS seen_from, "
        "n.seen_to AS seen_to, c.pause AS pause FROM near n JOIN active a ON a.rule = n.rule AND a.block = n.block "
        "JOIN cap c ON c.rule = n.rule WHERE c.pause IS NOT NULL) seen"
    )
    engine.make(
        "tenancy",
        "SELECT rule, block, record_key, CAST(sum(begins) OVER "
        f"(PARTITION BY rule, block {_ORDER} CURRENT ROW) AS BIGINT) AS tenancy FROM ({_paused(sightings, 'rule, block')}) runs",
    )


def told_apart(postings: str) -> str:
    """Return SQL for postings with the tenancy that each is in; a rule whose values are not given out again has one."""
    return (
        "SELECT p.rule AS rule, p.block AS block, p.record_key AS record_key, coalesce(t.tenancy, 0) AS tenancy "
        f"FROM {postings} p LEFT JOIN tenancy t "
        "ON t.rule = p.rule AND t.block = p.block AND t.record_key = p.record_key"
    )
