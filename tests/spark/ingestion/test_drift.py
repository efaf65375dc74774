"""Loads against what is expected of them: references, volume, freshness; columns that come, widen and change."""

import json
from random import Random
from typing import Any

import pytest

from infra.clock import system_clock
from ingestion.drift.store import history
from ingestion.quarantine.rules import FixRules
from ingestion.quarantine.store import Signed, save
from ingestion.store import Books
from ingestion.tables import EVENTS, QUARANTINE, RECORDS

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

END = "nothing of the source is taken in"
CRM = """
source: crm
connector: {type: files, path: "data/crm/*.csv", format: csv}
record: person
key: id
fields: {given_name: first}
identifiers: {email: email}
"""
ORDERS = """
source: orders
connector: {type: files, path: "data/orders/*.ndjson", format: ndjson}
record: event
key: id
occurred_at: at
event: {type: "=order", name: "=order"}
properties: [customer, store, total]
identifiers: {customer: customer}
"""
REFERS = ORDERS + "expect: {reference: {customer: {to: crm}, store: {to: stores, on_violation: accept_and_flag}}}\n"
STORES = """
source: stores
connector: {type: files, path: "data/stores.csv", format: csv}
record: catalogue
key: id
"""


def order(n: int, customer: str | None, store: str = "s1", **more: Any) -> dict[str, Any]:
    told = {
        "id": f"o{n}",
        "at": f"2026-10-{1 + n % 28:02d}T10:00:00Z",
        "customer": customer,
        "store": store,
        "total": n,
    }
    return {**told, **more}


def people(*keys: str) -> str:
    return "id,first,email\n" + "".join(f"{key},Ann,{key}@example.org\n" for key in keys)


@pytest.fixture
def place(shop: Any) -> Any:
    for name, text in (("crm", CRM), ("orders", REFERS), ("stores", STORES)):
        shop.declare(name, text)
    shop.write("data/stores.csv", "id,city\ns1,Columbus\n")
    return shop


def notes(found: dict[str, Any], source: str) -> list[str]:
    return [f"{n['item']}: {n['note']}" for n in found["notes"] if n["source"] == source]


@pytest.mark.nightly
def test_a_row_that_refers_to_nobody_waits_in_quarantine_until_it_can_be_replayed(place: Any) -> None:
    place.write("data/crm/1.csv", people("c1", "c2"))
    place.lines(
        "data/orders/1.ndjson",
        *(order(1, "c1"), order(2, " c2 "), order(3, "c9"), order(4, None), order(5, "c1", store="s7")),
    )
    first = place.run()
    assert first["orders"]["accepted"] == 4  # of those in the same run, too; who names nobody breaks nothing
    assert first["orders"]["quarantined"] == 1
    (row,) = place.read(QUARANTINE).collect()
    assert (row["field"], row["rule"], row["value_class"]) == ("customer", "reference", "text of 2 characters")
    assert row["reason"] == "customer must be a key of crm; none of its rows has this key"
    assert json.loads(row["payload"])["customer"] == "c9"
    flagged = {r["message_id"]: r["properties"].get("_flagged") for r in place.read(EVENTS).collect()}
    assert flagged == {"o1": None, "o2": None, "o4": None, "o5": "field store: reference"}
    assert "field store: reference" in notes(first, "orders")

    place.lines("data/orders/2.ndjson", order(6, "c9"), order(3, "c9"))
    second = place.run()
    assert (second["orders"]["quarantined"], second["orders"]["duplicate"]) == (1, 6)

    place.write("data/crm/2.csv", people("c9"))
    place.run("crm")
    third = place.run(replay=as_they_are(place))
    assert (third["orders"]["accepted"], third["orders"]["quarantined"]) == (2, 0)
    assert place.read(EVENTS).count() == 6


def as_they_are(place: Any) -> str:
    """Return the id of a fix that changes nothing of what broke the rule `reference`."""
    rules = FixRules.model_validate({"source": "orders", "rule": "reference"})
    return save(place.database, rules, Signed("ann", "the customers have come", system_clock())).id


@pytest.mark.nightly
def test_who_was_deleted_is_referred_to_no_more(place: Any) -> None:
    place.declare("crm", CRM + "deleted: {gone: yes}\n")
    place.write("data/crm/1.csv", "id,first,email,gone\nc1,Ann,a@example.org,\nc2,Bob,b@example.org,\n")
    place.run("crm")
    place.write("data/crm/2.csv", "id,first,email,gone\nc2,,,yes\n")
    place.run("crm")
    assert place.read(RECORDS).where("deleted").count() == 1
    place.declare("orders", REFERS + "on_personal_data: alarm\n")  # keeps the payload of rejected rows alone
    place.lines("data/orders/1.ndjson", order(1, "c1"), order(2, "c2"))
    found = place.run("orders")["orders"]
    assert (found["accepted"], found["quarantined"]) == (1, 1)


@pytest.mark.nightly
def test_what_refers_to_a_source_that_was_stopped_refers_to_nobody(place: Any) -> None:
    place.declare("crm", CRM + "expect: {volume: {min: 3, severity: error}}\n")
    place.write("data/crm/1.csv", people("c1"))
    place.lines("data/orders/1.ndjson", order(1, "c1"), order(2, None))
    found = place.run()
    assert "crm" not in found
    assert (found["orders"]["accepted"], found["orders"]["quarantined"]) == (1, 1)
    assert place.read(RECORDS).where("kind = 'person'").count() == 0


def test_a_load_that_is_too_small_stops_its_source_and_no_other(place: Any) -> None:
    place.declare("orders", ORDERS + "expect: {volume: {min: 3, severity: error}}\n")
    place.write("data/crm/1.csv", people("c1"))
    place.lines("data/orders/1.ndjson", order(1, "c1"), order(2, "c1"))
    first = place.run()
    assert "orders" not in first
    assert first["crm"]["accepted"] == 1
    assert notes(first, "orders") == ["load: volume error: 2 rows came; at least 3 rows are expected; " + END]
    assert place.read(EVENTS).count() == 0
    again = place.run(resume=True)  # the books are closed: nothing is done twice
    assert again["notes"] == first["notes"]
    assert place.read(QUARANTINE).count() == 0

    assert place.run("orders", anyway=True)["orders"]["accepted"] == 2
    assert [load.stopped for load in history(place.database, "orders").loads] == [False, True]


@pytest.mark.nightly
def test_a_load_is_held_against_the_median_of_those_before(place: Any) -> None:
    place.declare("orders", ORDERS + "expect: {volume: {max_ratio: 2, severity: error}}\n")
    for number in (1, 2, 3, 4):
        rows = [order(number * 10 + n, "c1") for n in range(4)]
        file = place.lines(f"data/orders/{number}.ndjson", *rows)
        assert place.run("orders")["orders"]["accepted"] == 4
        file.unlink()
    place.lines("data/orders/5.ndjson", *(order(100 + n, "c1") for n in range(9)))
    assert notes(place.run("orders"), "orders") == [
        "load: volume error: 9 rows came; at most 8 rows (2 of the median of 4 loads) are expected; " + END
    ]
    assert [load.stopped for load in history(place.database, "orders").loads] == [True, *[False] * 4]


def test_columns_come_widen_and_change_and_nothing_is_lost(place: Any) -> None:
    place.declare("orders", ORDERS + "expect: {freshness: {warn_after: 40d, error_after: 90d}}\n")
    place.lines("data/orders/1.ndjson", *(order(n, "c1") for n in range(40)))
    assert notes(place.run("orders"), "orders") == []
    place.lines(
        "data/orders/2.ndjson",
        *(order(50 + n, "c1", total=n + 0.5, gift="yes", contact=f"u{n}@example.org") for n in range(40)),
    )
    second = place.run("orders")
    assert second["orders"]["accepted"] == 40
    told = notes(second, "orders")
    new = "new column nobody declared, kind {}; `kindred drift orders` proposes (by a sample)"
    assert f"field gift: {new.format('boolean')}" in told
    assert "field total: kind widened: integer, now number (by a sample)" in told
    proposals = {one.name: one.proposal for one in history(place.database, "orders").columns if one.proposal}
    assert proposals["gift"] == "properties: [gift]\ncontract: {gift: {type: boolean}}"
    assert "identifiers: {email: [contact]}" in proposals["contact"]
    assert "consent/labels.yaml: put contact under contact" in proposals["contact"]

    strict = "schema: {new_columns: quarantine, changed_types: quarantine}\n"
    place.declare("orders", ORDERS + strict)
    rows = [order(100 + n, "c1") for n in range(40)]
    rows[3]["total"], rows[4]["total"], rows[5]["colour"] = "ten", "", "red"
    place.lines("data/orders/3.ndjson", *rows)
    third = place.run("orders")
    assert (third["orders"]["accepted"], third["orders"]["quarantined"]) == (38, 2)
    rejected = {(r["field"], r["rule"]) for r in place.read(QUARANTINE).collect()}
    assert rejected == {("total", "type"), ("colour", "new_column")}
    # They were refused, so the next load is held to the same.
    place.lines("data/orders/4.ndjson", order(201, "c1", colour="blue"), order(202, "c1", total="x"), order(203, "c1"))
    fourth = place.run("orders")
    assert (fourth["orders"]["accepted"], fourth["orders"]["quarantined"]) == (1, 2)
    place.declare("orders", ORDERS + "schema: {new_columns: stop}\n")
    place.lines("data/orders/5.ndjson", order(301, "c1", size="L"))
    fifth = place.run("orders")
    assert "orders" not in fifth or fifth["orders"]["accepted"] == 0
    assert "load: new_columns error: columns that nobody declared: colour, size; " + END in notes(fifth, "orders")


@pytest.mark.nightly
def test_what_is_old_is_told_though_nothing_came_and_what_moved_is_told_by_column(place: Any) -> None:
    place.declare("orders", ORDERS + "expect: {freshness: {warn_after: 12d, error_after: 90d}}\n")
    place.lines("data/orders/1.ndjson", *(order(n, "c1") for n in range(100)))
    assert notes(place.run("orders"), "orders") == []
    place.lines("data/orders/2.ndjson", *(order(200 + n, "c1" if n % 2 else None, total=n * 40) for n in range(100)))
    told = notes(place.run("orders"), "orders")
    assert "field customer: drift: empty 50%, before 0% (by a sample)" in told
    assert "field total: drift: high 3,960, before 99 (by a sample)" in told
    assert not [note for note in told if note.startswith("field id")]
    place.number += 24 * 11  # the runs of this world are an hour apart
    late = notes(place.run("orders"), "orders")
    assert [note.startswith("load: freshness warn: the newest row is of 2026-10-28 10:00Z, 1") for note in late] == [
        True
    ]


@pytest.mark.nightly
def test_a_run_that_is_cut_off_leaves_what_one_that_was_not_leaves(place: Any, monkeypatch: Any) -> None:
    place.write("data/crm/1.csv", people("c1"))
    place.lines("data/orders/1.ndjson", *(order(n, "c1" if n % 3 else "c9") for n in range(30)))

    class CutError(Exception):
        pass

    def cut(*_: Any, **__: Any) -> None:
        raise CutError

    monkeypatch.setattr(Books, "close", cut)
    with pytest.raises(CutError):
        place.run()
    monkeypatch.undo()
    assert history(place.database, "orders").loads == ()
    done = place.run(resume=True)
    assert (done["orders"]["accepted"], done["orders"]["quarantined"]) == (20, 10)
    assert place.read(EVENTS).count() == 20
    assert place.read(QUARANTINE).count() == 10
    (load,) = history(place.database, "orders").loads
    assert (load.rows, load.drawn.sampled) == (30, 30)


@pytest.mark.nightly
def test_references_are_what_plain_sets_say(place: Any) -> None:
    """Whatever is referred to: three runs, with deletions, blanks, repetitions and quotes."""
    chance = Random(5)  # noqa: S311 - a draw that can be repeated
    crm = CRM.replace("format: csv", "format: ndjson").replace("*.csv", "*.ndjson")
    place.declare("crm", crm + "deleted: {gone: yes}\n")
    place.declare("orders", ORDERS + "expect: {reference: {customer: {to: crm}}}\n")
    keys = ["c1", "c 2", "é3", "'4'", "5|5", "c.6", '"7"', "C1"]
    there: set[str] = set()
    wanted = quarantined = 0
    for number in range(3):
        gone = {key for key in there if chance.random() < 0.3}
        came = {key for key in keys if chance.random() < 0.4} - gone
        lines = [json.dumps({"id": key, "first": "Ann", "gone": "yes" if key in gone else ""}) for key in came | gone]
        place.lines(f"data/crm/{number}.ndjson", *lines)
        rows = [order(100 * number + n, chance.choice([*keys, None, " ", "c1 ", "nobody"])) for n in range(40)]
        place.lines(f"data/orders/{number}.ndjson", *rows)
        found = place.run("crm") if gone else {}
        assert found.get("crm", {}).get("quarantined", 0) == 0
        there = (there | came) - gone
        broken = sum(1 for row in rows if (row["customer"] or "").strip() and row["customer"].strip() not in there)
        account = place.run()["orders"]
        quarantined += broken
        wanted += len(rows)
        assert account["read"] == wanted
        assert place.read(QUARANTINE).count() == quarantined
        assert place.read(EVENTS).count() == wanted - quarantined
