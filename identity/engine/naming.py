"""Names that last, and what changed: profile ids, heirs, aliases and events of the closed records.

A profile is called by the birth id of its best-ranked name. A record holds its own name for life, and the names of
those that are gone and left it to it: an id that was ever published passes, with its rank, to the best-ranked
record that was in one profile with it (or to the record that took over its events), and comes back if its own
record comes back. `identity.clustering.ids` is the twin in plain Python.
"""

from identity.engine.base import Engine
from identity.tables import PROFILE_ALIAS, RECORD_FEATURES, SUCCESSION

_RANK = "anonymous, arrival, source, id"
_RANKED = ("record_key", "known", "arrival", "source")


def find_heirs(engine: Engine, batch: int) -> None:
    """Make `lost` (records that are no more), `succession_now` (ids that pass on now) and `moved_in` (whom that touches).

    Reads `gone`, `fresh`, and `taken` (old_key, record_key): who took over the events of an anonymous record.
    """
    engine.make(
        "lost",
        "SELECT record_key, profile_id FROM was WHERE record_key IN (SELECT record_key FROM gone)",
    )
    engine.make(
        "bequest",
        "SELECT id, heir, anonymous, arrival, source FROM (SELECT id, heir, anonymous, arrival, source, "
        f"row_number() OVER (PARTITION BY id ORDER BY batch DESC) AS newest FROM {engine.base(SUCCESSION)}) s WHERE newest = 1",
    )
    engine.make("published", _published(engine))
    _find_survivors(engine)
    engine.make(
        "lost_name",
        # its own name, if anybody was ever told it
        "SELECT l.record_key AS holder, l.record_key AS id, NOT r.known AS anonymous, r.arrival AS arrival, r.source AS source "
        f"FROM lost l JOIN {engine.base(RECORD_FEATURES, _RANKED)} r ON r.record_key = l.record_key "
        "WHERE l.record_key IN (SELECT id FROM published) "
        "UNION ALL SELECT l.record_key, b.id, b.anonymous, b.arrival, b.source FROM lost l JOIN bequest b "
        "ON b.heir = l.record_key WHERE b.id NOT IN (SELECT record_key FROM was) AND b.id NOT IN (SELECT record_key FROM fresh)",
    )
    engine.make(
        "succession_now",
        "SELECT n.id AS id, coalesce(t.record_key, s.heir, '') AS heir, n.anonymous AS anonymous, n.arrival AS arrival, "
        f"n.source AS source, CAST({batch} AS BIGINT) AS batch FROM lost_name n "
        "LEFT JOIN (SELECT old_key, min(record_key) AS record_key FROM taken "
        "WHERE record_key NOT IN (SELECT record_key FROM gone) GROUP BY old_key) t ON t.old_key = n.holder "
        "LEFT JOIN survivor s ON s.record_key = n.holder",
    )
    engine.make(
        "moved_in",
        "SELECT heir AS record_key FROM succession_now WHERE heir <> '' UNION SELECT b.heir FROM bequest b "
        "WHERE b.heir <> '' AND b.id IN (SELECT record_key FROM fresh)",
    )


def _published(engine: Engine) -> str:
    """Return SQL for every id that anybody was ever told, among those that this change is about."""
    return (
        "SELECT profile_id AS id FROM was "
        f"UNION SELECT alias_id FROM {engine.base(PROFILE_ALIAS)} UNION SELECT id FROM bequest"
    )


def _find_survivors(engine: Engine) -> None:
    """Make `survivor` (record_key, heir): for each lost record the best-ranked that was in one profile with it and is still there."""
    engine.make(
        "bereaved",
        "SELECT record_key, profile_id FROM was "
        "WHERE profile_id IN (SELECT profile_id FROM lost) AND record_key NOT IN (SELECT record_key FROM gone)",
    )
    engine.make(
        "ranked_survivor",
        "SELECT s.record_key AS record_key, s.profile_id AS profile_id, row_number() OVER (PARTITION BY s.profile_id "
        "ORDER BY NOT r.known, r.arrival, r.source, r.record_key) AS place FROM bereaved s "
        f"JOIN {engine.base(RECORD_FEATURES, _RANKED)} r ON r.record_key = s.record_key",
    )
    engine.make(
        "survivor",
        "SELECT l.record_key AS record_key, s.record_key AS heir FROM lost l "
        "JOIN ranked_survivor s ON s.profile_id = l.profile_id AND s.place = 1",
    )


def name_profiles(engine: Engine, batch: int) -> None:
    """Make `members_now`: the rows of `membership` of every closed record. Reads `nodes`, `component` and `settled`."""
    engine.make(
        "will",
        "SELECT id, heir, anonymous, arrival, source FROM succession_now UNION ALL "
        "SELECT id, heir, anonymous, arrival, source FROM bequest WHERE id NOT IN (SELECT id FROM succession_now)",
    )
    engine.make(
        "dead_will",
        # a record that is there again has its name back
        "SELECT id, heir, anonymous, arrival, source FROM will WHERE id NOT IN (SELECT record_key FROM fresh) "
        "AND (id NOT IN (SELECT record_key FROM was) OR id IN (SELECT record_key FROM gone))",
    )
    engine.make(
        "placed",
        "SELECT n.record_key AS record_key, n.known AS known, n.arrival AS arrival, n.source AS source, "
        "coalesce(s.cluster, n.record_key) AS cluster, coalesce(c.component, n.record_key) AS component FROM nodes n "
        "LEFT JOIN (SELECT left_key, cluster FROM settled WHERE kind = 'node') s ON s.left_key = n.record_key "
        "LEFT JOIN component c ON c.record_key = n.record_key",
    )
    engine.make(
        "name",
        "SELECT cluster, record_key AS holder, NOT known AS anonymous, arrival, source, record_key AS id FROM placed "
        "UNION ALL SELECT p.cluster, w.heir, w.anonymous, w.arrival, w.source, w.id FROM dead_will w "
        "JOIN placed p ON p.record_key = w.heir",
    )
    engine.make(
        "best",
        f"SELECT cluster, id FROM (SELECT cluster, id, row_number() OVER (PARTITION BY cluster ORDER BY {_RANK}) AS place "
        "FROM name) ranked WHERE place = 1",
    )
    engine.make(
        "members_before",
        "SELECT record_key, profile_id, component, since_batch FROM was "
        "WHERE record_key IN (SELECT record_key FROM closed) OR record_key IN (SELECT record_key FROM gone)",
    )
    engine.make(
        "members_now",
        "SELECT p.record_key AS record_key, b.id AS profile_id, p.component AS component, p.known AS known, "
        f"CASE WHEN m.profile_id = b.id THEN m.since_batch ELSE CAST({batch} AS BIGINT) END AS since_batch "
        "FROM placed p JOIN best b ON b.cluster = p.cluster LEFT JOIN members_before m ON m.record_key = p.record_key",
    )


def name_aliases(engine: Engine, batch: int) -> None:
    """Make `aliases_now` (the rows of `profile_alias` about ids that this change is about) and `aliases_gone` (their keys)."""
    engine.make("profile_before", "SELECT DISTINCT profile_id FROM members_before")
    engine.make("profile_now", "SELECT DISTINCT profile_id FROM members_now")
    engine.make("alias_before", f"SELECT alias_id, profile_id, since_batch FROM {engine.base(PROFILE_ALIAS)}")
    engine.make(
        "questioned",
        "SELECT profile_id AS id FROM profile_before UNION SELECT alias_id FROM alias_before "
        "WHERE profile_id IN (SELECT profile_id FROM profile_before) OR alias_id IN (SELECT record_key FROM fresh) "
        "UNION SELECT id FROM will WHERE id IN (SELECT record_key FROM fresh) "
        # a record that has its name back holds it wherever it is: what befalls its former heir is no matter of its name
        "UNION SELECT id FROM dead_will WHERE heir IN (SELECT record_key FROM fresh) OR heir IN (SELECT record_key FROM gone)",
    )
    engine.make(
        "aliases_now",
        "SELECT q.id AS alias_id, m.profile_id AS profile_id, CASE WHEN a.profile_id = m.profile_id THEN a.since_batch "
        f"ELSE CAST({batch} AS BIGINT) END AS since_batch FROM questioned q LEFT JOIN dead_will w ON w.id = q.id "
        "JOIN members_now m ON m.record_key = coalesce(w.heir, q.id) LEFT JOIN alias_before a ON a.alias_id = q.id "
        "WHERE q.id NOT IN (SELECT profile_id FROM profile_now)",
    )
    engine.make(
        "aliases_gone", "SELECT alias_id, profile_id FROM alias_before WHERE alias_id IN (SELECT id FROM questioned)"
    )


def tell_events(engine: Engine, batch: int) -> None:
    """Make `events_now`: what changed between the memberships of before and now. Their replay gives the membership.

    CREATED and RESTORED name the record that holds the name, JOINED every other record that came into a profile, LEFT
    every record that went out of one that lives on, or is no more.
    """
    none = "CAST(NULL AS STRING)"
    engine.make(
        "move",
        "SELECT coalesce(b.record_key, n.record_key) AS record_key, b.profile_id AS old, n.profile_id AS new "
        "FROM members_before b FULL JOIN members_now n ON n.record_key = b.record_key "
        "WHERE b.profile_id IS NULL OR n.profile_id IS NULL OR b.profile_id <> n.profile_id",
    )
    engine.make(
        "born", "SELECT profile_id FROM profile_now WHERE profile_id NOT IN (SELECT profile_id FROM profile_before)"
    )
    engine.make(
        "died", "SELECT profile_id FROM profile_before WHERE profile_id NOT IN (SELECT profile_id FROM profile_now)"
    )
    engine.make(
        "holder",
        "SELECT b.profile_id AS profile_id, coalesce(w.heir, b.profile_id) AS record_key FROM born b "
        "LEFT JOIN dead_will w ON w.id = b.profile_id",
    )
    engine.make(
        "told",
        "SELECT CASE WHEN profile_id IN (SELECT id FROM published) THEN 'RESTORED' ELSE 'CREATED' END AS kind, profile_id, "
        f"{none} AS other_id, record_key FROM holder "
        "UNION ALL SELECT 'MERGED', a.profile_id, d.profile_id, NULL FROM died d JOIN aliases_now a ON a.alias_id = d.profile_id "
        "UNION ALL SELECT 'RETIRED', profile_id, NULL, NULL FROM died WHERE profile_id NOT IN (SELECT alias_id FROM aliases_now) "
        "UNION ALL SELECT DISTINCT 'SPLIT', old, new, NULL FROM move WHERE new IS NOT NULL AND old IN (SELECT profile_id FROM profile_now) "
        "UNION ALL SELECT 'JOINED', new, old, record_key FROM move WHERE new IS NOT NULL "
        "AND record_key NOT IN (SELECT record_key FROM holder) "
        "UNION ALL SELECT 'LEFT', old, new, record_key FROM move WHERE old IS NOT NULL "
        "AND (new IS NULL OR old IN (SELECT profile_id FROM profile_now))",
    )
    engine.make(
        "events_now",
        f"SELECT CAST({batch} AS BIGINT) AS batch, kind, profile_id, other_id, record_key FROM told",
    )
