"""The job on a tiny workspace: every kind of source, every fate of a row, twice, changed, killed and resumed."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as f
from sqlalchemy import delete

from consent.tables import CONSENT_INBOX
from infra.errors import KindredError
from infra.identifiers import token
from infra.workspace import Workspace
from ingestion import store
from ingestion.again.folder import shadow_of
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS
from ingestion.transforms import current_catalogue, current_events, current_records

pytestmark = pytest.mark.spark

CRM = """customer_id,first_name,dob,email,mobile,updated_at
C1,Ann,1980-02-03,ann@example.org,614-555-0101,2026-01-01
C1,Ann,1980-02-03,ann@example.org,614-555-0101,2026-01-01
C1,Anna,1980-02-03,ann@example.org,614-555-0101,2026-02-01
C2,Bob,2999-01-01,bob@example.org,,2026-01-01
C3,"Cy
the 3rd",,test@test.com,no number,2026-01-01
,Dee,,dee@example.org,,2026-01-01
C5,Eve,,eve@example.org
C6,"Flo,,flo@example.org,,2026-01-01
C7,Gus,,gus@example.org,614-555-0107,not a date
"""
NOON = datetime(2017, 5, 1, 12, tzinfo=UTC)
# After which of its writes a run is killed; each death costs a run.
DEATHS = (1, 2, 3) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else (2,)


def line(basket: str, number: int, **more: Any) -> dict[str, Any]:
    facts = {"basket_id": basket, "line": number, "card_no": None, "product_id": 7, "store": 31, "at": NOON}
    return {**facts, "quantity": 1, "amount": 2.5, **more}


def click(number: int, **more: Any) -> dict[str, Any]:
    return {"messageId": f"m{number}", "type": "page", "timestamp": f"2026-05-0{number}T10:00:00", **more}


def word(number: int, **more: Any) -> dict[str, Any]:
    said = {"id": f"e{number}", "at": "2026-01-01T00:00:00Z", "purpose": "analytics", "action": "given"}
    return {**said, "email": "ann@example.org", **more}


def fill(world: Any) -> None:
    world.write("data/crm/people.csv", CRM)
    world.write("data/guests/2026.csv", "order_id,name,email\nG1,Ann,ann@example.org\nG2,bob,nobody\n")
    rows = [line("b1", 1, card_no=111.0), line("b1", 2, card_no=111.0, quantity=-1), line("b2", 1)]
    world.tills("data/tills/may 1+2.parquet", rows)
    world.tills("data/tills/june.parquet", [line("b3", 1, card_no=222.0, at=NOON + timedelta(days=31))])
    no = {"consent": {"categoryPreferences": {"analytics": False}}}
    who = {"email": "ann@example.org", "firstName": "Ann"}
    world.lines(
        "data/web/may.ndjson",
        click(1, anonymousId="c1", properties={"url": "/", "note": "I am ann@example.org"}),
        click(2, anonymousId="c1", type="identify", traits=who),
        click(3, anonymousId="c2", context=no, traits={"email": "refuser@example.org"}),
        '{"messageId": "m4", "type": "page", "mail me": "cut.off@example.org',
        click(5, anonymousId="c1", type="identify", traits={**who, "firstName": "Anna"}),
    )
    world.lines(
        "data/consents/all.ndjson",
        word(1),
        word(1),
        word(2, cookie="c9", until="2027-01-01"),
        word(3, purpose="mindreading"),
        word(4, email=None),
        word(1, action="withdrawn"),
    )
    world.write("data/products/all.csv", "id;name;size\n1;Caf\u00e9;\n2;Tea;5 kg\n".encode("cp1252"))


def counts(account: dict[str, int]) -> tuple[int, ...]:
    names = ("read", "accepted", "changed", "duplicate", "quarantined", "suppressed", "consent_filtered")
    return tuple(account[name] for name in names)


def everything(world: Any) -> list[Any]:
    tables = (RECORDS, EVENTS, CATALOGUE, QUARANTINE, CONSENT_INBOX)
    return [sorted(map(str, world.read(table).collect())) for table in tables]


def test_every_row_of_every_kind_of_source_has_its_fate(world: Callable[..., Any]) -> None:
    shop = world()
    fill(shop)
    first = shop.run()
    assert {name: counts(first[name]) for name in ("crm", "guests", "tills", "web", "consents", "products", "all")} == {
        "crm": (9, 3, 1, 1, 5, 0, 0),
        "guests": (2, 2, 0, 0, 0, 0, 0),
        "tills": (4, 3, 0, 0, 1, 0, 0),
        "web": (5, 3, 0, 0, 1, 0, 1),
        "consents": (6, 2, 0, 1, 3, 0, 0),
        "products": (2, 2, 0, 0, 0, 0, 0),
        "all": (28, 15, 1, 2, 10, 0, 1),
    }
    _quarantine_tells_place_and_rule_but_no_person(shop)
    _records_hold_versions_and_placeholders_are_gone(shop, first)
    _events_have_subjects(shop)
    _consents_and_catalogue(shop)
    before = everything(shop)
    second = shop.run()
    assert counts(second["all"]) == (28, 0, 0, 28, 0, 0, 0)
    assert everything(shop) == before


@pytest.mark.nightly
def test_every_kind_of_source_comes_again_as_it_was(world: Callable[..., Any], tmp_path: Path) -> None:
    shop = world()
    fill(shop)
    first = shop.run()
    before = everything(shop)
    assert counts(shop.again()["all"]) == (28, 0, 0, 17, 10, 0, 1)
    assert everything(shop) == before
    shadow = shop.over(shadow_of(Workspace.open(shop.root), tmp_path / "shadow").root)
    shadow.number, shadow.base = 0, {}
    found = shadow.again(origin=str(shop.root))
    assert found["sources"] == {name: first[name] for name in found["sources"]}
    assert len(found["differences"]) == 6
    for one in found["differences"]:
        assert (one["only_there"], one["only_here"], one["changed"], one["other_record_keys"]) == (0, 0, 0, 0), one
    assert all(one["there"] == one["here"] for one in found["quarantined"])
    shadow.database.dispose()


def _quarantine_tells_place_and_rule_but_no_person(shop: Any) -> None:
    rows = shop.read(QUARANTINE).orderBy("source", "position", "rule").collect()
    assert [(r.source, r.file, r.position, r.field, r.rule, r.value_class) for r in rows] == [
        ("consents", "all.ndjson", 4, "purpose", "values", "text of 11 characters"),
        ("consents", "all.ndjson", 5, "identifiers", "required", "empty"),
        ("consents", "all.ndjson", 6, None, "immutable", "row"),
        ("crm", "people.csv", 5, "dob", "max", "text of 10 characters"),
        ("crm", "people.csv", 8, "customer_id", "required", "empty"),
        ("crm", "people.csv", 9, None, "csv", "row"),
        ("crm", "people.csv", 10, None, "csv", "row"),
        ("crm", "people.csv", 11, "updated_at", "type", "text of 10 characters"),
        ("tills", "may 1+2.parquet", 2, "quantity", "min", "text of 2 characters"),
        ("web", "may.ndjson", 4, None, "json", "row"),
    ]
    shown = [(r.field, r.rule, r.reason, r.file, r.value_class) for r in rows]
    assert "@" not in str(shown)
    payloads = {(r.source, r.position): r.payload for r in rows}
    assert '"mobile":"614-555-0107"' in payloads["crm", 11]
    assert "[EMAIL_ADDRESS" not in payloads["crm", 11]
    assert "cut.off" not in payloads["web", 4]


def _records_hold_versions_and_placeholders_are_gone(shop: Any, first: Any) -> None:
    records = shop.read(RECORDS)
    assert records.count() == 3 + 2 + 2 + 1
    assert records.where("source = 'crm'").select("record_key").distinct().count() == 2
    ann, cy = current_records(records).where("source = 'crm'").orderBy("key").collect()
    assert ann.attributes == {"given_name": "Anna", "birth_date": "1980-02-03"}
    assert [(i.type, i.value) for i in ann.identifiers] == [
        ("email", "ann@example.org"),
        ("phone", "+16145550101"),
        ("customer", "C1"),
    ]
    assert (ann.trust, ann.jurisdiction, ann.kind, ann.batch) == (0.9, "US-OH", "person", 1)
    assert ann.observed_at.timestamp() == datetime(2026, 2, 1, tzinfo=UTC).timestamp()
    assert (cy.attributes, [i.type for i in cy.identifiers]) == ({"given_name": "Cy\nthe 3rd"}, ["customer"])
    guest = records.where("key = 'G2'").first()
    assert (guest.attributes, guest.identifiers) == ({}, [])
    assert {(n["source"], n["item"], n["note"], n["rows"]) for n in first["notes"]} == {
        ("crm", "identifier email", "blocked", 1),
        ("crm", "identifier phone", "invalid", 1),
        ("guests", "field email", "type", 1),
        ("guests", "field name", "pattern", 1),
    }


def _events_have_subjects(shop: Any) -> None:
    events = shop.read(EVENTS)
    keys = {r.key: r.record_key for r in shop.read(RECORDS).where("kind = 'subject'").collect()}
    assert set(keys) == {"loyalty:111", "loyalty:222", "email:ann@example.org"}
    rows = {r.message_id: r for r in events.collect()}
    assert rows["b1|1"].record_key == keys["loyalty:111"]
    assert (rows["b1|1"].amount, rows["b1|1"].product_id, rows["b1|1"].properties) == (2.5, "7", {"store": "31"})
    assert rows["b1|1"].occurred_at.timestamp() == NOON.timestamp()
    assert (rows["b2|1"].subject, rows["b2|1"].record_key, rows["b2|1"].identifiers) == (None, None, [])
    assert (rows["m1"].subject, rows["m1"].record_key, rows["m1"].anonymous_id) == ("cookie:c1", None, "c1")
    assert rows["m1"].properties == {"url": "/", "note": "I am [EMAIL_ADDRESS]", "note_findings": "EMAIL_ADDRESS"}
    # New York in May: four hours behind.
    assert rows["m1"].occurred_at.timestamp() == datetime(2026, 5, 1, 14, tzinfo=UTC).timestamp()
    assert (rows["m2"].subject, rows["m2"].anonymous_id) == ("email:ann@example.org", "c1")
    ann = shop.read(RECORDS).where("key = 'email:ann@example.org'").first()
    assert ann.attributes == {"given_name": "Anna"}
    assert [i.type for i in ann.identifiers] == ["cookie", "email"]


def _consents_and_catalogue(shop: Any) -> None:
    inbox = {r.event_id: r for r in shop.read(CONSENT_INBOX).collect()}
    assert set(inbox) == {"e1", "e2"}
    assert inbox["e1"].token == token(b"k" * 40, "email", "ann@example.org")
    assert (inbox["e1"].action, inbox["e1"].mechanism, inbox["e1"].kind) == ("given", "centre", "email")
    assert (inbox["e2"].kind, inbox["e2"].expires_at is None) == ("cookie", False)
    products = {r.key: r.attributes for r in shop.read(CATALOGUE).collect()}
    assert products == {"1": {"name": "Caf\u00e9"}, "2": {"name": "Tea", "size": "5 kg"}}


def test_a_source_says_how_it_writes_days_and_what_describes_stays_an_attribute(world: Callable[..., Any]) -> None:
    """In text and in Parquet: two sources of one run."""
    shop = world("crm")
    declared = (shop.root / "sources/crm.yaml").read_text() + "date_order: day_first\nregion: GB\n"
    shop.declare("crm", declared)
    shop.declare(
        "pq", declared.replace("source: crm", "source: pq").replace("*.csv, format: csv", "*.parquet, format: parquet")
    )
    rows = [
        ("C1", "Ann", "03/02/1980", "info@example.org", ""),
        ("C2", "Bob", "3. Feb 1980", "bob@example.org", "020 7946 0000"),
        ("C3", "Cy", "31/31/1980", "cy@mailinator.com", ""),
    ]
    names = ("customer_id", "first_name", "dob", "email", "mobile")
    lines = [f"{','.join(row)},2026-01-01" for row in rows]
    shop.write("data/crm/people.csv", "\n".join([",".join([*names, "updated_at"]), *lines]) + "\n")
    table = pa.Table.from_pylist([{**dict(zip(names, r, strict=True)), "updated_at": "2026-01-01"} for r in rows])
    pq.write_table(table, shop.root / "data/crm/people.parquet")
    account = shop.run()
    for source in ("crm", "pq"):
        assert counts(account[source]) == (3, 2, 0, 0, 1, 0, 0)
        found = {row.key: row for row in shop.read(RECORDS).where(f"source = '{source}'").collect()}
        assert found["C1"].attributes == {"given_name": "Ann", "birth_date": "1980-02-03", "email": "info@example.org"}
        assert [i.value for i in found["C1"].identifiers] == ["info@example.org", "C1"]
        assert found["C2"].attributes == {"given_name": "Bob", "birth_date": "1980-02-03"}
        assert [i.value for i in found["C2"].identifiers] == ["bob@example.org", "+442079460000", "C2"]
        (rejected,) = shop.read(QUARANTINE).where(f"source = '{source}'").collect()
        assert (rejected.field, rejected.rule) == ("dob", "type")
        assert "31/31/1980" in rejected.payload


def test_a_changed_file_brings_only_its_changes(world: Callable[..., Any]) -> None:
    shop = world("crm", "tills", "products", "web")
    fill(shop)
    shop.run()
    keys = {r.key: r.record_key for r in shop.read(RECORDS).collect()}
    shop.write(
        "data/crm/people.csv",
        CRM.replace("C1,Anna", "C1,Annie").replace("2026-02-01", "2026-03-01") + "C9,Zoe,,,,2026-01-01\n",
    )
    shop.tills("data/tills/june.parquet", [line("b3", 1, card_no=222.0, amount=9.5, at=NOON + timedelta(days=31))])
    shop.write("data/products/all.csv", b"id;name;size\n1;Coffee;\n2;Tea;5 kg\n")
    shop.lines("data/web/june.ndjson", click(6, anonymousId="c7", traits={"email": "Ann@example.org"}))
    second = shop.run()
    assert {name: counts(second[name]) for name in ("crm", "tills", "web", "products")} == {
        "crm": (10, 2, 1, 8, 0, 0, 0),
        "tills": (4, 1, 1, 3, 0, 0, 0),
        "web": (6, 1, 0, 5, 0, 0, 0),
        "products": (2, 1, 1, 1, 0, 0, 0),
    }
    now = {r.key: r for r in current_records(shop.read(RECORDS)).collect()}
    assert {key: now[key].record_key for key in keys} == keys
    assert now["C1"].attributes["given_name"] == "Annie"
    assert [i.value for i in now["email:ann@example.org"].identifiers] == ["c1", "c7", "ann@example.org"]
    assert shop.read(EVENTS).where("message_id = 'b3|1'").count() == 2
    (corrected,) = current_events(shop.read(EVENTS)).where("message_id = 'b3|1'").collect()
    assert (corrected.amount, corrected.version, corrected.record_key) == (9.5, 1, keys["loyalty:222"])
    assert {r.key: r.attributes["name"] for r in current_catalogue(shop.read(CATALOGUE)).collect()} == {
        "1": "Coffee",
        "2": "Tea",
    }
    # An older file that comes late is kept, but does not become the newest word.
    shop.write("data/crm/old.csv", "customer_id,first_name,dob,email,mobile,updated_at\nC1,Anny,,,,2020-01-01\n")
    third = shop.run("crm")
    assert counts(third["crm"]) == (11, 1, 1, 10, 0, 0, 0)
    (ann,) = current_records(shop.read(RECORDS)).where("key = 'C1'").collect()
    assert ann.attributes["given_name"] == "Annie"


def test_a_killed_run_resumed_leaves_what_an_unbroken_one_leaves(world: Callable[..., Any], monkeypatch: Any) -> None:
    shop = world("crm", "tills", "web")
    fill(shop)

    class Killed(BaseException):
        pass

    from infra.lake import Lake

    append = Lake.append
    for survived in DEATHS:
        writes = iter(range(100))

        def die(self: Any, *arguments: Any, writes: Any = writes, survived: int = survived) -> None:
            append(self, *arguments)
            if next(writes) + 1 == survived:
                raise Killed

        monkeypatch.setattr(Lake, "append", die)
        with pytest.raises(Killed):
            shop.run(resume=survived > DEATHS[0])
    monkeypatch.undo()
    resumed = shop.run(resume=True)
    assert counts(resumed["all"]) == (18, 9, 1, 1, 7, 0, 1)
    again = shop.run(resume=True)
    assert again == resumed
    assert shop.read(EVENTS).count() == 6
    assert shop.read(QUARANTINE).count() == 7
    assert shop.read(EVENTS).where("record_key is not null").count() == 4
    assert shop.read(EVENTS).join(shop.read(RECORDS), "record_key").count() == 4


def test_a_run_given_up_midway_loses_nothing(world: Callable[..., Any]) -> None:
    shop = world("tills")
    fill(shop)
    shop.run()
    with shop.database.begin() as connection:
        for table in store.METADATA.sorted_tables:
            connection.execute(delete(table))
    before = everything(shop)
    second = shop.run()
    assert counts(second["tills"]) == (4, 0, 0, 4, 0, 0, 0)
    assert everything(shop) == before


def test_rows_of_restricted_people_are_suppressed(world: Callable[..., Any], monkeypatch: Any) -> None:
    shop = world("crm", "web")
    fill(shop)
    restricted = frozenset({token(b"k" * 40, "email", "ann@example.org"), token(b"k" * 40, "email", "eve@example.org")})
    monkeypatch.setattr("ingestion.jobs.restricted_tokens", lambda _database: restricted)
    first = shop.run()
    assert counts(first["crm"]) == (9, 1, 0, 0, 5, 3, 0)
    assert counts(first["web"]) == (5, 1, 0, 0, 1, 2, 1)
    assert shop.read(RECORDS).where(f.exists("identifiers", lambda i: i["value"] == "ann@example.org")).count() == 0
    monkeypatch.setattr("ingestion.jobs.restricted_tokens", lambda _database: frozenset())
    lifted = shop.run()
    assert counts(lifted["crm"]) == (9, 2, 1, 7, 0, 0, 0)


HEADER = "customer_id,first_name,dob,mail,mobile,updated_at\n"
BAD = {
    "a missing folder": ("crm", {}, "no file matches data/crm/*.csv"),
    "a vanished column": ("crm", {"data/crm/a.csv": HEADER}, "a.csv:1: column 'email' is missing; it has 'mail'"),
    "a foreign encoding": ("crm", {"data/crm/a.csv": HEADER.encode("utf-16")}, "a.csv:1: the header is not"),
    "a torn parquet": ("tills", {"data/tills/a.parquet": b"PAR1"}, "data/tills/a.parquet: not a whole Parquet file"),
    "a json array": ("web", {"data/web/a.ndjson": "[{}]"}, "data/web/a.ndjson:1: a JSON array"),
    "a broken yaml": ("crm", {"sources/crm.yaml": "source: crm\nkey: [a\n"}, "sources/crm.yaml:3"),
    "an unknown source": ("shop", {}, "no source is called 'shop'; declared in sources/: consents, crm"),
    "an unknown purpose": (
        "consents",
        {"sources/consents.yaml": "source: consents\nconnector: {type: files, path: x, format: csv}\nrecord: consent\n"
         "key: id\noccurred_at: at\nidentifiers: {email: e}\nconsent:\n  purpose: =mindreading\n  action: a\n"},
        "sources/consents.yaml:8: consent.purpose: unknown purpose; use one of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_told_and_nothing_is_written(world: Callable[..., Any], case: str) -> None:
    source, files, says = BAD[case]
    shop = world()
    for path, content in files.items():
        shop.write(path, content)
    with pytest.raises(KindredError) as caught:
        shop.run(source)
    assert says in str(caught.value)
    assert not (shop.root / "state" / "lake").exists()
