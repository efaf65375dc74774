"""A sample of pairs for people to judge: drawn by a seed from bands of weight, counted back to all pairs. No JVM.

Only pairs of records that describe somebody are drawn: of a card at a till nobody can say whose it is. What is
claimed are all pairs inside profiles, with or without an edge; what may have been missed are the weighed pairs
across profiles. Pairs that no rule ever brought together are in neither, and recall is told among weighed pairs.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from identity.matching import scoring
from identity.model import MICRO
from identity.quality import estimate
from identity.quality.estimate import Share, Stratum
from identity.tables import EDGES, MEMBERSHIP, RECORD_FEATURES
from identity.workbench import load_table
from infra.ids import RecordKey, content_digest

_CLAIMED = ((None, "no edge"), (0, "to 0 bits"), (3, "0 to 3"), (6, "3 to 6"), (12, "6 to 12"), (60, "above 12"))
_REFUSED = ((-1, "to -1 bits"), (1, "-1 to 1"), (6, "1 to 6"), (60, "above 6"))


@dataclass(frozen=True, slots=True)
class Sampled:
    """A pair to be judged: in which stratum, whether the platform claims it, how many pairs its stratum has."""

    id: str
    left: RecordKey
    right: RecordKey
    stratum: str
    claimed: bool
    pairs: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What the answers say so far: precision, recall among weighed pairs, and every stratum."""

    precision: Share | None
    recall: Share | None
    strata: Mapping[str, Stratum]


def draw(lake: Path, size: int, seed: int) -> list[Sampled]:
    """Return a sample, as many pairs of each stratum as there are room and pairs for; the same seed, the same sample."""
    connection = scoring.connect()
    _load(connection, lake)
    totals = dict(connection.execute("SELECT stratum, count(*) FROM pair GROUP BY stratum ORDER BY stratum").fetchall())
    wanted = allocation(totals, size)
    rows = connection.execute(
        "SELECT left_key, right_key, stratum, claimed, place FROM (SELECT *, row_number() OVER (PARTITION BY stratum "
        "ORDER BY md5(left_key || right_key || ?), left_key, right_key) AS place FROM pair) WHERE place <= ? ORDER BY place, stratum",
        [str(seed), max(wanted.values(), default=0)],
    ).fetchall()
    connection.close()
    return [
        Sampled(pair_id(left, right), RecordKey(left), RecordKey(right), stratum, claimed, totals[stratum])
        for left, right, stratum, claimed, place in rows
        if place <= wanted[stratum]
    ]


def allocation(totals: Mapping[str, int], size: int) -> dict[str, int]:
    """Return how many pairs to draw of each stratum: evenly, and what small ones cannot give is given to the others."""
    wanted, left, room = {}, size, len(totals)
    for name, total in sorted(totals.items(), key=lambda item: (item[1], item[0])):
        wanted[name] = min(total, left // room)
        left, room = left - wanted[name], room - 1
    return wanted


def pair_id(a: str, b: str) -> str:
    """Return the id of a pair, whoever stands left; an answer is found by it in every later sample."""
    return content_digest(["judged", *sorted((a, b))])[:16]


def judged(sample: Sequence[Sampled], answers: Mapping[str, bool]) -> Judged:
    """Return what the answers so far say of all pairs."""
    strata = strata_of(sample, answers)
    sides: dict[bool, list[Stratum]] = defaultdict(list)
    for name, claimed in {s.stratum: s.claimed for s in sample}.items():
        sides[claimed].append(strata[name])
    return Judged(estimate.stratified(sides[True]), estimate.recall(sides[True], sides[False]), strata)


def strata_of(sample: Iterable[Sampled], answers: Mapping[str, bool]) -> dict[str, Stratum]:
    """Return for each stratum how many pairs it has, how many were judged, how many of these are one person."""
    found: dict[str, Stratum] = {}
    for one in sample:
        before = found.get(one.stratum, Stratum(one.pairs, 0, 0))
        answer = answers.get(one.id)
        told = (before.judged + (answer is not None), before.same + (answer is True))
        found[one.stratum] = Stratum(one.pairs, *told)
    return found


def _load(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """Make `pair` (left_key, right_key, claimed, stratum)."""
    for name, table, columns in (
        ("member", MEMBERSHIP, ["record_key", "profile_id"]),
        ("feature", RECORD_FEATURES, ["record_key", "bare"]),
        ("edge", EDGES, ["left_key", "right_key", "weight_micro"]),
    ):
        load_table(connection, lake, table, name, columns)
    connection.execute(
        "CREATE TABLE person AS SELECT record_key, profile_id FROM member JOIN feature USING (record_key) WHERE NOT bare"
    )
    connection.execute(
        "CREATE TABLE pair AS WITH inside AS (SELECT a.record_key AS left_key, b.record_key AS right_key FROM person a "
        "JOIN person b ON a.profile_id = b.profile_id AND a.record_key < b.record_key), "
        "across AS (SELECT e.left_key, e.right_key, e.weight_micro FROM edge e JOIN person a ON a.record_key = e.left_key "
        "JOIN person b ON b.record_key = e.right_key AND a.profile_id <> b.profile_id) "
        f"SELECT i.left_key, i.right_key, true AS claimed, {_band('claimed', _CLAIMED)} AS stratum "
        "FROM inside i LEFT JOIN edge USING (left_key, right_key) "
        f"UNION ALL SELECT left_key, right_key, false, {_band('apart', _REFUSED)} FROM across"
    )


def _band(side: str, bands: Sequence[tuple[int | None, str]]) -> str:
    cases = [
        f"WHEN weight_micro IS NULL THEN '{side}: {name}'" if most is None
        else f"WHEN weight_micro <= {most * MICRO} THEN '{side}: {name}'"
        for most, name in bands[:-1]
    ]  # fmt: skip
    return f"CASE {' '.join(cases)} ELSE '{side}: {bands[-1][1]}' END"
