"""What mistakes about who is who cost, from the truth: wrong mailings, doubled ones, wrong purchases, wrong segments.

One rule for every grouping, so that they compare: a profile is mailed once if one of its identifiers carries a
standing yes to email and none a standing no; a purchase belongs to the person to whom most records of its profile
belong; a segment is the quintile of recency, frequency and spending among the buyers.
"""

from pathlib import Path

import duckdb

from consent.tables import CONSENT_EVENT
from infra import shelf
from ingestion.tables import EVENTS

MAILED = "people mailed against a standing refusal"
TWICE = "messages sent again to the same person"
WRONG = "purchases shown to the wrong person"
APART = "purchases missing from their buyer's profile"
SEGMENT = "people in the wrong RFM segment"

_MAIL = "email_marketing"
_NOES = ("refused", "withdrawn", "objected")


def all_costs(
    connection: duckdb.DuckDBPyConnection, lake: Path, truth: Path, names: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Return cost by kind and grouping; a kind whose truth is absent is left out.

    Needs the tables `features`, `truth` and `by_<name>`.
    """
    found: dict[str, dict[str, float]] = {}
    refusals, events = truth / "refusals.csv", truth / "events.parquet"
    mailings = refusals.is_file() and shelf.exists(lake, CONSENT_EVENT)
    purchases = events.is_file() and shelf.exists(lake, EVENTS)
    if mailings:
        _load_mailings(connection, lake, refusals)
    if purchases:
        _load_purchases(connection, lake, events)
    for name in names:
        _owners(connection, name)
        if mailings:
            _note(found, name, _mailed(connection, name))
        if purchases:
            _note(found, name, _bought(connection, name))
    return found


def _note(found: dict[str, dict[str, float]], name: str, prices: dict[str, float]) -> None:
    for what, price in prices.items():
        found.setdefault(what, {})[name] = price


def _load_mailings(connection: duckdb.DuckDBPyConnection, lake: Path, refusals: Path) -> None:
    """Make `refuser` (person_id) and `said` (token, allowed): the newest word on email by each identifier."""
    connection.execute(
        "CREATE OR REPLACE TABLE refuser AS SELECT DISTINCT person_id FROM read_csv(?, header = true, all_varchar = true) "
        "WHERE purpose IN (?, 'all') AND coalesce(channel, '') IN ('', 'email') AND CAST(standing AS BOOLEAN)",
        [str(refusals), _MAIL],
    )
    connection.execute(
        "CREATE OR REPLACE TABLE said AS SELECT token, bool_or(action = 'given') AND NOT bool_or(action <> 'given') AS allowed "
        f"FROM (SELECT token, action FROM read_parquet(?) WHERE purpose IN ('{_MAIL}', 'all') "
        f"AND coalesce(channel, 'email') = 'email' AND action IN ('given', {', '.join(repr(n) for n in _NOES)}) "
        "QUALIFY rank() OVER (PARTITION BY token ORDER BY occurred_at DESC) = 1) GROUP BY token",
        [shelf.parquet_files(lake, CONSENT_EVENT)],
    )


def _load_purchases(connection: duckdb.DuckDBPyConnection, lake: Path, events: Path) -> None:
    """Make `purchase` (record_key, person_id, order_id, at, amount): what was bought under some identifier, and by whom."""
    connection.execute(
        "CREATE OR REPLACE TABLE purchase AS SELECT e.record_key, t.person_id, e.source || coalesce(e.order_id, e.message_id) "
        "AS order_id, max(e.occurred_at) AS bought_at, sum(e.amount) AS amount FROM read_parquet(?) e "
        "JOIN read_parquet(?) t USING (source, message_id) SEMI JOIN features f ON f.record_key = e.record_key "
        "WHERE e.amount IS NOT NULL AND e.version = 0 GROUP BY ALL",
        [shelf.parquet_files(lake, EVENTS), str(events)],
    )
    connection.execute(
        "CREATE OR REPLACE TABLE truly AS SELECT person_id, count(*) AS orders, sum(amount) AS spent, max(bought_at) AS recent "
        "FROM purchase GROUP BY person_id"
    )


def _owners(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make `owner` (grp, person_id: whose most of its records are) and `home` (person_id, grp: where most of hers are)."""
    connection.execute(
        "CREATE OR REPLACE TABLE weighed_cell AS SELECT person AS grp, person_id, count(*) FILTER (NOT shared) AS n, count(*) AS m "
        f"FROM truth JOIN by_{name} USING (record_key) GROUP BY ALL"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE owner AS SELECT grp, person_id FROM weighed_cell "
        "QUALIFY row_number() OVER (PARTITION BY grp ORDER BY n DESC, m DESC, person_id) = 1"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE home AS SELECT person_id, grp FROM weighed_cell JOIN owner USING (grp, person_id) "
        "QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY n DESC, m DESC, grp) = 1"
    )


def _mailed(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, float]:
    connection.execute(
        "CREATE OR REPLACE TABLE mailing AS SELECT g.person AS grp FROM (SELECT record_key, unnest(identifiers).token AS token "
        f"FROM features) h JOIN by_{name} g USING (record_key) JOIN said USING (token) GROUP BY g.person HAVING bool_and(allowed)"
    )
    # the addressee of a profile's mail is whoever reads one of its mailboxes: the truth's persons of its records
    connection.execute(
        "CREATE OR REPLACE TABLE reached AS SELECT DISTINCT person_id, grp FROM mailing "
        f"JOIN by_{name} g ON g.person = grp JOIN features f USING (record_key) JOIN truth USING (record_key) "
        "WHERE len(f.emails) > 0 AND NOT shared"
    )
    row = connection.execute(
        "SELECT (SELECT count(DISTINCT person_id) FROM reached SEMI JOIN refuser USING (person_id)), "
        "(SELECT count(*) - count(DISTINCT person_id) FROM reached)"
    ).fetchone()
    mailed, twice = row or (0, 0)
    return {MAILED: float(mailed), TWICE: float(twice)}


def _bought(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, float]:
    connection.execute(
        "CREATE OR REPLACE TABLE shown AS SELECT p.*, g.person AS grp, o.person_id AS owner "
        f"FROM purchase p JOIN by_{name} g USING (record_key) LEFT JOIN owner o ON o.grp = g.person"
    )
    row = connection.execute(
        "SELECT count(DISTINCT order_id) FILTER (owner <> person_id), "
        "count(DISTINCT order_id) FILTER (h.grp IS DISTINCT FROM s.grp) FROM shown s LEFT JOIN home h USING (person_id)"
    ).fetchone()
    wrong, apart = row or (0, 0)
    return {WRONG: float(wrong), APART: float(apart), SEGMENT: _segments(connection)}


def _segments(connection: duckdb.DuckDBPyConnection) -> float:
    """Return how many buyers' main profiles put them into another fifth of recency, frequency or spending."""
    row = connection.execute(
        "WITH seen AS (SELECT h.person_id, count(DISTINCT order_id) AS orders, sum(amount) AS spent, max(bought_at) AS recent "
        "FROM home h JOIN shown USING (grp) GROUP BY h.person_id), "
        "edge AS (SELECT quantile_cont(orders, [0.2, 0.4, 0.6, 0.8]) AS f, quantile_cont(spent, [0.2, 0.4, 0.6, 0.8]) AS m, "
        "quantile_cont(epoch(recent), [0.2, 0.4, 0.6, 0.8]) AS r FROM truly), "
        "placed AS (SELECT t.person_id, [len(list_filter(e.f, lambda x: x < t.orders)), "
        "len(list_filter(e.m, lambda x: x < t.spent)), len(list_filter(e.r, lambda x: x < epoch(t.recent)))] AS truly, "
        "[len(list_filter(e.f, lambda x: x < s.orders)), len(list_filter(e.m, lambda x: x < s.spent)), "
        "len(list_filter(e.r, lambda x: x < epoch(s.recent)))] AS seen "
        "FROM truly t LEFT JOIN seen s USING (person_id), edge e) "
        "SELECT count(*) FILTER (truly IS DISTINCT FROM seen) FROM placed"
    ).fetchone()
    return float(row[0]) if row else 0.0
