"""A resolution rehearsed on the lake as it is, with other rules or another model: nothing is written there, no JVM.

The engine is the one of the job, over all records, with DuckDB beneath it; only the lake's writers are missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from identity.clustering.health import Health, status
from identity.config import IdentityConfig, compared, health_borders
from identity.engine.batch import Counts, resolve_batch
from identity.engine.local import Local
from identity.errors import Unresolved
from identity.fields.features import LONGEST_NUMBER
from identity.matching import frequencies, registry, scoring
from identity.matching.registry import MatchModel
from identity.model import MICRO, Constraint
from identity.modelling import labelled, modelbook, training
from identity.modelling.labelled import Label
from identity.stewardship.plan import Before, Example, Plan, Tie, size_class, unheard
from identity.tables import (
    EDGES,
    MEMBERSHIP,
    POSTING_INDEX,
    PROFILE_INDEX,
    RECORD_FEATURES,
    TF_SNAPSHOT,
)
from infra import shelf
from infra.arrow import nothing
from infra.identifiers import is_blocked
from infra.ids import ProfileId, RecordKey
from infra.tables import Table

_ROWS = 40_000
_NEXT = 2**31
_EXAMPLES = 5
_RECORDS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to rehearse: the configuration as it is and as it would be, stewards' words, and whether to learn anew."""

    now: IdentityConfig
    then: IdentityConfig
    constraints: Sequence[Constraint] = ()
    train: bool = False
    labels: Sequence[Label] = ()


def rehearse(lake: Path, wanted: Wanted, folder: Path) -> Plan:
    """Return what a resolution of all records would change; nothing is written but what spills into the folder."""
    if not shelf.exists(lake, MEMBERSHIP):
        raise Unresolved
    connection = scoring.connect()
    connection.execute(f"SET temp_directory = '{folder}'")
    scoring.load_features(connection, shelf.reader(lake, RECORD_FEATURES))
    _block(connection, wanted)
    _number(connection, wanted.then)
    model, present = _model(connection, lake, wanted)
    counts = _resolved(connection, lake, wanted, model)
    connection.execute(
        "CREATE OR REPLACE TABLE moves AS SELECT record_key, b.profile_id AS was, a.profile_id AS now "
        "FROM was b FULL JOIN members_now a USING (record_key)"
    )
    _measure(connection)
    plan = _plan(connection, lake, wanted, (model.version, present), counts.candidates)
    connection.close()
    return plan


def _resolved(connection: duckdb.DuckDBPyConnection, lake: Path, wanted: Wanted, model: MatchModel) -> Counts:
    """Run the engine over all records, as a rebuild does; its outcome stays in the connection's tables."""
    connection.execute("CREATE OR REPLACE TABLE fresh AS SELECT * FROM features")
    connection.execute("CREATE OR REPLACE TABLE gone (record_key VARCHAR)")
    connection.execute("CREATE OR REPLACE TABLE taken (old_key VARCHAR, record_key VARCHAR)")
    connection.execute("CREATE OR REPLACE TABLE wishes (kind VARCHAR, left_key VARCHAR, right_key VARCHAR)")
    words = sorted({(c.kind, min(c.left, c.right), max(c.left, c.right)) for c in wanted.constraints})
    if words:
        connection.executemany("INSERT INTO wishes VALUES (?, ?, ?)", words)

    def base(table: Table, columns: Sequence[str] | None) -> pa.RecordBatchReader:
        blank = table in (POSTING_INDEX, EDGES) or not shelf.exists(lake, table)
        return nothing(table, columns) if blank else shelf.reader(lake, table, columns=columns)

    engine = Local(connection.cursor(), model, wanted.then, base)
    return resolve_batch(engine, wanted.then, model.version, _NEXT)


def _block(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> None:
    """Take newly blocked values from the features, as normalising would have left them out."""
    connection.execute("CREATE OR REPLACE TABLE struck (type VARCHAR, value VARCHAR)")
    for name, kind in wanted.then.identifiers.items():
        was = wanted.now.identifiers.get(name)
        if was is None or set(kind.blocked) <= set(was.blocked):
            continue
        held = connection.execute(
            "SELECT DISTINCT i.value FROM (SELECT unnest(identifiers) AS i FROM features) WHERE i.type = ?", [name]
        ).fetchall()
        rows = [(name, value) for (value,) in held if is_blocked(kind, value)]
        if rows:
            connection.executemany("INSERT INTO struck VALUES (?, ?)", rows)
    if not scoring.count(connection, "struck"):
        return
    connection.execute(
        "UPDATE features SET identifiers = list_filter(identifiers, lambda i: NOT list_contains(pairs, i.type || chr(0) || i.value)), "
        "emails = list_filter(emails, lambda e: NOT list_contains(gone, e)), "
        "phones = list_filter(phones, lambda p: NOT list_contains(gone, p)) "
        "FROM (SELECT list(type || chr(0) || value) AS pairs, list(value) AS gone FROM struck)"
    )
    # a mailbox is called by the emails there are
    connection.execute("UPDATE features SET handle = NULL, mail_year = NULL WHERE len(emails) = 0")
    scoring.describe(connection)


def _number(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> None:
    """Tell the numbers of the types that would be unique, which the records hold among their identifiers."""
    unique = [name for name, kind in config.identifiers.items() if kind.unique]
    if not unique:
        return
    connection.execute("ALTER TABLE features ADD COLUMN IF NOT EXISTS numbers VARCHAR[]")
    connection.execute(
        "UPDATE features SET numbers = list_sort(list_distinct(list_transform("
        "list_filter(identifiers, lambda i: list_contains(names, i.type) "
        f"AND length(i.value) <= {LONGEST_NUMBER}), lambda i: i.type || ':' || i.value))) "
        "FROM (SELECT ? AS names)",
        [unique],
    )
    scoring.describe(connection)


def _model(connection: duckdb.DuckDBPyConnection, lake: Path, wanted: Wanted) -> tuple[MatchModel, str | None]:
    """Return the model that a run would use, learnt now where it would learn one, and the version of the present one."""
    newest = modelbook.newest(lake)
    # by its stored name: one of another format is not read, and gives way to one that is learnt anew
    present = None if newest is None else newest.version
    config, records = wanted.then, scoring.count(connection, "described")
    fits = newest is not None and registry.usable(
        newest.text, compared(config), records, config.model.retrain_when_grown
    )
    if newest is not None and fits and not wanted.train:
        model = newest.model()
        frequencies.load(connection, shelf.parquet_files(lake, TF_SNAPSHOT), model.frequencies_digest)
        return model, present
    if wanted.labels:
        labelled.load(connection, wanted.labels)
    return training.train(connection, config), present


def _measure(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `measured`: the health of every profile-to-be, as `identity.transforms.profile_index` has it."""
    connection.execute(
        "CREATE OR REPLACE TABLE measured AS WITH web AS (SELECT a.profile_id, count(*) AS pairs, "
        "min(e.weight_micro) FILTER (e.weight_micro > 0) AS weakest, avg(CAST(e.conflict_micro < 0 AS DOUBLE)) AS negative "
        "FROM edges_now e JOIN members_now a ON a.record_key = e.left_key WHERE e.state = 'kept' GROUP BY a.profile_id), "
        "people AS (SELECT a.profile_id, count(*) AS size, count(DISTINCT birth_date) AS births, "
        "count(DISTINCT given_name) AS forenames, len(list_distinct(flatten(list(phones)))) AS phones "
        "FROM members_now a JOIN fresh USING (record_key) GROUP BY a.profile_id), "
        "vouched AS (SELECT DISTINCT l.profile_id FROM wishes JOIN members_now l ON l.record_key = left_key "
        "JOIN members_now r ON r.record_key = right_key AND r.profile_id = l.profile_id WHERE kind = 'must_link') "
        "SELECT p.profile_id, p.size, round(CASE WHEN p.size = 1 THEN 1.0 ELSE coalesce(w.pairs, 0) / (p.size * (p.size - 1) / 2) END, 4) "
        "AS density, w.weakest, round(coalesce(w.negative, 0.0), 4) AS negative, p.births, p.forenames, p.phones, "
        "v.profile_id IS NOT NULL AS vouched FROM people p LEFT JOIN web w USING (profile_id) LEFT JOIN vouched v USING (profile_id)"
    )


def _plan(
    connection: duckdb.DuckDBPyConnection, lake: Path, wanted: Wanted, versions: tuple[str, str | None], candidates: int
) -> Plan:
    held = _held(connection, wanted.then)
    index = shelf.batches(lake, PROFILE_INDEX, columns=["profile_id", "status"])
    held_before = {row["profile_id"] for batch in index for row in batch.to_pylist() if row["status"] == "held"}
    merges = _uniting(connection, "now", "was")
    splits = _uniting(connection, "was", "now")
    ids = connection.execute(
        "SELECT (SELECT count(*) FROM (SELECT now FROM moves WHERE now IS NOT NULL EXCEPT SELECT was FROM moves)), "
        "(SELECT count(*) FROM (SELECT was FROM moves WHERE was IS NOT NULL EXCEPT SELECT now FROM moves)), "
        "count(*) FILTER (was IS DISTINCT FROM now), count(*) FROM moves"
    ).fetchone()
    created, retired, moved, records = ids or (0, 0, 0, 0)
    return Plan(
        model=versions[0],
        model_before=versions[1],
        learnt=versions[0] != versions[1],
        records=int(records),
        candidates=candidates,
        before=_state(connection, "was", held_before),
        after=_state(connection, "now", held),
        merges=len(merges),
        united=sum(others for _, others in merges),
        splits=len(splits),
        created=int(created),
        retired=int(retired),
        moved=int(moved),
        newly_held=tuple(sorted(held - held_before)),
        released=tuple(sorted(held_before - held)),
        merged_examples=_examples(connection, merges, "now", "was"),
        split_examples=_examples(connection, splits, "was", "now"),
        unheard=unheard(wanted.now, wanted.then),
        touched=_touched(connection),
    )


def _held(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> set[ProfileId]:
    borders = health_borders(config)
    rows = connection.execute(
        "SELECT size, density, weakest, negative, births, forenames, phones, vouched, profile_id FROM measured WHERE size > 1"
    )
    found = set()
    while batch := rows.fetchmany(_ROWS):
        found |= {r[8] for r in batch if status(Health(*r[:7]), borders, vouched=r[7]) == "held"}
    return found


def _state(connection: duckdb.DuckDBPyConnection, column: str, held: set[ProfileId]) -> Before:
    rows = connection.execute(
        f"SELECT size, count(*) FROM (SELECT count(*) AS size FROM moves WHERE {column} IS NOT NULL GROUP BY {column}) "
        "GROUP BY size ORDER BY size"
    ).fetchall()
    sizes: dict[str, int] = {}
    for size, profiles in rows:
        sizes[size_class(size)] = sizes.get(size_class(size), 0) + int(profiles)
    return Before(sum(sizes.values()), max((size for size, _ in rows), default=0), sizes, frozenset(held))


def _uniting(connection: duckdb.DuckDBPyConnection, whole: str, parts: str) -> list[tuple[ProfileId, int]]:
    """Return the profiles of one side that hold records of several of the other, the largest first."""
    return [
        (ProfileId(profile), int(others))
        for profile, others in connection.execute(
            f"SELECT {whole}, count(DISTINCT {parts}) FROM moves WHERE was IS NOT NULL AND now IS NOT NULL "
            f"GROUP BY {whole} HAVING count(DISTINCT {parts}) > 1 ORDER BY count(*) DESC, {whole}"
        ).fetchall()
    ]


def _touched(connection: duckdb.DuckDBPyConnection) -> frozenset[ProfileId]:
    rows = connection.execute(
        "SELECT was FROM moves GROUP BY was HAVING was IS NOT NULL AND (count(DISTINCT now) > 1 OR any_value(now) <> was) "
        "UNION SELECT unnest(list(DISTINCT was)) FROM moves WHERE was IS NOT NULL GROUP BY now HAVING count(DISTINCT was) > 1"
    )
    return frozenset(ProfileId(profile) for (profile,) in rows.fetchall())


def _examples(
    connection: duckdb.DuckDBPyConnection, found: list[tuple[ProfileId, int]], whole: str, parts: str
) -> tuple[Example, ...]:
    """Return the largest changes and some in the middle: what is wrong is wrong in the large, usual is the small."""
    step = max(1, len(found) // _EXAMPLES)
    return tuple(_example(connection, profile, whole, parts) for profile, _ in found[::step][:_EXAMPLES])


def _example(connection: duckdb.DuckDBPyConnection, profile: ProfileId, whole: str, parts: str) -> Example:
    connection.execute(
        f"CREATE OR REPLACE TABLE shown AS SELECT record_key, {parts} AS part FROM moves WHERE {whole} = ?", [profile]
    )
    rows = connection.execute("SELECT record_key, part FROM shown ORDER BY part, record_key").fetchall()
    tie = connection.execute(
        "SELECT w.left_key, w.right_key, w.weight_micro, w.why FROM edges_now w "
        "JOIN shown a ON a.record_key = w.left_key JOIN shown b ON b.record_key = w.right_key AND b.part <> a.part "
        "ORDER BY w.weight_micro DESC, w.left_key, w.right_key LIMIT 1"
    ).fetchone()
    others = tuple(ProfileId(p) for p in sorted({part for _, part in rows if part is not None} - {profile}))
    return Example(
        profile,
        others,
        tuple(RecordKey(key) for key, _ in rows[:_RECORDS_SHOWN]),
        Tie(tie[0], tie[1], round(tie[2] / MICRO, 3), tie[3]) if tie else None,
    )
