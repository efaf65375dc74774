"""How right are we? Pairwise and B-cubed scores, the trap table and what mistakes cost, against a truth. No JVM.

Only resolved records are scored: what consent leaves out has no profile in any grouping, and is counted apart.
Records that several people share (a household's card) are nobody's and left out of pairs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb

from identity.errors import NoTruth
from identity.matching import scoring
from identity.quality import costs, groupings
from identity.quality.breakdown import Breakdown, breakdown
from identity.quality.groupings import GROUPINGS
from identity.tables import MEMBERSHIP, RECORD_FEATURES
from identity.workbench import load_table


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Precision, recall and their harmonic mean, over pairs and over records (B-cubed)."""

    precision: float
    recall: float
    f1: float
    cubed_precision: float
    cubed_recall: float
    cubed_f1: float
    groups: int
    largest: int


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A grouping's accuracy, traps and costs by name, and what was scored."""

    records: int
    people: int
    shared: int
    unresolved: int
    accuracy: Mapping[str, Accuracy]
    traps: Mapping[str, Mapping[str, tuple[int, int]]]
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    breakdown: Breakdown | None = None

    def facts(self) -> dict[str, object]:
        """Return it all as JSON-able data."""
        return asdict(self) | {"breakdown": self.breakdown.facts() if self.breakdown else None}

    def lines(self) -> Iterator[str]:
        """Yield it as tables for a terminal."""
        yield f"{self.records:,} records of {self.people:,} people; left out: {self.shared:,} that several people share,"
        yield f"{self.unresolved:,} that consent, contracts or duplicates keep from being resolved"
        yield ""
        yield f"{'':14}{'precision':>10}{'recall':>8}{'F1':>8}{'B³ P':>9}{'B³ R':>8}{'B³ F1':>8}{'profiles':>10}{'largest':>9}"
        for name, a in self.accuracy.items():
            yield (
                f"{name:14}{a.precision:10.4f}{a.recall:8.4f}{a.f1:8.4f}{a.cubed_precision:9.4f}"
                f"{a.cubed_recall:8.4f}{a.cubed_f1:8.4f}{a.groups:10,}{a.largest:9,}"
            )
        if self.breakdown:
            yield from self.breakdown.lines()
        yield from self._trap_lines()
        yield from self._cost_lines()

    def _trap_lines(self) -> Iterator[str]:
        if not self.traps:
            return
        yield ""
        yield f"{'traps kept':24}" + "".join(f"{name:>16}" for name in self.accuracy)
        for trap, by_name in self.traps.items():
            cells = (by_name[name] for name in self.accuracy)
            yield f"{trap:24}" + "".join(f"{f'{kept:,} of {of:,}':>16}" for kept, of in cells)

    def _cost_lines(self) -> Iterator[str]:
        if not self.costs:
            return
        yield ""
        yield f"{'what it costs':44}" + "".join(f"{name:>14}" for name in self.accuracy)
        for what, by_name in self.costs.items():
            yield f"{what:44}" + "".join(f"{by_name[name]:14,.0f}" for name in self.accuracy)


def score(lake: Path, truth: Path) -> Scorecard:
    """Return how the memberships in a lake, and the naive groupings beside them, stand against a truth folder."""
    if not (truth / "records.csv").is_file():
        raise NoTruth("records.csv")
    connection = scoring.connect()
    for table, at in ((RECORD_FEATURES, "features"), (MEMBERSHIP, "membership")):
        load_table(connection, lake, table, at)
    load_truth(connection, truth)
    groupings.make_groupings(connection)
    accuracy = {name: _accuracy(connection, name) for name in GROUPINGS}
    traps = _traps(connection, truth) if (truth / "traps.csv").is_file() else {}
    closer = breakdown(connection, truth, tuple(GROUPINGS))
    prices = costs.all_costs(connection, lake, truth, tuple(GROUPINGS))
    sizes = _sizes(connection)
    connection.close()
    return Scorecard(**sizes, accuracy=accuracy, traps=traps, costs=prices, breakdown=closer)


def load_truth(connection: duckdb.DuckDBPyConnection, truth: Path) -> None:
    """Make `told` (what the truth names) and `truth` (record_key, person_id, shared: what of it was resolved)."""
    connection.execute(
        "CREATE OR REPLACE TABLE told AS SELECT source, key, any_value(person_id) AS person_id, bool_or(shared) AS shared "
        "FROM (SELECT source, key, person_id, coalesce(CAST(shared AS BOOLEAN), false) AS shared "
        "FROM read_csv(?, header = true, all_varchar = true, union_by_name = true)) GROUP BY ALL",
        [str(truth / "records.csv")],
    )
    connection.execute(
        "CREATE OR REPLACE TABLE truth AS SELECT f.record_key, t.person_id, t.shared "
        "FROM told t JOIN features f USING (source, key)"
    )


def _accuracy(connection: duckdb.DuckDBPyConnection, name: str) -> Accuracy:
    connection.execute(
        "CREATE OR REPLACE TABLE cell AS SELECT person AS grp, person_id, count(*) AS n "
        f"FROM truth JOIN by_{name} USING (record_key) WHERE NOT shared GROUP BY ALL"
    )
    row = connection.execute(
        "WITH g AS (SELECT grp, sum(n) AS n FROM cell GROUP BY grp), p AS (SELECT person_id, sum(n) AS n FROM cell GROUP BY person_id) "
        "SELECT (SELECT sum(n * (n - 1)) FROM cell), (SELECT sum(n * (n - 1)) FROM g), (SELECT sum(n * (n - 1)) FROM p), "
        "(SELECT sum(c.n * c.n / g.n) / sum(c.n) FROM cell c JOIN g USING (grp)), "
        "(SELECT sum(c.n * c.n / p.n) / sum(c.n) FROM cell c JOIN p USING (person_id)), "
        "(SELECT count(*) FROM g), (SELECT max(n) FROM g)"
    ).fetchone()
    right, claimed, true, cubed_p, cubed_r, groups, largest = (float(v or 0) for v in row or (0,) * 7)
    precision, recall = _ratio(right, claimed), _ratio(right, true)
    return Accuracy(
        precision,
        recall,
        _mean(precision, recall),
        cubed_p,
        cubed_r,
        _mean(cubed_p, cubed_r),
        int(groups),
        int(largest),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _mean(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def _traps(connection: duckdb.DuckDBPyConnection, truth: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Return for each trap and grouping how many of its pairs came out right."""
    connection.execute(
        "CREATE OR REPLACE TABLE trap AS SELECT t.trap || CASE WHEN CAST(same AS BOOLEAN) THEN ' (same)' ELSE '' END AS trap, "
        "a.record_key AS a, b.record_key AS b, CAST(same AS BOOLEAN) AS same "
        "FROM read_csv(?, header = true, all_varchar = true) t "
        "JOIN features a ON a.source = t.source_a AND a.key = t.key_a "
        "JOIN features b ON b.source = t.source_b AND b.key = t.key_b",
        [str(truth / "traps.csv")],
    )
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name in GROUPINGS:
        rows = connection.execute(
            "SELECT trap, count(*) FILTER ((x.person = y.person) = same), count(*) FROM trap "
            f"JOIN by_{name} x ON x.record_key = a JOIN by_{name} y ON y.record_key = b GROUP BY trap ORDER BY trap"
        ).fetchall()
        for trap, kept, of in rows:
            found.setdefault(trap, {})[name] = (int(kept), int(of))
    return found


def _sizes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    row = connection.execute(
        "SELECT count(*) FILTER (NOT shared), count(DISTINCT person_id) FILTER (NOT shared), count(*) FILTER (shared), "
        "(SELECT count(*) FROM told) - count(*) FROM truth"
    ).fetchone()
    records, people, shared, unresolved = (int(v) for v in row or (0, 0, 0, 0))
    return {"records": records, "people": people, "shared": shared, "unresolved": unresolved}
