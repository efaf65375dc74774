"""Where are we right? Whole clusters, pairs by their two sources, pairs at one address and elsewhere, housemates. No JVM.

Counted from groups of equal records, never pair by pair. Needs the tables `truth`, `features` and `by_<name>`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

NAMES = ("plain_splink", "kindred")
"""The groupings that are looked at closely: ours, and what it is measured against."""

AT_HOME, ELSEWHERE = "at one address", "elsewhere"


@dataclass(frozen=True, slots=True)
class Rates:
    """Counts of what is right, what is claimed and what is true; and the rates that follow."""

    right: int
    claimed: int
    true: int

    @property
    def precision(self) -> float:
        """Return which share of what is claimed is right; 1 where nothing is claimed."""
        return self.right / self.claimed if self.claimed else 1.0

    @property
    def recall(self) -> float:
        """Return which share of what is true is claimed; 1 where nothing is true."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both."""
        total = self.claimed + self.true
        return 2 * self.right / total if total else 1.0

    def facts(self) -> dict[str, float]:
        """Return counts and rates."""
        return {**asdict(self), "precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True, slots=True)
class Housemates:
    """Wrong pairs by whether the two live together, and how many pairs of housemates there are to be told apart."""

    wrong_at_home: int
    wrong_across: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Rates by grouping: whole clusters; pairs by source pair; pairs by place; housemates where the truth tells."""

    clusters: Mapping[str, Rates]
    sources: Mapping[str, Mapping[str, Rates]]
    places: Mapping[str, Mapping[str, Rates]]
    housemates: Mapping[str, Housemates]

    def facts(self) -> dict[str, object]:
        """Return it all as JSON-able data."""
        return {
            "clusters": {name: rates.facts() for name, rates in self.clusters.items()},
            "sources": {pair: {n: r.facts() for n, r in by.items()} for pair, by in self.sources.items()},
            "places": {place: {n: r.facts() for n, r in by.items()} for place, by in self.places.items()},
            "housemates": {name: asdict(told) for name, told in self.housemates.items()},
        }

    def lines(self) -> Iterator[str]:
        """Yield it as tables for a terminal."""
        names = [name for name in NAMES if name in self.clusters] or list(self.clusters)
        yield ""
        yield f"{'whole clusters, exactly right':32}" + _heads(self.clusters)
        yield f"{'precision':32}" + "".join(f"{r.precision:16.4f}" for r in self.clusters.values())
        yield f"{'recall':32}" + "".join(f"{r.recall:16.4f}" for r in self.clusters.values())
        yield f"{'F1':32}" + "".join(f"{r.f1:16.4f}" for r in self.clusters.values())
        yield ""
        yield f"{'pairs by sources and place':36}{'true':>9}" + "".join(f"{name:>28}" for name in names)
        yield f"{'':45}" + "".join(f"{'P':>12}{'R':>8}{'F1':>8}" for _ in names)
        for what, by_name in (*self.places.items(), *self.sources.items()):
            cells = (by_name[name] for name in names)
            rates = "".join(f"{r.precision:12.4f}{r.recall:8.4f}{r.f1:8.4f}" for r in cells)
            yield f"{what:36}{by_name[names[0]].true:9,}{rates}"
        if self.housemates:
            yield ""
            yield f"{'wrong pairs':36}" + "".join(f"{name:>16}" for name in names)
            told = [self.housemates[name] for name in names]
            yield f"{f'of {told[0].pairs:,} pairs of housemates':36}" + "".join(f"{h.wrong_at_home:16,}" for h in told)
            yield f"{'of people who do not live together':36}" + "".join(f"{h.wrong_across:16,}" for h in told)


def _heads(by_name: Mapping[str, Rates]) -> str:
    return "".join(f"{name:>16}" for name in by_name)


def breakdown(connection: duckdb.DuckDBPyConnection, truth: Path, names: Sequence[str]) -> Breakdown:
    """Return the rates of the groupings; pairs in detail only for those of `NAMES`."""
    connection.execute(
        "CREATE OR REPLACE TABLE judged AS SELECT record_key, person_id, source, "
        "CASE WHEN street IS NOT NULL THEN street || '|' || coalesce(postcode, '') END AS home "
        "FROM truth JOIN features USING (record_key) WHERE NOT shared"
    )
    close = [name for name in names if name in NAMES]
    sources: dict[str, dict[str, Rates]] = {}
    places: dict[str, dict[str, Rates]] = {AT_HOME: {}, ELSEWHERE: {}}
    for name in close:
        connection.execute(
            f"CREATE OR REPLACE TABLE placed AS SELECT j.*, g.person AS grp FROM judged j JOIN by_{name} g USING (record_key)"
        )
        for pair, rates in _by_sources(connection):
            sources.setdefault(pair, {})[name] = rates
        home, everywhere = _rates(connection, ", home", "WHERE home IS NOT NULL"), _rates(connection, "", "")
        places[AT_HOME][name] = home
        places[ELSEWHERE][name] = Rates(
            everywhere.right - home.right, everywhere.claimed - home.claimed, everywhere.true - home.true
        )
    return Breakdown(
        {name: _clusters(connection, name) for name in names},
        {pair: {name: by.get(name, Rates(0, 0, 0)) for name in close} for pair, by in sorted(sources.items())},
        places,
        _housemates(connection, truth, close),
    )


def _clusters(connection: duckdb.DuckDBPyConnection, name: str) -> Rates:
    """Return how many clusters hold all records of a person and no other's."""
    row = connection.execute(
        f"WITH cell AS (SELECT person AS grp, person_id, count(*) AS n FROM judged JOIN by_{name} USING (record_key) GROUP BY ALL), "
        "g AS (SELECT grp, sum(n) AS size FROM cell GROUP BY grp), p AS (SELECT person_id, sum(n) AS size FROM cell GROUP BY person_id) "
        "SELECT (SELECT count(*) FROM cell JOIN g USING (grp) JOIN p USING (person_id) WHERE n = g.size AND n = p.size), "
        "(SELECT count(*) FROM g), (SELECT count(*) FROM p)"
    ).fetchall()[0]
    return Rates(*(int(value) for value in row))


def _rates(connection: duckdb.DuckDBPyConnection, by: str, where: str) -> Rates:
    counts = [
        connection.execute(
            f"SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM (SELECT count(*) AS n FROM placed {where} GROUP BY {keys}{by})"
        ).fetchall()[0][0]
        for keys in ("grp, person_id", "grp", "person_id")
    ]
    return Rates(*(int(value) for value in counts))


def _by_sources(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, Rates]]:
    """Yield the rates of every two sources that have a pair at all."""
    found: dict[str, list[int]] = {}
    for place, keys in enumerate(("grp, person_id", "grp", "person_id")):
        same = " AND ".join(f"a.{key} = b.{key}" for key in keys.split(", "))
        rows = connection.execute(
            f"WITH held AS (SELECT {keys}, source, count(*) AS n FROM placed GROUP BY ALL) "
            "SELECT a.source, b.source, sum(CASE WHEN a.source = b.source THEN a.n * (a.n - 1) // 2 ELSE a.n * b.n END) AS pairs "
            f"FROM held a JOIN held b ON {same} AND a.source <= b.source GROUP BY ALL HAVING pairs > 0 ORDER BY ALL"
        ).fetchall()
        for left, right, pairs in rows:
            found.setdefault(f"{left} + {right}", [0, 0, 0])[place] = int(pairs)
    for pair, (right, claimed, true) in sorted(found.items()):
        yield pair, Rates(right, claimed, true)


def _housemates(connection: duckdb.DuckDBPyConnection, truth: Path, names: Sequence[str]) -> dict[str, Housemates]:
    """Return the wrong pairs by whether the two live together, where the truth knows households."""
    people = truth / "people.csv"
    if not people.is_file():
        return {}
    with people.open(encoding="utf-8") as file:
        if "household_id" not in file.readline().strip().split(","):
            return {}
    connection.execute(
        "CREATE OR REPLACE TABLE housed AS SELECT j.*, h.household_id FROM judged j JOIN "
        "(SELECT DISTINCT person_id, household_id FROM read_csv(?, header = true, all_varchar = true)) h USING (person_id)",
        [str(people)],
    )
    found = {}
    for name in names:
        grouped = f"SELECT {{}}, count(*) AS n FROM housed JOIN by_{name} g USING (record_key) GROUP BY ALL"
        pairs = [
            int(
                connection.execute(
                    f"SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM ({grouped.format(keys)})"
                ).fetchall()[0][0]
            )
            for keys in ("g.person, person_id", "g.person, household_id", "g.person", "household_id", "person_id")
        ]
        right, at_home, claimed, housemates, same = pairs
        found[name] = Housemates(at_home - right, claimed - at_home, housemates - same)
    return found
