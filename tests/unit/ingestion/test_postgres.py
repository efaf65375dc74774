"""Fetching from a real PostgreSQL: what changed and nothing else, ties and odd cursors included, and no secret told."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases import PASSWORD, free_port, postgres
from pydantic import ValidationError

import ingestion.store
from infra.database import open_database
from infra.errors import KindredError
from ingestion.connectors import postgres as connector
from ingestion.connectors.declared import Postgres
from ingestion.connectors.landed import Landed, landed
from ingestion.cursors import Cursors
from ingestion.errors import ConnectorMalformed, SourceAway
from ingestion.read import stretch_lines

PEOPLE = """
CREATE TABLE people (id bigint, name text, updated_at timestamptz, tags jsonb, note json, price numeric, seen date)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def db(server: str) -> Iterator[Any]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute(PEOPLE)
        yield connection


class System:
    """One source over the server: each `load` returns the rows that landed in it."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        self.cursors = Cursors(open_database(f"sqlite:///{root}/k.db", ingestion.store.METADATA))
        self.said: list[str] = []

    def land(self, columns: tuple[str, ...] = ("id",), **declared: Any) -> list[dict[str, Any]]:
        said = {"type": "postgres", "url": self.url, "table": "people", "cursor": "updated_at", **declared}
        wanted = Postgres.model_validate({name: value for name, value in said.items() if value is not None})
        at = datetime(2026, 11, 1, tzinfo=UTC)
        landing = Landed(self.root / "landing", "crm", self.cursors, at=at, say=self.said.append)
        before = {file.path for file in self.files()}
        connector.land(landing, wanted, columns)
        return [
            json.loads(line)
            for file in self.files()
            if file.path not in before
            for stretch in file.stretches
            for _, line in stretch_lines(self.root / file.path, stretch)
        ]

    def files(self) -> Any:
        return landed(self.root, self.root / "landing" / "crm", ())


@pytest.fixture
def system(tmp_path: Path, server: str) -> System:
    return System(tmp_path, server)


def put(db: Any, number: int, at: str | None, name: str = "x") -> None:
    db.execute("DELETE FROM people WHERE id = %s", [number])
    db.execute("INSERT INTO people (id, name, updated_at) VALUES (%s, %s, %s)", [number, name, at])


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(row["id"] for row in rows)


def test_only_what_changed_lands_and_ties_are_read_again(db: Any, system: System) -> None:
    put(db, 1, "2026-01-01T10:00:00+02:00")
    put(db, 2, "2026-01-02T00:00:00.123456Z")
    assert ids(system.land()) == [1, 2]
    assert system.land() == [], "nothing changed, nothing lands"
    put(db, 3, "2026-01-02T00:00:00.123456Z")
    assert ids(system.land()) == [2, 3], "what ties with the last value is found, the last value comes again"
    put(db, 3, "2026-01-02T00:00:00.123456Z", "y")
    assert ids(system.land()) == [2, 3], "a change that left the cursor as it was, too"
    put(db, 1, "2026-01-03T00:00:00Z")
    rows = system.land()
    assert [row["id"] for row in rows][-1] == 1, "in the order of the cursor"
    assert rows[-1]["updated_at"] == "2026-01-03T00:00:00+00:00"
    assert system.land() == []
    assert "crm: 2 rows landed" in system.said


def test_rows_that_the_cursor_cannot_place_are_not_lost_and_do_not_hold_it_up(db: Any, system: System) -> None:
    put(db, 1, "2026-01-01")
    put(db, 2, None)
    put(db, 3, "2999-01-01")
    put(db, 4, "infinity")
    assert ids(system.land()) == [1, 2, 3, 4]
    assert system.land() == []
    put(db, 5, "2026-01-02")
    assert 5 in ids(system.land()), "a row of the year 2999 does not stop those of today"
    put(db, 2, None, "changed")
    assert 2 in ids(system.land())
    assert system.land() == []


def test_a_transaction_that_commits_late_is_found_within_the_overlap(db: Any, system: System) -> None:
    put(db, 1, "2026-01-02")
    system.land(overlap="2 hours")
    put(db, 2, "2026-01-01T23:00:00Z")
    assert ids(system.land(overlap="2 hours")) == [1, 2]
    assert system.land(overlap="2 hours") == []


@pytest.mark.parametrize("kind", ["integer", "numeric", "double precision", "date", "timestamp", "text"])
def test_cursors_of_other_types(db: Any, system: System, kind: str) -> None:
    values = {
        "integer": ["1", "2", "3"],
        "numeric": ["1.5", "NaN", "2.5"],
        "double precision": ["0.1", "NaN", "0.3"],
        "date": ["2026-01-01", "2026-01-02", "2026-01-03"],
        "timestamp": ["2026-01-01 00:00:00.000001", "infinity", "2026-01-03"],
        "text": ["a'; DROP TABLE people; --", "b%s{t}", "c"],
    }[kind]
    db.execute(f"CREATE TABLE t (id int, c {kind})")
    for number, value in enumerate(values[:2]):
        db.execute("INSERT INTO t VALUES (%s, %s)", [number, value])
    found = {"table": "public.t", "cursor": "c"}
    assert ids(system.land(**found)) == [0, 1]
    assert system.land(**found) == []
    db.execute("INSERT INTO t VALUES (2, %s)", [values[2]])
    assert 2 in ids(system.land(**found))
    assert system.land(**found) == []


def test_a_first_load_in_parts_has_every_row_once(db: Any, system: System) -> None:
    db.execute(
        "INSERT INTO people (id, name, updated_at) SELECT n * n, 'x', '2026-01-01'::timestamptz + n * interval '1 s' "
        "FROM generate_series(1, 5000) n"
    )
    put(db, -7, "2026-01-01")
    db.execute("INSERT INTO people (name) VALUES ('nobody')")
    rows = system.land(split="id", parts=3)
    assert len(system.files()) == 3
    assert sorted(str(row["id"]) for row in rows) == sorted(map(str, [-7, None, *(n * n for n in range(1, 5001))]))
    assert system.land(split="id", parts=3) == []
    put(db, 3, "2027-01-01")
    assert 3 in ids([row for row in system.land(split="id") if row["id"]])


def test_a_load_that_was_killed_reads_the_same_range_and_keeps_what_is_there(db: Any, system: System) -> None:
    db.execute("INSERT INTO people (id, updated_at) SELECT n, '2026-01-01' FROM generate_series(1, 100) n")

    class Killed(Exception):
        pass

    class Once(Landed):
        def write(self, rows: Any, part: int = 0) -> int:
            if part == 1:
                raise Killed
            return super().write(rows, part)

    declared = Postgres.model_validate(
        {"type": "postgres", "url": system.url, "table": "people", "cursor": "updated_at", "split": "id", "parts": 3}
    )
    at = datetime(2026, 11, 1, tzinfo=UTC)
    with pytest.raises(Killed):
        connector.land(Once(system.root / "landing", "crm", system.cursors, at=at, say=print), declared, ())
    assert len(system.files()) == 2
    put(db, 101, "2026-01-02")
    kept = {path: path.stat().st_mtime_ns for path in (system.root / "landing/crm").iterdir()}
    assert ids(system.land(split="id", parts=3))[0] in (34, 35)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    everything = [
        json.loads(line)["id"]
        for file in system.files()
        for stretch in file.stretches
        for _, line in stretch_lines(system.root / file.path, stretch)
    ]
    assert sorted(everything) == list(range(1, 101))
    assert 101 in ids(system.land())


def test_without_a_cursor_all_rows_land_where_any_changed(db: Any, system: System) -> None:
    put(db, 1, None)
    put(db, 2, None)
    assert ids(system.land(cursor=None)) == [1, 2]
    assert system.land(cursor=None) == []
    db.execute("DELETE FROM people WHERE id = 1")
    assert ids(system.land(cursor=None)) == [2]


def test_values_land_as_the_database_spells_them(db: Any, system: System) -> None:
    db.execute(
        "INSERT INTO people VALUES (12345678901234567, E'a\\n\\\\ \"b\"', '2026-01-02T03:04:05Z', "
        """'{"a": [1.50]}', E'{"x":\\n 1}', 12345678901234567890.10, '2026-01-02')"""
    )
    query = "SELECT *, '{caf\u00e9}' AS where FROM people WHERE name LIKE '%%' OR name LIKE 'a%' -- all"
    (row,) = system.land(table=None, query=query)
    assert row == {
        "id": 12345678901234567,
        "name": 'a\n\\ "b"',
        "updated_at": "2026-01-02T03:04:05+00:00",
        "tags": {"a": [1.5]},
        "note": {"x": 1},
        "price": 12345678901234567890.10,
        "seen": "2026-01-02",
        "where": "{caf\u00e9}",
    }
    text = next((system.root / "landing/crm").iterdir()).read_bytes()
    assert b"12345678901234567890.10" in text, "digits are kept"
    assert text.count(b"\n") == 1


def test_new_columns_are_told_and_missing_ones_are_named(db: Any, system: System) -> None:
    put(db, 1, "2026-01-01")
    system.land()
    db.execute("ALTER TABLE people ADD COLUMN vip boolean")
    system.land()
    assert "crm: new columns: vip; map them in its YAML if they are wanted" in system.said
    with pytest.raises(ConnectorMalformed, match="column 'nam' is missing; it has 'name'"):
        system.land(columns=("id", "nam"))
    with pytest.raises(ConnectorMalformed, match="column 'changed' is missing"):
        system.land(cursor="changed")


@pytest.mark.parametrize(
    ("change", "raises", "says"),
    [
        ({"table": "persons"}, ConnectorMalformed, 'relation "persons" does not exist'),
        ({"table": None, "query": "SELEC 1"}, ConnectorMalformed, "syntax error"),
        ({"table": None, "query": "SELECT name::int AS id, updated_at FROM people"}, ConnectorMalformed, "22P02"),
        ({"overlap": "two hours?"}, ConnectorMalformed, "SQLSTATE 22007"),
        ({"url": "postgresql://kindred:WORD@127.0.0.1:PORT/nowhere"}, SourceAway, "no such database"),
        ({"table": "pg_type", "cursor": "typarray::x"}, ConnectorMalformed, "column 'typarray::x' is missing"),
        ({"url": "postgresql://kindred:s3cretwrong@127.0.0.1:PORT/postgres"}, SourceAway, "password is refused"),
        ({"url": "postgresql://kindred:WORD@127.0.0.1:1/postgres"}, SourceAway, "nothing listens"),
        ({"url": "postgresql://kindred:WORD@127.0.0.1:s3cret/postgres"}, KindredError, "127.0.0.1|address"),
        ({"url": "host=127.0.0.1 passwort=s3cret"}, ConnectorMalformed, "no address of PostgreSQL"),
    ],
)
def test_what_is_wrong_is_told_without_secrets_and_values(
    db: Any, system: System, server: str, change: Any, raises: Any, says: str
) -> None:
    port = server.rpartition(":")[2].partition("/")[0]
    put(db, 1, "2026-01-01", "jane.doe@example.org")
    system.land()
    put(db, 1, "2026-01-02", "jane.doe@example.org")
    if "url" in change:
        change = {"url": change["url"].replace("WORD", PASSWORD).replace("PORT", port)}
    with pytest.raises(raises, match=says) as caught:
        system.land(**change)
    told = f"{caught.value} {caught.value.__cause__} {caught.value.facts()} {system.said}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for secret in (PASSWORD, "s3cret", "jane.doe"):
        assert secret not in told
    assert system.land()[0]["id"] == 1, "and nothing was lost by it"


def test_the_secret_is_in_no_repr_and_no_dump() -> None:
    declared = Postgres.model_validate({"type": "postgres", "url": f"postgresql://a:{PASSWORD}@b/c", "table": "t"})
    assert PASSWORD not in f"{declared!r} {declared} {declared.model_dump()} {declared.model_dump_json()}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"table": None}, "needs a `table` or a `query`"),
        ({"query": "SELECT 1"}, "not both"),
        ({"table": None, "query": "SELECT 1; DROP TABLE x"}, "without a semicolon"),
        ({"cursor": None, "overlap": "1 hour"}, "`overlap` is for a source with a `cursor`"),
    ],
)
def test_a_declaration_that_does_not_fit(system: System, change: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        system.land(**change)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_between_loads_the_last_state_of_every_row_lands(db: Any, system: System, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - seeded, not secret
    landed_last: dict[int, Any] = {}
    for _ in range(12):
        for _ in range(chance.randrange(5)):
            # Moments never go back by more than a tie: that is what a cursor column has to promise.
            at = (
                None
                if chance.random() < 0.1
                else f"2026-01-01T00:00:{chance.randrange(len(landed_last) // 8 + 1):02d}Z"
            )
            top = db.execute("SELECT max(updated_at) FROM people").fetchone()[0]
            at = at and max(datetime.fromisoformat(at), top or datetime.fromisoformat(at)).isoformat()
            put(db, chance.randrange(30), at, str(chance.random()))
        for row in system.land(split="id"):
            landed_last[row["id"]] = row["name"]
    there = dict(db.execute("SELECT id, name FROM people").fetchall())
    assert {number: landed_last.get(number) for number in there} == there


def test_no_port_no_answer(tmp_path: Path) -> None:
    away = System(tmp_path, f"postgresql://a:{PASSWORD}@127.0.0.1:{free_port()}/x")
    with pytest.raises(SourceAway, match="What had landed is kept"):
        away.land()
