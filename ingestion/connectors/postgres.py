"""Rows of PostgreSQL: the database itself writes them as JSON, and only those that may have changed travel.

A load reads what has the cursor column between the value last reached (again, for ties) and the highest one now, as one
snapshot sees it. Rows that no order of the cursor can place (null, a moment in the future, not a number) are read
whenever they changed. Memory is that of a few thousand rows.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql

from ingestion.connectors.declared import Postgres
from ingestion.connectors.port import Cursor, Landing
from ingestion.errors import ConnectorMalformed, SourceAway
from ingestion.survey import missing_column

_ROWS: Final = 2_000  # that travel at once
_SECONDS: Final = 10  # to wait for an answer to a connection
_PLAIN: Final = "SET TIME ZONE 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 1"
_SNAPSHOT: Final = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_MOMENTS: Final = ("timestamp with time zone", "timestamp without time zone", "date")
_NUMBERS: Final = ("numeric", "double precision", "real")
# What the server says of these classes names columns, roles and databases, never values.
_TELLING: Final = ("28", "3D", "42")

# What a connection that fails says has no code: its words are told in ours, for theirs may hold parts of the address.
_REFUSALS: Final = {
    "password authentication failed": "the role or its password is refused",
    "no pg_hba.conf entry": "it does not let this machine in",
    "does not exist": "it has no such database or role",
    "refused": "nothing listens there",
    "timeout": f"no answer within {_SECONDS} s",
    "could not translate host name": "no such host",
    "resolve": "no such host",
}


def land(landing: Landing, declared: Postgres, columns: Sequence[str]) -> None:
    """Land what changed since the last load."""
    with _connected(landing.source, declared) as connection:
        connection.execute(_SNAPSHOT)
        table = _Table(connection, landing.source, declared)
        table.check(columns)
        landing.columns(table.columns)
        before = landing.cursor
        until = landing.intend(lambda: table.reached(before))
        if until is None:
            return
        rows = sum(_landed(connection, landing, declared, table, until))
        landing.commit()
        landing.say(f"{rows:,} rows landed")


def _landed(
    connection: Any, landing: Landing, declared: Postgres, table: "_Table", until: Cursor
) -> Iterator[int] | Sequence[int]:
    pieces = table.pieces(landing.cursor, until)
    if len(pieces) == 1:
        return [landing.write(_rows(connection, pieces[0]), 0)]
    # All of them see what this connection sees.
    snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()[0]

    def read(part: int) -> int:
        with _connected(landing.source, declared) as other:
            other.execute(_SNAPSHOT)
            other.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
            return landing.write(_rows(other, pieces[part]), part)

    with ThreadPoolExecutor(len(pieces)) as pool:
        return list(pool.map(read, range(len(pieces))))


def _rows(connection: Any, query: sql.Composed) -> Iterator[bytes]:
    with connection.cursor(name="kindred") as cursor:
        cursor.itersize = _ROWS
        cursor.execute(query)
        for (row,) in cursor:
            yield row.encode()


class _Table:
    """A table or query, with the column that tells what changed."""

    def __init__(self, connection: Any, source: str, declared: Postgres) -> None:
        self._connection, self._source, self._declared = connection, source, declared
        self._from = _from(declared)
        found = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(self._from)).description
        kinds = connection.execute(
            "SELECT i, format_type(k, NULL) FROM unnest(%s::oid[]) WITH ORDINALITY u(k, i)",
            [[c.type_code for c in found]],
        )
        names = dict(kinds.fetchall())
        self.columns = {column.name: names[index] for index, column in enumerate(found, 1)}

    def check(self, named: Sequence[str]) -> None:
        """Raise where a column that the source names is not there."""
        declared = self._declared
        own = [name for name in (declared.cursor, declared.split) if name]
        for column in (*own, *(name.split(".")[0] for name in named)):
            if column not in self.columns:
                raise ConnectorMalformed(self._source, *missing_column(self._source, column, list(self.columns), named))

    def reached(self, before: Cursor) -> Cursor:
        """Return the highest value of the cursor now with a digest of the rows at it, None if both are as before."""
        now = self._one("SELECT now()::text")[0]
        at = self._one("SELECT max({c})::text FROM {t} WHERE NOT {odd}", now=now)[0] if self._declared.cursor else None
        border = self._one(
            "SELECT count(*), sum(hashtextextended(row_to_json(t)::text, 0))::text FROM {t} WHERE {again} OR {odd}",
            now=now,
            at=at,
        )
        mark = [at, *border]
        if before is not None and before["mark"] == mark:
            return None
        bounds = self._bounds() if before is None and self._declared.split else []
        return {"mark": mark, "now": now, "bounds": bounds}

    def _bounds(self) -> list[str]:
        """Return where the parts of a first load meet: even steps between the lowest and the highest number."""
        parts = self._declared.parts
        query = (
            "SELECT (low + (high - low) * n / {n})::text FROM (SELECT min({s})::numeric low, max({s})::numeric high "
            "FROM {t}) ends, generate_series(1, {n} - 1) n WHERE high > low ORDER BY n"
        )
        rows = self._connection.execute(
            sql.SQL(query).format(t=self._from, s=sql.Identifier("t", self._declared.split or ""), n=sql.Literal(parts))
        )
        return [row[0] for row in rows.fetchall()]

    def pieces(self, before: Cursor, until: Cursor) -> list[sql.Composed]:
        """Return the queries that read a load, its parts in the order of their bounds."""
        at, low = until["mark"][0], before["mark"][0] if before else None
        conditions: sql.Composable = sql.SQL("TRUE")
        if self._declared.cursor:
            conditions = self._say("(({since} AND {c} <= {at}) OR {odd})", now=until["now"], at=at, low=low)
        order = self._say("ORDER BY {c}") if self._declared.cursor else sql.SQL("")
        select = sql.SQL("SELECT row_to_json(t)::text FROM {} WHERE {} AND {} {}")
        return [select.format(self._from, conditions, part, order) for part in self._parts(until["bounds"])]

    def _parts(self, bounds: Sequence[str]) -> list[sql.Composable]:
        if not bounds:
            return [sql.SQL("TRUE")]
        column = sql.Identifier("t", self._declared.split or "")
        found: list[sql.Composable] = []
        for low, high in zip([None, *bounds], [*bounds, None], strict=True):
            parts = [
                sql.SQL("{} >= {}::numeric").format(column, sql.Literal(low)) if low else None,
                sql.SQL("{} < {}::numeric").format(column, sql.Literal(high)) if high else None,
            ]
            both = sql.SQL(" AND ").join([part for part in parts if part is not None])
            # What has no number, or is none, comes with the last part: there it is above all others.
            found.append(both if high else sql.SQL("({} OR {} IS NULL)").format(both, column))
        return found

    def _one(self, query: str, *, now: str = "", at: str | None = None) -> Any:
        return self._connection.execute(self._say(query, now=now, at=at)).fetchone()

    def _say(self, query: str, *, now: str = "", at: str | None = None, low: str | None = None) -> sql.Composed:
        if not self._declared.cursor:
            return sql.SQL(query).format(t=self._from, odd=sql.SQL("FALSE"), again=sql.SQL("TRUE"))
        column, kind = sql.Identifier("t", self._declared.cursor), self.columns[self._declared.cursor]
        odd = "{c} IS NULL"
        if kind in _MOMENTS:
            odd = "({c} IS NULL OR {c} > {now}::timestamptz)"
        elif kind in _NUMBERS:
            odd = "({c} IS NULL OR {c} = 'NaN')"

        def since(value: str | None) -> sql.Composable:
            if value is None:
                return sql.SQL("TRUE")
            reached = sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(kind))
            if self._declared.overlap:
                back = "interval" if kind in _MOMENTS else "numeric"
                reached = sql.SQL("{} - {}::{}").format(reached, sql.Literal(self._declared.overlap), sql.SQL(back))
            return sql.SQL("{} >= {}").format(column, reached)

        at_kind = sql.SQL("{}::{}").format(sql.Literal(at), sql.SQL(kind))
        return sql.SQL(query).format(
            t=self._from,
            c=column,
            odd=sql.SQL(odd).format(c=column, now=sql.Literal(now)),
            again=since(at) if at is not None else sql.SQL("FALSE"),
            since=since(low),
            at=at_kind,
        )


def _from(declared: Postgres) -> sql.Composed:
    if declared.query:
        return sql.SQL("({}\n) AS t").format(sql.SQL(declared.query))
    return sql.SQL("{} AS t").format(sql.Identifier(*(declared.table or "").split(".")))


@contextmanager
def _connected(source: str, declared: Postgres) -> Iterator[Any]:
    """Open a connection; what goes wrong in it is told without the address's secrets and without values."""
    try:
        where = psycopg.conninfo.conninfo_to_dict(declared.url.get_secret_value())
    except psycopg.Error:
        right = "write it as postgresql://user:password@host:5432/database, the secret as ${NAME}"
        raise ConnectorMalformed(source, "connector.url is no address of PostgreSQL", right) from None
    system = f"PostgreSQL at {where.get('host', 'this machine')}"
    try:
        with psycopg.connect(
            declared.url.get_secret_value(),
            autocommit=True,
            connect_timeout=_SECONDS,
            application_name="kindred",
        ) as connection:
            connection.execute(_PLAIN)
            yield connection
    except psycopg.Error as error:
        raise _told(source, system, error) from None


def _told(source: str, system: str, error: psycopg.Error) -> ConnectorMalformed | SourceAway:
    state = error.sqlstate or ""
    if state.startswith(_TELLING):
        said = error.diag.message_primary or type(error).__name__
        return ConnectorMalformed(source, f"{system}: {said}", "mend connector.url, table, query, cursor or split")
    if state and not state.startswith(("08", "53", "57")):
        right = "try the query with psql; its own words may hold data and are not repeated here"
        return ConnectorMalformed(source, f"{system} refused ({type(error).__name__}, SQLSTATE {state})", right)
    said = str(error)
    wrong = next((ours for theirs, ours in _REFUSALS.items() if theirs in said), "no answer")
    return SourceAway(source, system, wrong, "start it, or mend connector.url")
