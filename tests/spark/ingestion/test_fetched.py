"""What connectors bring goes the way of all files: counted, judged, taken in once, though killed anywhere."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from databases import PASSWORD, postgres

from infra.workspace import Workspace
from ingestion.errors import ConnectorMalformed, SourceFilesMissing
from ingestion.tables import QUARANTINE, RECORDS
from ingestion.transforms import current_records

pytestmark = pytest.mark.spark

CRM = """
source: crm
connector:
  type: postgres
  url: ${PG_URL}
  table: people
  cursor: updated_at
  split: id
  parts: 2
record: person
key: id
observed_at: updated_at
fields: {given_name: name, city: address.city}
identifiers: {email: email}
contract: {name: {max_length: 20}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def fate(account: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in account.items() if count}


def waiting(shop: Any, source: str = "crm") -> tuple[int, int]:
    """Return how many landed files wait, and how many are put aside."""
    landing = Workspace.open(shop.root).landing_path
    return tuple(len(list((landing / one).glob("*.ndjson"))) for one in (source, f".kept/{source}"))  # type: ignore[return-value]


def test_rows_of_a_database_are_taken_in_as_they_change(shop: Any, server: str) -> None:
    shop.declare("crm", CRM)
    with (shop.root / ".env").open("a") as env:
        env.write(f"PG_URL={server}\n")
    with psycopg.connect(server, autocommit=True) as db:
        db.execute("CREATE TABLE people (id int, name text, email text, address jsonb, updated_at timestamptz)")
        db.execute(
            "INSERT INTO people SELECT n, 'N' || n, 'p' || n || '@example.org', '{\"city\": \"Ur\"}', '2026-01-01' "
            "FROM generate_series(1, 50) n"
        )
        db.execute("UPDATE people SET name = repeat('x', 30) WHERE id = 7")
        assert fate(shop.run()["crm"]) == {"read": 50, "accepted": 49, "quarantined": 1}
        assert waiting(shop) == (0, 2)
        assert shop.run()["all"]["read"] == 0
        db.execute("UPDATE people SET name = 'Seven', updated_at = '2026-01-02' WHERE id = 7")
        db.execute("UPDATE people SET email = 'new@example.org' WHERE id = 8")  # and forgot to tell
        found = fate(shop.run()["crm"])
        assert found == {"read": 50, "accepted": 2, "changed": 1, "duplicate": 48}
    rows = {row["key"]: row for row in current_records(shop.read(RECORDS)).collect()}
    assert rows["7"]["attributes"] == {"given_name": "Seven", "city": "Ur"}
    assert rows["8"]["identifiers"][0]["value"] == "new@example.org"
    assert shop.read(QUARANTINE).count() == 1
    assert PASSWORD not in "\n".join(shop.said)
    assert any(re.fullmatch("crm: 50 rows landed", line) for line in shop.said)


def test_a_run_that_was_killed_after_landing_takes_in_the_same_files(shop: Any) -> None:
    shop.declare("crm", CRM.replace(CRM[CRM.index("connector") : CRM.index("record:")], OWN))
    write_own(shop, "return 5")
    assert fate(shop.run()["crm"]) == {"read": 5, "accepted": 5}
    write_own(shop, "return 8")
    shop.declare("zoo", CRM.replace(CRM[CRM.index("connector") : CRM.index("record:")], GONE).replace("crm", "zoo"))
    with pytest.raises(SourceFilesMissing):  # by then the run has planned what landed
        shop.run()
    shop.lines("data/zoo.ndjson", {"id": 1, "updated_at": "2026-01-01"})
    write_own(shop, "return 9")
    assert waiting(shop) == (1, 1)
    assert fate(shop.run(resume=True)["crm"]) == {"read": 3, "accepted": 3}
    assert waiting(shop) == (1, 2), "what came meanwhile waits for the next run"
    assert fate(shop.run()["crm"]) == {"read": 1, "accepted": 1}
    assert shop.read(RECORDS).where("source = 'crm'").count() == 9


GONE = """connector: {type: files, path: data/zoo.ndjson, format: ndjson}
"""
OWN = """connector: {type: python, path: connectors/own.py, options: {first: 1}}
"""


def write_own(shop: Any, body: str) -> None:
    (shop.root / "connectors").mkdir(exist_ok=True)
    (shop.root / "connectors" / "own.py").write_text(
        f"""
def newest():
    {body}

def land(landing, options):
    until = landing.intend(lambda: newest() if newest() != landing.cursor else None)
    if until is None:
        return
    first = landing.cursor or 0
    facts = {{"name": "Ann", "updated_at": "2026-01-01T00:00:00Z"}}
    landing.write({{"id": n, **facts}} for n in range(first, until))
    landing.commit()
"""
    )


def test_a_file_of_the_workspace_that_is_no_connector(shop: Any) -> None:
    shop.declare("crm", CRM.replace(CRM[CRM.index("connector") : CRM.index("record:")], OWN))
    with pytest.raises(ConnectorMalformed, match=r"connectors/own\.py is not there"):
        shop.run()
    write_own(shop, "return 1")
    (shop.root / "connectors/own.py").write_text("x = 1\n")
    with pytest.raises(ConnectorMalformed, match="has no function land"):
        shop.run()


def test_arrays_and_packed_files_of_several_patterns_are_one_source(shop: Any) -> None:
    rows = [{"id": n, "name": f"N{n}", "updated_at": "2026-01-01", "address": {"city": "Ur"}} for n in range(4)]
    where = "connector: {type: files, path: ['a/*.json', 'b/*.gz'], format: json, records: data.people}\n"
    shop.declare("crm", CRM.replace(CRM[CRM.index("connector") : CRM.index("record:")], where))
    shop.write("a/one.json", json.dumps({"data": {"people": rows[:2]}}))
    shop.write("b/two.json.gz", gzip.compress(json.dumps({"data": {"people": [*rows[1:], 7]}}).encode()))
    found = fate(shop.run()["crm"])
    assert found == {"read": 6, "accepted": 4, "duplicate": 1, "quarantined": 1}
    assert {row["attributes"]["city"] for row in shop.read(RECORDS).collect()} == {"Ur"}
