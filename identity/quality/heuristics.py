"""Signs of wrong and of missed merges that need no labels: shares of profiles, and of identifiers. No JVM."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from identity.config import IdentityConfig
from identity.matching import scoring
from identity.tables import MEMBERSHIP, PROFILE_INDEX, RECORD_FEATURES
from identity.workbench import load_table

_GIVEN, _BIRTHS, _FAMILY = 3, 2, 3


@dataclass(frozen=True, slots=True)
class Sign:
    """How many of something show a sign: of too much put together (`over`) or too little (`under`)."""

    name: str
    side: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """Return the share."""
        return self.count / self.of if self.of else 0.0


def signs(lake: Path, config: IdentityConfig) -> list[Sign]:
    """Return every sign, those of over-merging first."""
    connection = scoring.connect()
    for name, table in (("member", MEMBERSHIP), ("feature", RECORD_FEATURES), ("profile", PROFILE_INDEX)):
        load_table(connection, lake, table, name)
    connection.execute(
        "CREATE TABLE person AS SELECT profile_id, count(DISTINCT given_name) AS given, count(DISTINCT family_name) AS family, "
        "count(DISTINCT birth_date) AS births, count(DISTINCT sex) AS sexes, count(DISTINCT suffix) AS suffixes, "
        "count(DISTINCT substr(birth_date, 1, 4)) AS years FROM member JOIN feature USING (record_key) GROUP BY profile_id"
    )
    connection.execute(
        "CREATE TABLE held AS SELECT DISTINCT profile_id, i.type AS type, i.value AS value "
        "FROM (SELECT record_key, unnest(identifiers) AS i FROM feature) JOIN member USING (record_key)"
    )
    found = [*_over(connection, config), *_under(connection, config)]
    connection.close()
    return found


def _over(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> Iterator[Sign]:
    several = "SELECT count(*) FILTER ({}), count(*) FROM person "
    several += "JOIN (SELECT profile_id, size, status, negative_share FROM profile) USING (profile_id) WHERE size > 1"
    for name, condition in (
        (f"profiles of several records with {_GIVEN} given names or more", f"given >= {_GIVEN}"),
        (f"… with {_FAMILY} family names or more", f"family >= {_FAMILY}"),
        (f"… with {_BIRTHS} dates of birth or more", f"births >= {_BIRTHS}"),
        ("… with two years of birth or more", "years >= 2"),
        ("… with two sexes", "sexes >= 2"),
        ("… with two generations (Jr, Sr)", "suffixes >= 2"),
        ("… that a comparison contradicts in a third of its ties", "negative_share > 0.33"),
        ("… that are held", "status = 'held'"),
    ):
        yield _sign(connection, name, "over", several.format(condition))
    for kind, said in config.identifiers.items():
        # a limit within a window says nothing of a whole life
        if said.limit and said.limit.days is None and not said.anonymous:
            most = max(2, said.limit.values // 2)
            yield _sign(
                connection,
                f"profiles with a {kind} that have more than {most}",
                "over",
                f"SELECT count(*) FILTER (n > {most}), count(*) FROM "
                f"(SELECT count(*) AS n FROM held WHERE type = '{kind}' GROUP BY profile_id)",
            )


def _under(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> Iterator[Sign]:
    for kind, said in config.identifiers.items():
        if said.strength in {"decisive", "strong"} and not said.anonymous:
            yield _sign(
                connection,
                f"values of {kind} that lie in several profiles",
                "under",
                f"SELECT count(*) FILTER (n > 1), count(*) FROM (SELECT count(*) AS n FROM held WHERE type = '{kind}' GROUP BY value)",
            )
    yield _sign(
        connection,
        "names with date of birth and postcode that lie in several profiles",
        "under",
        "SELECT count(*) FILTER (n > 1), count(*) FROM (SELECT count(DISTINCT profile_id) AS n FROM member JOIN feature "
        "USING (record_key) WHERE given_name IS NOT NULL AND family_name IS NOT NULL AND birth_date IS NOT NULL "
        "AND postcode IS NOT NULL GROUP BY given_name, family_name, birth_date, postcode)",
    )
    yield _sign(
        connection,
        "records that describe somebody and are alone",
        "under",
        "SELECT count(*) FILTER (size = 1), count(*) FROM feature JOIN member USING (record_key) "
        "JOIN profile USING (profile_id) WHERE NOT bare",
    )


def _sign(connection: duckdb.DuckDBPyConnection, name: str, side: str, query: str) -> Sign:
    [(count, of)] = connection.execute(query).fetchall()
    return Sign(name, side, int(count), int(of))
