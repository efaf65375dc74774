"""Rejected rows that are mended and replayed: once, in their own time, whatever dies on the way."""

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consent.tables import CONSENT_INBOX
from infra.clock import system_clock
from infra.identifiers import token
from infra.lake import Lake
from infra.workspace import Workspace
from ingestion.quarantine.desk import tried
from ingestion.quarantine.opened import groups, open_rejections, recoveries
from ingestion.quarantine.rules import FixRules
from ingestion.quarantine.store import Signed, save
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS, RECOVERED
from ingestion.transforms import current_events, current_records

pytestmark = pytest.mark.spark

HEADER = "customer_id,first_name,dob,email,mobile,updated_at\n"
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def fixed(shop: Any, **rules: Any) -> str:
    """Return the id of a fix that was saved."""
    made = FixRules.model_validate(rules)
    return save(shop.database, made, Signed("ann", "the till writes dates its own way", system_clock())).id


def opened(shop: Any) -> list[tuple[str, str | None, str, int]]:
    """Return what is open, by source, field and rule."""
    lake = Workspace.open(shop.root).lake_path
    return [(g.source, g.field, g.rule, g.rows) for g in groups(open_rejections(lake))]


def foreseen(shop: Any, **rules: Any) -> tuple[int, int]:
    """Return how many rows a fix names and how many would pass, told without the engine."""
    effect = tried(Workspace.open(shop.root), FixRules.model_validate(rules).fix(), system_clock())
    return effect.named, effect.passing


def counts(account: Mapping[str, int]) -> tuple[int, ...]:
    names = ("read", "accepted", "changed", "duplicate", "quarantined", "suppressed", "consent_filtered")
    return tuple(account[name] for name in names)


def everything(shop: Any) -> list[list[str]]:
    tables = (RECORDS, EVENTS, CATALOGUE, QUARANTINE, CONSENT_INBOX, RECOVERED)
    return [sorted(map(str, shop.read(table).collect())) for table in tables]


def click(number: int, **more: Any) -> dict[str, Any]:
    told = {"messageId": f"m{number}", "timestamp": f"2026-05-01T10:0{number}:00", "type": "track", "event": "Seen"}
    return told | {"anonymousId": "c1", **more}


DATES = {
    "source": "crm",
    "rule": "type",
    "field": "dob",
    "steps": [{"cast": {"dob": "date:%d.%m.%Y"}}, {"set": {"first_name": "Cyrus"}, "when": {"customer_id": "C3"}}],
}


@pytest.mark.nightly  # by day test_collected.py mends and replays
def test_a_broken_row_is_mended_replayed_and_marked(world: Callable[..., Any]) -> None:
    shop = world("crm")
    shop.write(
        "data/crm/people.csv",
        HEADER
        + "C1,Ann,1980-02-03,ann@example.org,,2026-01-01\n"
        + "C2,Bob,03.02.1980,bob@example.org,614-555-0101,2026-01-02\n"
        + "C3,Cy,31.12.1979,,,2026-01-03\n"
        + "C4,Di,sometime,,,2026-01-04\n"
        + "C5,Ed,03.02.1980,,,yesterday\n",
    )
    assert counts(shop.run()["crm"]) == (5, 1, 0, 0, 4, 0, 0)
    assert opened(shop) == [("crm", "dob", "type", 3), ("crm", "updated_at", "type", 1)]
    fix = fixed(shop, **DATES)
    assert foreseen(shop, **DATES) == (3, 2)
    assert counts(shop.run(replay=fix)["crm"]) == (3, 2, 0, 0, 1, 0, 0)
    found = {row.key: row for row in shop.read(RECORDS).collect()}
    assert found["C2"].attributes == {"given_name": "Bob", "birth_date": "1980-02-03"}
    assert [i.value for i in found["C2"].identifiers] == ["bob@example.org", "+16145550101", "C2"]
    assert found["C2"].observed_at.timestamp() == datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    assert found["C3"].attributes["given_name"] == "Cyrus"
    # What is still wrong is where it was, what came in says how.
    assert opened(shop) == [("crm", "dob", "type", 1), ("crm", "updated_at", "type", 1)]
    told = recoveries(Workspace.open(shop.root).lake_path, "crm", "C2")
    assert [(row["fix"], row["verdict"], row["rule"], row["batch"]) for row in told] == [(fix, "accepted", "type", 2)]
    before = everything(shop)
    assert counts(shop.run(replay=fix)["crm"]) == (1, 0, 0, 0, 1, 0, 0)
    assert everything(shop) == before
    assert counts(shop.run()["crm"]) == (5, 0, 0, 5, 0, 0, 0)
    assert everything(shop) == before


def web(shop: Any) -> None:
    """Write events that break in every way, one of them mended by its sender a day later."""
    good = click(
        1, properties={"url": "/", "note": "write to zoe@example.org"}, extra=[1.50, {"a": 12345678901234567890}]
    )
    late = click(2, timestamp="01/05/2026 10:02", properties={"url": "/late"}, traits={"email": "Ann@example.org"})
    noted = click(3, timestamp="01/05/2026 10:03", properties={"note": "I am bob@example.org"}, extra=[1.50])
    resent = click(4, timestamp="01/05/2026 10:04", properties={"url": "/old"})
    cut = json.dumps(click(5)).replace('"Seen"', '"Seen",')
    silent = json.dumps(click(6, context={"consent": {"categoryPreferences": {"analytics": "no"}}})) + "]"
    shop.lines("data/web/may.ndjson", good, late, noted, resent, cut, silent, "no object")
    shop.run()
    shop.lines("data/web/june.ndjson", click(4, properties={"url": "/new"}))
    shop.run()
    # who says no is made another rejection first
    marked = [{"replace": {"line": {"pattern": "]$", "with": "]]"}}, "when": {"line": {"matches": ".*[}]]"}}}]
    assert counts(shop.run(replay=fixed(shop, source="web", rule="json", steps=marked))["web"]) == (3, 0, 0, 0, 3, 0, 0)


MOMENTS = {
    "source": "web",
    "steps": [
        {"cast": {"timestamp": "timestamp:%d/%m/%Y %H:%M"}},
        {"replace": {"line": {"pattern": '",,', "with": '",'}}},
        {"replace": {"line": {"pattern": "]]$", "with": ""}}},
        {"drop": ["extra"], "when": {"messageId": "m3"}},
    ],
}


@pytest.mark.nightly
def test_rows_without_a_time_of_their_own_keep_that_of_their_arrival(world: Callable[..., Any]) -> None:
    shop = world("guests")
    shop.write("data/guests/a.csv", 'order_id,name,email\nG1,Zoe,zoe@example.org,x\nG2,Ann,"ann,x\nG3,Ed,,y\n')
    assert counts(shop.run()["guests"]) == (3, 0, 0, 0, 3, 0, 0)
    shop.write("data/guests/b.csv", "order_id,name,email\nG1,Zoey,zoe@example.org\n")
    shop.run()
    fix = fixed(shop, source="guests", rule="csv", steps=[{"replace": {"line": {"pattern": ",x$", "with": ""}}}])
    assert counts(shop.run(replay=fix)["guests"]) == (3, 1, 1, 0, 2, 0, 0)
    now = {row.key: row for row in current_records(shop.read(RECORDS)).collect()}
    assert now["G1"].attributes == {"given_name": "Zoey"}
    old = shop.read(RECORDS).where("attributes['given_name'] = 'Zoe'").first()
    assert old.observed_at.timestamp() == datetime(2026, 11, 1, 1, tzinfo=UTC).timestamp()
    assert old.record_key == now["G1"].record_key
    # The mended half of a row is a rejection of its own, at its old place.
    rejected = shop.read(QUARANTINE).where("batch = 3").first()
    assert (rejected.file, rejected.position, rejected.rule) == ("a.csv", 3, "csv")
    assert opened(shop) == [("guests", None, "csv", 2)]


@pytest.mark.nightly
def test_after_a_contract_is_relaxed_rows_are_replayed_as_they_are(world: Callable[..., Any]) -> None:
    shop = world("products", "tills")
    file = shop.root / "sources/products.yaml"
    declared = file.read_text()
    file.write_text(declared + 'contract: {size: {pattern: "[0-9]+ kg"}}\n')
    shop.write("data/products/all.csv", b"id;name;size;colour\n1;Tea;5 lb;red\n2;Jam;12;blue\n")
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    row = {"basket_id": "b1", "line": 1, "card_no": 111.0, "store": "31", "product_id": 7, "amount": 2.5, "at": at}
    shop.tills("data/tills/may.parquet", [{**row, "quantity": -1}])
    shop.run()
    assert opened(shop) == [("products", "size", "pattern", 2), ("tills", "quantity", "min", 1)]
    file.write_text(declared + "contract: {size: {values: [5 lb]}}\n")
    shop.write("data/products/all.csv", b"id;name;size;colour\n")
    as_they_are = fixed(shop, source="products", rule="pattern")
    assert counts(shop.run(replay=as_they_are)["products"]) == (2, 1, 0, 0, 1, 0, 0)
    (tea,) = shop.read(CATALOGUE).collect()
    assert tea.attributes == {"name": "Tea", "size": "5 lb", "colour": "red"}
    assert opened(shop) == [("products", "size", "values", 1), ("tills", "quantity", "min", 1)]
    assert counts(shop.run(replay=fixed(shop, source="tills", steps=[{"set": {"quantity": "1"}}]))["tills"])[:2] == (
        1,
        1,
    )
    (line,) = shop.read(EVENTS).collect()
    assert (line.amount, line.quantity, line.product_id) == (2.5, 1.0, "7")
    assert line.occurred_at.timestamp() == at.timestamp()


@pytest.mark.nightly
def test_what_is_not_a_matter_of_fields_stays_until_it_is_settled(world: Callable[..., Any], monkeypatch: Any) -> None:
    shop = world("crm", "consents")
    said = {"at": "2026-01-01T00:00:00Z", "purpose": "analytics", "action": "given"}
    shop.lines(
        "data/consents/all.ndjson",
        {"id": "e1", "email": "ann@example.org", **said},
        {"id": "e1", "email": "ann@example.org", **said, "action": "withdrawn"},
        {"id": "e2", **said},
    )
    shop.write(
        "data/crm/people.csv",
        f"{HEADER}C1,Ann,03.02.1980,ann@example.org,,2026-01-01\nC2,Bob,some day,,,2026-01-01\n",
    )
    shop.run()
    wanted = [("consents", None, "immutable", 1), ("consents", "identifiers", "required", 1), ("crm", "dob", "type", 2)]
    assert opened(shop) == wanted
    # A word that contradicts an earlier one of its id is evidence, and no fix changes that; one that names nobody may.
    named = fixed(shop, source="consents", steps=[{"set": {"email": "bob@example.org"}, "when": {"email": ""}}])
    assert counts(shop.run(replay=named)["consents"]) == (2, 1, 0, 0, 1, 0, 0)
    assert sorted(row.event_id for row in shop.read(CONSENT_INBOX).collect()) == ["e1", "e2"]
    # A restricted person's row is not taken in, and not forgotten.
    held = frozenset({token(b"k" * 40, "email", "ann@example.org")})
    monkeypatch.setattr("ingestion.jobs.restricted_tokens", lambda _database: held)
    dates = fixed(shop, source="crm", rule="type", steps=[{"cast": {"dob": "date:%d.%m.%Y"}}])
    assert counts(shop.run(replay=dates)["crm"]) == (2, 0, 0, 0, 1, 1, 0)
    monkeypatch.undo()
    assert opened(shop) == [("consents", None, "immutable", 1), ("crm", "dob", "type", 2)]
    # A row that is made worse and then what it was is open all the time, as what it is then.
    there = fixed(shop, source="crm", steps=[{"set": {"dob": "never"}, "when": {"dob": "some day"}}])
    back = fixed(shop, source="crm", steps=[{"map": {"dob": {"never": "some day"}}}])
    for fix, says in ((there, "never"), (back, "some day")):
        assert counts(shop.run(replay=fix)["crm"])[:2] == (2, 0)
        assert opened(shop)[-1:] == [("crm", "dob", "type", 2)]
        payloads = [o.payload for o in open_rejections(Workspace.open(shop.root).lake_path, "crm")]
        assert sorted(says in payload for payload in payloads) == [False, True]
    assert counts(shop.run(replay=dates)["crm"]) == (2, 1, 0, 0, 1, 0, 0)


DIES_AT = range(6) if NIGHTLY else [random.Random(7).choice(range(1, 6))]  # noqa: S311 - a seed, no secret


@pytest.mark.nightly  # by day test_streamed.py and test_conservation.py die
def test_broken_events_come_in_whatever_dies_and_overtake_nothing(
    world: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> None:
    shop = world("web")
    web(shop)
    assert opened(shop) == [("web", None, "json", 3), ("web", "timestamp", "type", 3)]
    fix = fixed(shop, **MOMENTS)
    assert foreseen(shop, **MOMENTS) == (6, 5)
    append, passed = Lake.append, iter(range(100))

    def struck(self: Any, *arguments: Any) -> None:
        moment = next(passed)
        if moment in DIES_AT:
            shutil.copytree(shop.root, tmp_path / f"dies-{moment}")
        append(self, *arguments)

    monkeypatch.setattr(Lake, "append", struck)
    assert counts(shop.run(replay=fix)["web"]) == (6, 3, 0, 1, 1, 0, 1)
    monkeypatch.undo()
    assert next(passed) == 6  # rejections, verdicts, records, events, the rows that may not be kept, what was recovered
    begun = shop.number, shop.base
    wanted, left = everything(shop), opened(shop)
    _events_keep_their_time_and_say_how_they_came(shop)
    assert counts(shop.run(replay=fix)["web"]) == (1, 0, 0, 0, 1, 0, 0)
    assert everything(shop) == wanted
    for moment in DIES_AT:
        scene = tmp_path / f"dies-{moment}"
        resumed, anew = (shop.over(shutil.copytree(scene, tmp_path / f"{moment}-{name}")) for name in ("on", "anew"))
        assert everything(resumed) != wanted
        resumed.number, resumed.base = begun
        resumed.run(replay=fix, resume=True)
        assert everything(resumed) == wanted
        anew.run(replay=fix)
        assert opened(anew) == left
        assert {r.message_id: r.version for r in anew.read(EVENTS).collect()} == dict.fromkeys(
            ["m1", "m2", "m3", "m4", "m5"], 0
        )
        for one in (resumed, anew):
            one.database.dispose()


def _events_keep_their_time_and_say_how_they_came(shop: Any) -> None:
    events = {row.message_id: row for row in shop.read(EVENTS).collect()}
    assert set(events) == {"m1", "m2", "m3", "m4", "m5"}
    assert events["m2"].occurred_at.timestamp() == datetime(2026, 5, 1, 14, 2, tzinfo=UTC).timestamp()
    assert events["m2"].subject == "email:ann@example.org"
    assert events["m3"].properties == {"note": "I am [EMAIL_ADDRESS]"}
    # The sender's own later word stays the last one.
    (kept,) = current_events(shop.read(EVENTS)).where("message_id = 'm4'").collect()
    assert kept.properties == {"url": "/new"}
    assert opened(shop) == [("web", None, "json", 1)]
    replayed = [row for row in recoveries(Workspace.open(shop.root).lake_path) if row["batch"] == 4]
    told = {row["key"]: row["verdict"] for row in replayed}
    assert told == {"m2": "accepted", "m3": "accepted", "m4": "duplicate", "m5": "accepted", None: "consent_filtered"}
    # Who said no is not kept as a rejected row either.
    assert "analytics" not in str(shop.read(QUARANTINE).collect())
