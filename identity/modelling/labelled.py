"""Labels where somebody has them: pairs that people judged sharpen what the records taught by themselves.

A label counts like a hundredth of what was learnt without labels: a handful moves little, some hundreds decide. Labels
teach m (how one person's records agree) and how two members of one household agree. They do not teach u: pairs that
somebody took the trouble to judge look more alike than strangers do.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from identity.errors import BadLabels
from identity.matching.linkage import score
from identity.matching.registry import MatchModel, TrainedComparison
from infra.errors import Missing, value_class

COLUMNS = ("source_a", "key_a", "source_b", "key_b", "same")
BELIEF = 100.0
"""How many labelled pairs what was learnt without labels is worth."""
_SMALLEST = 1e-6
_FIGURES = 6
_ANSWERS = dict.fromkeys(("1", "true", "yes", "same"), True) | dict.fromkeys(("0", "false", "no", "different"), False)

_Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Label:
    """Two records by the names that their sources give them, and whether somebody says that they are one person."""

    left: _Name
    right: _Name
    same: bool


@dataclass(frozen=True, slots=True)
class Labels:
    """How many labels teach something, and how many speak of records that are not there to be compared."""

    used: int
    unknown: int


def read(file: Path) -> tuple[Label, ...]:
    """Return the labels of a CSV file, each pair once; raise `BadLabels` with the line where one cannot be meant."""
    if not file.is_file():
        raise Missing(f"there is no file {file.name}; --labels takes a CSV with {', '.join(COLUMNS)}")
    found: dict[tuple[_Name, _Name], tuple[bool, int]] = {}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise BadLabels(file.name, 1, f"no column {', '.join(missing)}", f"name the columns {', '.join(COLUMNS)}")
        for row in rows:
            answer = _ANSWERS.get((row["same"] or "").strip().casefold())
            if answer is None:
                wrong = f"`same` is {value_class(row['same'])}"
                raise BadLabels(file.name, rows.line_num, wrong, "write true or false")
            left, right = sorted(((row["source_a"], row["key_a"]), (row["source_b"], row["key_b"])))
            before = found.setdefault((left, right), (answer, rows.line_num))
            if before[0] != answer:
                wrong = f"line {before[1]} says the opposite of the same two records"
                raise BadLabels(file.name, rows.line_num, wrong, "keep the one that is right")
    return tuple(Label(left, right, same) for (left, right), (same, _) in found.items())


def load(connection: duckdb.DuckDBPyConnection, labels: Sequence[Label]) -> Labels:
    """Make the table `labels` (left_key, right_key, same) for `taught`, of those whose records describe somebody."""
    columns = [[(*x.left, *x.right)[n] for x in labels] for n in range(4)]
    connection.execute(
        "CREATE OR REPLACE TABLE labels AS WITH given AS (SELECT unnest(?) AS source_a, unnest(?) AS key_a, "
        "unnest(?) AS source_b, unnest(?) AS key_b, unnest(?) AS same) "
        "SELECT least(a.record_key, b.record_key) AS left_key, greatest(a.record_key, b.record_key) AS right_key, same "
        "FROM given g JOIN described a ON a.source = g.source_a AND a.key = g.key_a "
        "JOIN described b ON b.source = g.source_b AND b.key = g.key_b AND a.record_key <> b.record_key ORDER BY ALL",
        [*columns, [x.same for x in labels]],
    )
    row = connection.execute("SELECT count(*) FROM labels").fetchone()
    used = int(row[0]) if row else 0
    return Labels(used, len(labels) - used)


def taught(connection: duckdb.DuckDBPyConnection, model: MatchModel) -> MatchModel:
    """Return the model as the table `labels` sharpens it; without that table or without labels it stays as it is."""
    there = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'labels'").fetchone()
    if not there or not there[0]:
        return model
    some = connection.execute("SELECT count(*) FROM labels").fetchone()
    if not some or not some[0]:
        return model
    score(connection, model, "labels", "labels_compared")
    return replace(model, comparisons=tuple(_sharpened(connection, c) for c in model.comparisons))


def _sharpened(connection: duckdb.DuckDBPyConnection, comparison: TrainedComparison) -> TrainedComparison:
    """Return one comparison with m of the pairs labelled one person, and of those at one address labelled two."""
    gamma, levels = f"gamma_{comparison.name}", comparison.levels
    rows = connection.execute(
        f"SELECT {gamma}, count(*) FILTER (same), count(*) FILTER (NOT same AND a.street = b.street "
        "AND a.postcode IS NOT DISTINCT FROM b.postcode) FROM labels_compared "
        "JOIN labels USING (left_key, right_key) JOIN described a ON a.record_key = left_key "
        f"JOIN described b ON b.record_key = right_key WHERE {gamma} >= 0 GROUP BY ALL"
    ).fetchall()
    seen = {len(levels) - 1 - level: (same, at_home) for level, same, at_home in rows}
    counts = [seen.get(position, (0, 0)) for position in range(len(levels))]
    m = blended([level.m for level in levels], [same for same, _ in counts])
    household = [level.household for level in levels]
    if all(household):
        household = list(blended([h or 0.0 for h in household], [at_home for _, at_home in counts]))
    figures = zip(levels, m, household, strict=True)
    return replace(comparison, levels=tuple(replace(level, m=a, household=h) for level, a, h in figures))


def blended(learnt: Sequence[float], counted: Sequence[int], belief: float = BELIEF) -> tuple[float, ...]:
    """Return likelihoods from counts, with what was learnt before standing for `belief` pairs more.

    Without counts they stay what they were, to the last digit: no labels, no other model.
    """
    total = sum(counted)
    if not total:
        return tuple(learnt)
    mass = sum(learnt)
    return tuple(
        float(f"{max((n + belief * p / mass) / (total + belief), _SMALLEST):.{_FIGURES}g}")
        for n, p in zip(counted, learnt, strict=True)
    )
