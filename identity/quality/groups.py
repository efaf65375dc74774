"""Does matching serve all alike? Precision and recall for groups of people, from a truth or from clerks' answers. No JVM."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from identity.matching import scoring
from identity.quality import estimate, fairness
from identity.quality.clerical import Sampled, strata_of
from identity.quality.estimate import Cluster, Share
from identity.quality.evaluate import load_truth
from identity.quality.fairness import DIMENSIONS
from identity.tables import MEMBERSHIP, RECORD_FEATURES
from identity.workbench import load_table
from ingestion.tables import RECORDS

ALL = "all"
_HAS = {
    "name": "given_name IS NOT NULL AND family_name IS NOT NULL",
    "birth": "birth_date IS NOT NULL",
    "address": "street IS NOT NULL",
    "email": "len(emails) > 0",
    "phone": "len(phones) > 0",
}


@dataclass(frozen=True, slots=True)
class Group:
    """How one group of people fares: its records, and both rates with their intervals."""

    dimension: str
    name: str
    records: int
    precision: Share | None
    recall: Share | None


def by_truth(lake: Path, truth: Path) -> list[Group]:
    """Return the rates of every group by a truth; pairs of one profile (of one person) count as one observation."""
    connection = _opened(lake)
    load_truth(connection, truth)
    connection.execute(
        "CREATE TABLE counted AS SELECT t.record_key, m.profile_id, t.person_id, "
        "count(*) OVER (PARTITION BY m.profile_id, t.person_id) - 1 AS found, "
        "count(*) OVER (PARTITION BY m.profile_id) - 1 AS claimed, count(*) OVER (PARTITION BY t.person_id) - 1 AS real "
        "FROM truth t JOIN member m USING (record_key) WHERE NOT t.shared"
    )
    records = _records(connection)
    rates = [
        {
            key: estimate.clustered(clusters)
            for key, clusters in _clusters(
                connection,
                f"SELECT {{}}, {unit}, sum(found), sum({of}) FROM counted JOIN grouped USING (record_key) GROUP BY ALL",
            )
        }
        for unit, of in (("profile_id", "claimed"), ("person_id", "real"))
    ]
    connection.close()
    return [Group(*key, count, rates[0].get(key), rates[1].get(key)) for key, count in records.items()]


def by_answers(lake: Path, sample: Sequence[Sampled], answers: Mapping[str, bool]) -> list[Group]:
    """Return the rates of every group by what clerks answered; a pair belongs to the groups of both its records."""
    connection = _opened(lake)
    strata = strata_of(sample, answers)
    rows = [
        (s.id, key, s.claimed, answers[s.id], s.pairs / strata[s.stratum].judged)
        for s in sample
        if s.id in answers
        for key in (s.left, s.right)
    ]
    names = ("id", "record_key", "claimed", "same", "weight")
    kinds = (pa.string(), pa.string(), pa.bool_(), pa.bool_(), pa.float64())
    table = pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows], pa.schema(list(zip(names, kinds, strict=True)))
    )
    connection.register("answer", table)
    records = _records(connection)
    rates = [
        {
            key: estimate.clustered(clusters)
            for key, clusters in _clusters(
                connection,
                "SELECT {}, id, any_value(CASE WHEN claimed AND same THEN weight ELSE 0 END), any_value(weight) "
                f"FROM answer JOIN grouped USING (record_key) WHERE {which} GROUP BY ALL",
            )
        }
        for which in ("claimed", "same")
    ]
    connection.close()
    return [Group(*key, count, rates[0].get(key), rates[1].get(key)) for key, count in records.items()]


def _opened(lake: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection with `features`, `member` and `grouped` (record_key and a column for each dimension)."""
    connection = scoring.connect()
    load_table(connection, lake, RECORD_FEATURES, "features")
    load_table(connection, lake, MEMBERSHIP, "member", ["record_key", "profile_id"])
    load_table(connection, lake, RECORDS, "said", ["record_key", "attributes", "observed_at", "sequence"])
    connection.execute(
        "CREATE TABLE spelt AS SELECT record_key, concat_ws(' ', attributes['given_name'], attributes['family_name'], "
        "attributes['full_name']) AS name FROM said SEMI JOIN features USING (record_key) QUALIFY row_number() OVER "
        "(PARTITION BY record_key ORDER BY observed_at DESC, sequence DESC) = 1"
    )
    connection.execute(
        "CREATE TABLE lived AS SELECT street AS line, postcode AS code, count(DISTINCT profile_id) AS persons FROM features "
        "JOIN member USING (record_key) WHERE street IS NOT NULL GROUP BY ALL"
    )
    lacking = " + ".join(f"CAST(NOT ({condition}) AS INTEGER)" for condition in _HAS.values())
    connection.execute(
        "CREATE TABLE described AS SELECT record_key, coalesce(name, '') AS spelling, coalesce(family_name, '') AS family, "
        f"persons, {lacking} AS lacking FROM features LEFT JOIN spelt USING (record_key) LEFT JOIN lived l "
        "ON l.line = street AND l.code IS NOT DISTINCT FROM postcode WHERE NOT bare"
    )
    for dimension, column, kind, rule in (
        ("script", "spelling", pa.string(), fairness.script),
        ("origin", "family", pa.string(), fairness.origin),
        ("home", "persons", pa.int64(), fairness.home),
        ("missing", "lacking", pa.int64(), fairness.missing),
    ):
        values = [value for (value,) in connection.execute(f"SELECT DISTINCT {column} FROM described").fetchall()]
        told = pa.table({"value": pa.array(values, kind), dimension: pa.array([rule(v) for v in values], pa.string())})
        connection.register("told", told)
        connection.execute(f"CREATE TABLE by_{dimension} AS SELECT * FROM told")
        connection.unregister("told")
    connection.execute(
        "CREATE TABLE grouped AS SELECT record_key, script, origin, home, missing FROM described "
        "JOIN by_script s ON s.value = spelling JOIN by_origin o ON o.value = family "
        "JOIN by_home h ON h.value IS NOT DISTINCT FROM persons JOIN by_missing m ON m.value = lacking"
    )
    return connection


def _records(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Return how many records each group has: all first, then by dimension, large groups first."""
    found = {(ALL, ALL): scoring.count(connection, "grouped")}
    for dimension in DIMENSIONS:
        rows = connection.execute(
            f"SELECT {dimension}, count(*) FROM grouped GROUP BY {dimension} ORDER BY count(*) DESC, {dimension}"
        ).fetchall()
        found |= {(dimension, name): int(count) for name, count in rows}
    return found


def _clusters(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[tuple[str, str], list[Cluster]]]:
    """Yield for each group what is right of what is claimed, by cluster; the query's first column is the group's."""
    for dimension in (ALL, *DIMENSIONS):
        column = f"'{ALL}'" if dimension == ALL else dimension
        by_group: dict[str, list[Cluster]] = defaultdict(list)
        for name, _, right, claimed in connection.execute(query.format(column)).fetchall():
            by_group[name].append(Cluster(float(right), float(claimed)))
        for name, clusters in by_group.items():
            yield (dimension, name), clusters
