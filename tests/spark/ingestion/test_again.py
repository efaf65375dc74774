"""What came before comes again: in place, by today's declarations, once however often it is asked for."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from consent.tables import CONSENT_INBOX
from infra.identifiers import token
from infra.lake import Lake
from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.quarantine.opened import open_rejections, recoveries
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS, RECOVERED, VERDICTS
from ingestion.transforms import current_events, current_records
from ingestion.verdict import verdicts

pytestmark = pytest.mark.spark

HEADER = "customer_id,first_name,dob,email,mobile,updated_at\n"
GUESTS = "order_id,name,email\n"
WEB = """
source: web
connector: {type: collector}
identifiers: {customer: userId, cookie: anonymousId}
contract: {event: {pattern: "[A-Z].*"}}
"""


def fate(account: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in account.items() if count}


def everything(shop: Any) -> list[list[str]]:
    tables = (RECORDS, EVENTS, CATALOGUE, QUARANTINE, CONSENT_INBOX, RECOVERED, VERDICTS)
    return [sorted(map(str, shop.read(table).collect())) for table in tables]


def still(shop: Any) -> list[tuple[str, str, str]]:
    lake = Workspace.open(shop.root).lake_path
    return sorted((one.source, one.field or "", one.rule) for one in open_rejections(lake))


def entry(number: int, received: str = "2026-10-31T09:00:00.000Z", **event: Any) -> dict[str, Any]:
    said = {"type": "track", "event": "Seen", "anonymousId": "c1", "timestamp": "2026-10-31T08:59:00Z", **event}
    return {"r": received, "m": f"m{number}", "s": None, "e": said}


def seal(shop: Any, *entries: Any, name: str = "1793437200000-0000000a.ndjson") -> Path:
    bodies = [one if isinstance(one, bytes) else line(json.dumps(one).encode()) for one in entries]
    folder: Path = Workspace.open(shop.root).log_path / "web"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"".join(bodies))
    return folder / name


@pytest.mark.nightly
def test_what_came_is_judged_by_todays_contract_and_mapping_in_place(world: Callable[..., Any]) -> None:
    shop = world("crm", "guests")
    shop.write(
        "data/crm/a.csv", HEADER + "C1,Ann,1980-02-03,ann@example.org,,2026-01-01\nC2,Bob,3.2.1980,,,2026-01-02\n"
    )
    shop.write("data/guests/a.csv", GUESTS + "G1,Ann,ann@example.org\nG2,Bo,bo@example.org\nG1,Anna,ann@example.org\n")
    shop.run()
    shop.write("data/guests/b.csv", GUESTS + "G2,Bob,bo@example.org\n")
    shop.write("data/crm/b.csv", HEADER + "C1,Annie,1980-02-03,ann@example.org,,2026-02-01\nC3,,never,,,2026-02-01\n")
    shop.run()
    before = everything(shop)
    assert fate(shop.again()["all"]) == {"read": 8, "duplicate": 6, "quarantined": 2}
    assert everything(shop) == before
    keys = {row["key"]: row["record_key"] for row in shop.read(RECORDS).collect()}
    # dates are read as the source writes them now, and a name is called otherwise
    crm = (shop.root / "sources/crm.yaml").read_text()
    shop.declare("crm", crm.replace("dob: {type: date, max: today}", "dob: {}"))
    guests = (shop.root / "sources/guests.yaml").read_text()
    shop.declare("guests", guests.replace("given_name: name", "family_name: name"))
    assert fate(shop.again("crm,guests", since=1, until=2)["all"]) == {
        "read": 5,
        "accepted": 4,
        "changed": 3,
        "duplicate": 1,
    }
    found = {row["key"]: row for row in current_records(shop.read(RECORDS)).collect()}
    assert found["C2"]["attributes"] == {"given_name": "Bob", "birth_date": "3.2.1980"}
    assert found["G1"]["attributes"] == {"family_name": "Anna"}
    assert found["G2"]["attributes"] == {"given_name": "Bob"}, "what came later stays the last word"
    assert all(found[key]["record_key"] == record for key, record in keys.items())
    assert still(shop) == [("crm", "dob", "type")]
    told = recoveries(Workspace.open(shop.root).lake_path, "crm", "C2")
    assert [(row["verdict"], row["rule"], row["fix"]) for row in told] == [("accepted", "type", "replay run4")]
    after = everything(shop)
    assert fate(shop.again("crm,guests", since=1, until=2)["all"]) == {"read": 5, "duplicate": 5}
    assert everything(shop) == after
    # the rest of the span, then a mapping that goes back
    assert fate(shop.again()["all"]) == {"read": 8, "accepted": 2, "changed": 1, "duplicate": 6}
    assert still(shop) == []
    shop.declare("guests", guests)
    shop.again()
    found = {row["key"]: row for row in current_records(shop.read(RECORDS)).collect()}
    assert [found[key]["attributes"] for key in ("G1", "G2")] == [{"given_name": "Anna"}, {"given_name": "Bob"}]
    last = everything(shop)
    assert fate(shop.again()["all"]) == {"read": 8, "duplicate": 8}
    assert everything(shop) == last
    sequences = [(row["record_key"], row["sequence"]) for row in shop.read(RECORDS).collect()]
    assert len(sequences) == len(set(sequences))


@pytest.mark.nightly
def test_events_of_the_log_come_again_from_the_kept_segments(shop: Any) -> None:
    shop.declare("web", WEB)
    seal(
        shop,
        entry(1),
        entry(2, event="seen", properties={"n": 1}),
        entry(1, "2026-10-31T09:00:01.000Z", event="Again"),
        entry(3, "2026-10-31T10:00:00.000Z", event="low"),
        b'{"c":"00000000","e":{}}\n',
        {"r": "2026-10-31T09:00:00.000Z", "v": "suppressed", "k": "t5"},
    )
    assert fate(shop.run()["web"]) == {"read": 6, "accepted": 1, "duplicate": 1, "quarantined": 3, "suppressed": 1}
    before = everything(shop)
    span = {"since": "2026-10-31T08:00:00+00:00", "until": "2026-10-31T09:30:00+00:00"}
    assert fate(shop.run("web", **span)["web"]) == {"read": 5, "duplicate": 2, "quarantined": 2, "suppressed": 1}
    assert everything(shop) == before
    shop.declare("web", WEB.replace("[A-Z].*", ".*") + "order: {product_id: type}\n")
    # m1 says more than it did, as its correction; what came under its id a second later is a repetition still
    assert fate(shop.run("web", **span)["web"]) == {
        "read": 5,
        "accepted": 2,
        "changed": 1,
        "duplicate": 1,
        "quarantined": 1,
        "suppressed": 1,
    }
    after = everything(shop)
    shop.run("web", **span)
    assert everything(shop) == after
    assert ("web", "event", "pattern") in still(shop)
    keys = {row["message_id"]: row["name"] for row in current_events(shop.read(EVENTS)).collect()}
    assert keys == {"m1": "Seen", "m2": "seen"}
    workspace = Workspace.open(shop.root)
    assert [one.verdict for one in verdicts(workspace, shop.database, "m1")] == ["accepted", "duplicate", "accepted"]


def test_a_change_is_held_against_what_came_and_nothing_is_written(world: Callable[..., Any]) -> None:
    shop = world("crm")
    shop.declare("web", WEB)
    shop.write(
        "data/crm/a.csv", HEADER + "C1,Ann,1980-02-03,ann@example.org,,2026-01-01\nC2,Bob,3.2.1980,,,2026-01-02\n"
    )
    shop.write("data/crm/b.csv", HEADER + "C4,Di,1980-02-03,,,yesterday\n")
    seal(shop, entry(1), entry(2, event="low"), entry(3, event="Longer"))
    shop.run()
    shop.write("data/crm/b.csv", HEADER + "C4,Di,1980-02-03,,,2026-01-01\n")
    crm = (shop.root / "sources/crm.yaml").read_text()
    shop.declare("crm", crm.replace("dob: {type: date, max: today}, ", "email: {required: true}, "))
    shop.declare("web", WEB.replace("[A-Z].*", "[a-z].*") + "on_violation: accept_and_flag\n")
    before = everything(shop)
    found = shop.again(since=-48, against="yes")
    assert everything(shop) == before
    assert any("crm: 2 of 3 raw rows of" in text for text in shop.said)
    assert [{name: value for name, value in row.items() if value} for row in found["verdicts"]] == [
        {
            "source": "crm",
            "then": "quarantined",
            "then_field": "dob",
            "then_rule": "type",
            "rows": 1,
            "now": "quarantined",
            "now_field": "email",
            "now_rule": "required",
            "places": ["crm:a.csv:3"],
        },
        {"source": "crm", "then": "taken in", "now": "taken in", "rows": 1},
        {
            "source": "web",
            "then": "quarantined",
            "then_field": "event",
            "then_rule": "pattern",
            "rows": 1,
            "now": "taken in",
            "places": ["web:1793437200000-0000000a.ndjson:2"],
        },
        {"source": "web", "then": "taken in", "now": "taken in", "rows": 2},
    ]
    assert found["soft"] == [{"source": "web", "note": "field event: pattern", "rows": 2}]
    assert not any("example.org" in text for text in shop.said)


def test_nobody_comes_back_who_is_suppressed_today(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.declare("web", WEB)
    seal(shop, entry(1, userId="C7"), entry(2, event="low", userId="C7"))
    shop.run()
    shop.declare("web", WEB.replace("[A-Z].*", ".*"))
    restricted = token(Workspace.open(shop.root).token_key(), "customer", "C7")
    monkeypatch.setattr("ingestion.jobs.restricted_tokens", lambda _database: {restricted})
    assert fate(shop.again(since=-48)["web"]) == {"read": 2, "suppressed": 2}
    assert [row["message_id"] for row in shop.read(EVENTS).collect()] == ["m1"]
    assert still(shop) == [("web", "event", "pattern")]


@pytest.mark.nightly  # by day test_streamed.py and test_conservation.py die
def test_whatever_dies_in_a_replay_it_leaves_the_same(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.declare("web", WEB)
    seal(shop, entry(1, userId="C1"), entry(2, event="low", userId="C2"), entry(1, "2026-10-31T09:00:01.000Z"))
    shop.run()
    shop.declare("web", WEB.replace("[A-Z].*", ".*") + "order: {product_id: event}\n")
    asked = {"since": "2026-10-31T00:00:00+00:00", "until": "2026-11-01T00:00:00+00:00"}
    copies: list[Path] = []
    append = Lake.append

    def struck(self: Any, *arguments: Any) -> None:
        # the state before each write, as a killed run would leave it
        copies.append(tmp_path / f"dies-{len(copies)}")
        shutil.copytree(shop.root, copies[-1])
        append(self, *arguments)

    monkeypatch.setattr(Lake, "append", struck)
    account = shop.run("web", **asked)
    monkeypatch.undo()
    whole = everything(shop)
    assert copies
    for copy in copies:
        left, anew = shop.over(copy), shop.over(shutil.copytree(copy, copy.with_name(f"{copy.name}-anew")))
        assert left.run("web", resume=True, **asked)["all"] == account["all"]
        assert everything(left) == whole
        # given up, and asked for anew
        anew.run("web", **asked)
        assert [row["message_id"] for row in current_events(anew.read(EVENTS)).collect()].count("m2") == 1
        assert still(anew) == still(shop)
        for one in (left, anew):
            one.database.dispose()
