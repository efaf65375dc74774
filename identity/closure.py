"""Whose is an identifier, all of them: the records, ids and identifiers that the identity graph holds of one person.

The answer is small and is looked for in streams of the lake's rows, without Spark; nothing is written.
"""

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from consent.erasure.errors import SharedIdentifier
from consent.erasure.ports import Stretch, Subject
from identity.tables import COOKIE_INTERVAL, MEMBERSHIP, PROFILE_ALIAS, SUCCESSION
from identity.workbench import load_table, workbench
from infra import shelf
from infra.arrow import nothing
from infra.ids import ProfileId, RecordKey, Token
from infra.tables import Table
from infra.workspace import Workspace
from ingestion.tables import EVENTS, RECORDS

# What one record calls another: loops end sooner, for each round finds a record that the one before did not have.
_ROUNDS = 8
_MOMENT = pa.timestamp("us", tz="UTC")
_STRETCH = pa.schema([("source", pa.string()), ("anonymous_id", pa.string()), ("from_at", _MOMENT), ("to_at", _MOMENT)])


def closure(workspace: Workspace, tokens: Sequence[Token]) -> Subject:
    """Return the one person whom the tokens name, with every record, id and identifier of theirs.

    An identifier that somebody else's records carry too is shared: it is named, and is not the person's alone. Raise
    `SharedIdentifier` where the tokens lead to several known people.
    """
    return _closed(workspace, tokens)


def everybody(workspace: Workspace, tokens: Sequence[Token]) -> Subject:
    """Return all people whom the tokens lead to as one subject, with what is shared with others too.

    For what must be kept: better more than they have than less.
    """
    return _closed(workspace, tokens, several=True)


def _closed(workspace: Workspace, tokens: Sequence[Token], *, several: bool = False) -> Subject:
    with workbench(workspace) as connection:
        _load(connection, workspace)
        connection.register("asked", pa.table({"token": pa.array([str(t) for t in tokens], pa.string())}))
        connection.execute(
            "CREATE TABLE person AS SELECT DISTINCT m.profile_id FROM holding h JOIN membership m USING (record_key) "
            "WHERE h.token IN (SELECT token FROM asked)"
        )
        if not several:
            _one_person(connection)
        connection.execute(
            "CREATE TABLE mine AS SELECT record_key FROM membership WHERE profile_id IN (SELECT profile_id FROM person) "
            "UNION SELECT record_key FROM holding WHERE token IN (SELECT token FROM asked) "
            "AND record_key NOT IN (SELECT record_key FROM membership)"
        )
        for _ in range(_ROUNDS):
            if not _grown(connection):
                break
        return _subject(connection, tokens, alone=not several)


def _load(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Make `holding` (record_key, token, type, value), `who` (record_key, known, resolved), and small copies of the tables."""
    lake = workspace.lake_path

    def rows(table: Table, into: str, columns: Sequence[str]) -> None:
        if shelf.exists(lake, table):
            load_table(connection, lake, table, into, columns)
        else:
            connection.from_arrow(nothing(table, columns)).create(into)

    rows(RECORDS, "record", ("record_key", "source", "key", "known", "identifiers"))
    rows(
        COOKIE_INTERVAL, "stretch", ("record_key", "source", "anonymous_id", "from_at", "to_at", "known", "identifiers")
    )
    rows(MEMBERSHIP, "membership", ("record_key", "profile_id"))
    rows(PROFILE_ALIAS, "alias", ("alias_id", "profile_id"))
    rows(SUCCESSION, "bequest", ("id", "heir"))
    rows(EVENTS, "event", ("record_key", "identifiers"))
    told = "SELECT record_key, unnest(identifiers) AS one FROM {table}"
    tables = ("record", "stretch", "event WHERE record_key IS NOT NULL")
    everything = " UNION ALL ".join(told.format(table=table) for table in tables)
    connection.execute(
        "CREATE TABLE holding AS SELECT DISTINCT record_key, one.token AS token, one.type AS type, one.value AS value "
        f"FROM ({everything})"
    )
    connection.execute("DROP TABLE event")
    # a stretch of a browser's life that a login claimed bears the login's record
    connection.execute(
        "CREATE TABLE who AS SELECT record_key, bool_or(known) AS known, bool_or(m.profile_id IS NOT NULL) AS resolved "
        "FROM (SELECT record_key, known FROM record UNION ALL SELECT record_key, known FROM stretch) r "
        "LEFT JOIN membership m USING (record_key) GROUP BY record_key"
    )


def _one_person(connection: duckdb.DuckDBPyConnection) -> None:
    [(people,)] = connection.execute(
        "SELECT count(DISTINCT profile_id) FROM person JOIN membership USING (profile_id) JOIN who USING (record_key) "
        "WHERE known"
    ).fetchall()
    if people > 1:
        raise SharedIdentifier(people)


def _grown(connection: duckdb.DuckDBPyConnection) -> bool:
    """Take in records that can be nobody else's: unresolved or anonymous, with no identifier that is not the person's.

    Make `carried` (token) and `shared` (token) anew first: shared is what a resolved, known record of somebody else
    carries, or an unresolved one that carries more than the person does.
    """
    connection.execute(
        "CREATE OR REPLACE TABLE carried AS SELECT DISTINCT token FROM holding WHERE record_key IN (SELECT record_key FROM mine)"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE other AS SELECT record_key, known, resolved, "
        "bool_and(token IN (SELECT token FROM carried)) AS within FROM holding JOIN who USING (record_key) "
        "WHERE record_key NOT IN (SELECT record_key FROM mine) "
        "GROUP BY record_key, known, resolved HAVING bool_or(token IN (SELECT token FROM carried))"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE shared AS SELECT DISTINCT token FROM holding JOIN other USING (record_key) "
        "WHERE known AND (resolved OR NOT within) AND token IN (SELECT token FROM carried)"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE more AS SELECT record_key FROM other JOIN holding USING (record_key) "
        "WHERE within AND NOT (known AND resolved) "
        "GROUP BY record_key HAVING bool_or(token NOT IN (SELECT token FROM shared))"
    )
    connection.execute("INSERT INTO mine SELECT record_key FROM more")
    [(grown,)] = connection.execute("SELECT count(*) FROM more").fetchall()
    return bool(grown)


def _subject(connection: duckdb.DuckDBPyConnection, tokens: Sequence[Token], *, alone: bool) -> Subject:
    def column(query: str) -> list[str]:
        return [str(value) for (value,) in connection.execute(query).fetchall()]

    if not alone:
        connection.execute("DELETE FROM shared")
    shared = column("SELECT token FROM shared ORDER BY token")
    own = column("SELECT token FROM carried WHERE token NOT IN (SELECT token FROM shared) ORDER BY token")
    ids = column(
        "WITH profile AS (SELECT DISTINCT profile_id AS id FROM membership WHERE record_key IN (SELECT record_key FROM mine)) "
        "SELECT id FROM profile UNION SELECT alias_id FROM alias WHERE profile_id IN (SELECT id FROM profile) "
        "UNION SELECT id FROM bequest WHERE heir IN (SELECT record_key FROM mine) ORDER BY 1"
    )
    pairs = connection.execute(
        "SELECT DISTINCT type, value FROM holding WHERE record_key IN (SELECT record_key FROM mine) "
        "AND token NOT IN (SELECT token FROM shared) ORDER BY ALL"
    ).fetchall()
    keys = connection.execute(
        "SELECT DISTINCT source, key FROM record WHERE record_key IN (SELECT record_key FROM mine) ORDER BY ALL"
    ).fetchall()
    return Subject(
        tokens=_known(tokens, own, shared),
        shared=tuple(map(Token, shared)),
        record_keys=tuple(map(RecordKey, column("SELECT DISTINCT record_key FROM mine ORDER BY 1"))),
        profile_ids=tuple(map(ProfileId, ids)),
        values=tuple((str(kind), str(value)) for kind, value in pairs),
        source_keys=tuple((str(source), str(key)) for source, key in keys),
        stretches=_stretches(connection),
    )


def _known(asked: Iterable[Token], own: Iterable[str], shared: Iterable[str]) -> tuple[Token, ...]:
    """Return the person's tokens; one that was asked for is theirs, unless it is somebody else's too."""
    return tuple(map(Token, sorted({*own, *asked} - set(shared))))


def _stretches(connection: duckdb.DuckDBPyConnection) -> tuple[Stretch, ...]:
    found = connection.sql(
        "SELECT source, anonymous_id, from_at, to_at FROM stretch WHERE record_key IN (SELECT record_key FROM mine) ORDER BY ALL"
    )
    # over Arrow: DuckDB's own rows need a library for time zones
    rows = found.to_arrow_table().cast(_STRETCH).to_pylist()
    return tuple(Stretch(**row) for row in rows)
