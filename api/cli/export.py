"""Any table as a file, and the two joins that people ask for: who is each record, whose is each event."""

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

import identity.tables
import ingestion.tables
from api.cli.tables import TABLES
from infra import shelf
from infra.errors import Malformed, Missing
from infra.tables import Table

# The newest version of a record is its highest sequence (`ingestion.transforms.current_records`).
_ASSIGNMENTS = """
select distinct f.source, f.key, m.profile_id
from record_features f join membership m using (record_key)
order by f.source, f.key
"""
_EVENT_ASSIGNMENTS = """
with newest as (
  select source, message_id, occurred_at, record_key, anonymous_id from events
  qualify row_number() over (partition by source, message_id order by version desc) = 1
),
owned as (
  select n.source, n.message_id, coalesce(n.record_key, c.record_key) as record_key
  from newest n
  left join cookie_interval c
    on n.record_key is null and c.source = n.source and c.anonymous_id = n.anonymous_id
   and n.occurred_at >= c.from_at and (c.to_at is null or n.occurred_at < c.to_at)
)
select o.source, o.message_id, m.profile_id from owned o join membership m using (record_key)
"""
_JOINS: Mapping[str, tuple[str, tuple[Table, ...]]] = {
    "assignments": (_ASSIGNMENTS, (identity.tables.RECORD_FEATURES, identity.tables.MEMBERSHIP)),
    "event_assignments": (
        _EVENT_ASSIGNMENTS,
        (ingestion.tables.EVENTS, identity.tables.COOKIE_INTERVAL, identity.tables.MEMBERSHIP),
    ),
}


def _ndjson(rows: duckdb.DuckDBPyRelation, path: str) -> None:
    quoted = path.replace("'", "''")
    rows.query("exported", f"copy (select * from exported) to '{quoted}' (format json)")


_WRITERS: Mapping[str, Callable[[duckdb.DuckDBPyRelation, str], object]] = {
    ".csv": lambda rows, path: rows.write_csv(path),
    ".parquet": lambda rows, path: rows.write_parquet(path),
    ".ndjson": _ndjson,
}


def names() -> tuple[str, ...]:
    """Return what can be exported."""
    return (*_JOINS, *(table.name for table in TABLES))


def export(lake: Path, name: str, target: Path) -> int:
    """Write a table to a CSV, Parquet or NDJSON file by its ending, and return the number of rows."""
    write = _WRITERS.get(target.suffix)
    if write is None:
        raise Malformed(f"{target.name}: the ending names the format; use {', '.join(_WRITERS)}")
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        rows = _rows(connection, lake, name)
        temporary = target.with_name(f".{target.name}.part")
        write(rows, str(temporary))
        temporary.replace(target)
        return int(rows.shape[0])


def _rows(connection: duckdb.DuckDBPyConnection, lake: Path, name: str) -> duckdb.DuckDBPyRelation:
    if name in _JOINS:
        query, tables = _JOINS[name]
        for table in tables:
            _load(connection, lake, table)
        return connection.sql(query)
    known = {table.name: table for table in TABLES}
    if name not in known:
        raise Missing(f"there is no table {name}; the tables are {', '.join(names())}")
    _load(connection, lake, known[name])
    return connection.table(name)


def _load(connection: duckdb.DuckDBPyConnection, lake: Path, table: Table) -> None:
    connection.register("stream", shelf.reader(lake, table))
    connection.execute(f"CREATE TABLE {table.name} AS SELECT * FROM stream")
