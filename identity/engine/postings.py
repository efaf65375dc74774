"""The keys that candidates are looked for by, as (rule, block) of each record; row by row, in DuckDB on every engine.

A block is a digest of the key and no engine's own hash: it is stored, and must mean the same next year.
"""

from identity.config import BLOCKING_KEYS, IdentityConfig, recycled, timed
from identity.matching.evidence import bits
from identity.model import ALWAYS

POSTING = ("rule", "block", "record_key")
SIGHTING = (*POSTING, "seen_from", "seen_to")
"""A posting with the moments from and to which its record carried the value, where values are given out again."""


def caps(config: IdentityConfig) -> dict[int, int]:
    """Return by rule how many records a block may have before it is silent."""
    mask = bits(config)
    by_identifier = {mask[name]: kind.fan_out for name, kind in config.identifiers.items()}
    by_rule = {mask["+".join(rule)]: config.limits.block for rule in config.blocking}
    return {**by_identifier, **by_rule}


def caps_sql(config: IdentityConfig) -> str:
    """Return SQL for (rule, cap, pause), one row a rule; a pause in seconds only where values are given out again."""
    mask = bits(config)
    pauses = {mask[name]: pause for name, pause in recycled(config).items()}
    rows = [
        f"SELECT CAST({rule} AS BIGINT) AS rule, CAST({cap} AS BIGINT) AS cap, "
        f"CAST({pauses.get(rule, 'NULL')} AS BIGINT) AS pause"
        for rule, cap in caps(config).items()
    ]
    return " UNION ALL ".join(rows)


def limited_value(config: IdentityConfig) -> str:
    """Return SQL that DuckDB and Spark both run, for what clustering reads of a limited identifier `i`.

    Its moments are left out where no limit asks for them: a value whose moments are unknown counts as seen always.
    """
    if not timed(config):
        return "i.type || ':::' || i.token"
    first, last = (f"coalesce(CAST(i.{name} AS STRING), '')" for name in ("seen_from", "seen_to"))
    return f"i.type || ':' || {first} || ':' || {last} || ':' || i.token"


def postings_sql(config: IdentityConfig, records: str) -> str:
    """Return DuckDB's SQL for the postings (`SIGHTING`) of records in the shape of `record_features`."""
    mask = bits(config)
    found = []
    never = "CAST(NULL AS BIGINT) AS seen_from, CAST(NULL AS BIGINT) AS seen_to"
    if config.identifiers:
        rules = " ".join(f"WHEN '{name}' THEN {mask[name]}" for name in config.identifiers)
        found.append(
            f"SELECT {'' if recycled(config) else 'DISTINCT '}CAST(CASE i.type {rules} END AS BIGINT) AS rule, "
            f"{_digest('i.type', 'i.value')} AS block, record_key, {_moments(config) or never} "
            f"FROM (SELECT record_key, kind, key, unnest(identifiers) AS i FROM {records}) "
            f"WHERE i.type IN ({', '.join(repr(name) for name in config.identifiers)}) "
            # an interval's own cookie is what made it an interval: it says nothing more
            f"AND NOT (kind = 'interval' AND starts_with(key, i.value || '|')){' GROUP BY 1, 2, 3' if recycled(config) else ''}"
        )
    for rule in config.blocking:
        columns = ", ".join(f"{BLOCKING_KEYS[key]} AS k{n}" for n, key in enumerate(rule))
        keys = [f"k{n}" for n in range(len(rule))]
        found.append(
            f"SELECT DISTINCT CAST({mask['+'.join(rule)]} AS BIGINT) AS rule, {_digest(*keys)} AS block, record_key, {never} "
            f"FROM (SELECT record_key, {columns} FROM {records} WHERE NOT bare) "
            f"WHERE {' AND '.join(f'{key} IS NOT NULL' for key in keys)}"
        )
    return (
        " UNION ALL ".join(found)
        if found
        else f"SELECT 0 AS rule, 0 AS block, record_key, {never} FROM {records} WHERE false"
    )


def _moments(config: IdentityConfig) -> str:
    """Return SQL for from when to when a value that is given out again was carried; unknown is always. Empty for no such type."""
    types = ", ".join(f"'{name}'" for name in recycled(config))
    first, last = ALWAYS
    return types and (
        f"min(CASE WHEN i.type IN ({types}) THEN coalesce(i.seen_from, {first}) END) AS seen_from, "
        f"max(CASE WHEN i.type IN ({types}) THEN coalesce(i.seen_to, {last}) END) AS seen_to"
    )


def _digest(*keys: str) -> str:
    joined = " || chr(31) || ".join(f"CAST({key} AS VARCHAR)" for key in keys)
    return f"CAST(md5_number_lower({joined}) & 9223372036854775807 AS BIGINT)"
