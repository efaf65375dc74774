"""The questions for stewards, found in the lake as it was last resolved; no JVM, and no value of a person."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from identity.clustering.health import Health, beyond
from identity.config import IdentityConfig, health_borders
from identity.matching import scoring
from identity.model import MICRO, Constraint
from identity.stewardship import review
from identity.stewardship.review import Pair, Task
from identity.tables import EDGES, MEMBERSHIP, PROFILE_INDEX
from infra import shelf
from infra.ids import ProfileId

_PAIR = "left_key, right_key, weight_micro, conflict_micro, why, left_profile, right_profile"
_EDGE_COLUMNS = ("left_key", "right_key", "weight_micro", "conflict_micro", "state", "why")
_QUIET = ("shared", "cannot_link")


def tasks(lake: Path, config: IdentityConfig, standing: Sequence[Constraint]) -> list[Task]:
    """Return what stewards should be asked now, whatever was decided before."""
    connection = scoring.connect()
    connection.register("members", shelf.reader(lake, MEMBERSHIP, columns=["record_key", "profile_id"]))
    connection.execute("CREATE TABLE member AS SELECT * FROM members")
    connection.register("edges", shelf.reader(lake, EDGES, columns=list(_EDGE_COLUMNS)))
    connection.execute(
        "CREATE TABLE pair AS SELECT e.*, a.profile_id AS left_profile, b.profile_id AS right_profile FROM edges e "
        "JOIN member a ON a.record_key = left_key JOIN member b ON b.record_key = right_key"
    )
    border, window = round(config.thresholds.merge * MICRO), round(config.review.window * MICRO)
    found = [
        *review.refused(_refused(connection, border - window), border, window),
        *review.bridges(_around_bridges(connection, border, window), border, window),
        *_torn(connection, config, border),
        *_words(connection, standing),
        *_held(lake, config),
    ]
    connection.close()
    return review.queue(found, config.review.most)


def _refused(connection: duckdb.DuckDBPyConnection, least: int) -> Iterator[Pair]:
    quiet = ", ".join(f"'{why}'" for why in _QUIET)
    return _pairs(
        connection,
        f"SELECT {_PAIR} FROM pair WHERE state = 'suppressed' AND left_profile <> right_profile "
        f"AND why NOT IN ({quiet}) AND weight_micro >= {least}",
    )


def _around_bridges(connection: duckdb.DuckDBPyConnection, border: int, window: int) -> Iterator[Pair]:
    weak = f"SELECT left_profile FROM pair WHERE state = 'kept' AND weight_micro > {border} AND weight_micro <= {border + window}"
    return _pairs(
        connection, f"SELECT {_PAIR} FROM pair WHERE state = 'kept' AND weight_micro > 0 AND left_profile IN ({weak})"
    )


def _torn(connection: duckdb.DuckDBPyConnection, config: IdentityConfig, border: int) -> list[Task]:
    """Return for each profile that holds a strong contradiction its worst pair."""
    worst = round(config.thresholds.strong_negative * MICRO)
    pairs = _pairs(
        connection,
        f"SELECT {_PAIR} FROM pair WHERE state = 'kept' AND conflict_micro <= {worst} QUALIFY row_number() OVER "
        "(PARTITION BY left_profile ORDER BY conflict_micro, left_key, right_key) = 1",
    )
    return [review.pair_task(pair, "contradiction", "inside", border) for pair in pairs]


def _words(connection: duckdb.DuckDBPyConnection, standing: Sequence[Constraint]) -> list[Task]:
    """Return the stewards' words that wait for a record, or that are not obeyed."""
    named = sorted({key for wish in standing for key in (wish.left, wish.right)})
    rows = connection.execute(
        "SELECT record_key, profile_id FROM member WHERE list_contains(?, record_key)", [named]
    ).fetchall()
    profile = {key: ProfileId(profile_id) for key, profile_id in rows}
    found = []
    for wish in standing:
        left, right = profile.get(wish.left), profile.get(wish.right)
        if left is None or right is None:
            found.append(review.word_task(wish, "waiting", left or right or ProfileId(wish.left), None))
        elif (left == right) != (wish.kind == "must_link"):
            found.append(review.word_task(wish, wish.kind, left, None if left == right else right))
    return found


def _held(lake: Path, config: IdentityConfig) -> list[Task]:
    borders = health_borders(config)
    names = ("size", "density", "weakest_micro", "negative_share", "births", "forenames", "phones")
    found = []
    for batch in shelf.reader(lake, PROFILE_INDEX, columns=["profile_id", "status", *names]):
        for row in batch.to_pylist():
            if row["status"] == "held":
                over = beyond(Health(*(row[name] for name in names)), borders)
                found.append(review.held_task(ProfileId(row["profile_id"]), row["size"], over))
    return found


def _pairs(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[Pair]:
    rows: Any = connection.execute(query)
    while batch := rows.fetchmany(10_000):
        yield from (Pair(*row) for row in batch)
