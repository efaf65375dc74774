"""Personal data where none is declared: told by a sample, counted row by row, rejected, or redacted."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.tables import EVENTS, QUARANTINE, RECORDS

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CRM = """
connector: {{type: files, path: data/{0}/*.csv, format: csv}}
record: person
key: id
fields: {{given_name: first, segment: segment}}
identifiers: {{email: email}}
contract: {{first: {{required: true}}}}
on_personal_data: {1}
"""
WEB = """
connector: {{type: files, path: data/{0}/*.ndjson, format: ndjson}}
record: event
key: id
occurred_at: at
event: {{type: "=view", name: name}}
identifiers: {{cookie: anonymousId}}
properties: [properties.search, properties.page]
free_text: {{properties.page: redact}}
on_personal_data: {1}
"""
ROWS = "id,first,email,segment,memo\n" + "".join(
    f"{n},Ann,a{n}@example.org,{segment},{memo}\n"
    for n, (segment, memo) in enumerate(
        [
            ("gold", ""),
            ("b@example.org", ""),
            ("gold", "rings +1 614-555-0101 at night"),
            ("5555550101", "1234567890123"),
        ]
    )
)


def view(n: int, **properties: Any) -> dict[str, Any]:
    return {
        "id": f"e{n}",
        "at": "2026-10-01T10:00:00Z",
        "name": "view",
        "anonymousId": f"c{n}",
        "properties": properties,
    }


@pytest.fixture
def watched(world: Callable[..., Any]) -> Callable[..., Any]:
    def make(mode: str) -> Any:
        place = world("crm", "web")
        for name, text in (("crm", CRM), ("web", WEB)):
            (place.root / "sources" / f"{name}.yaml").write_text(f"source: {name}{text.format(name, mode)}")
        place.write("data/crm/1.csv", ROWS)
        place.lines(
            "data/web/1.ndjson",
            view(1, search="red shoes", page="/a"),
            view(2, search="jane@example.org", page="/b of joe@example.org"),
            view(3, search="shoes", page="/c", extra={"who": ["x", "mail jane@example.org now"]}),
            {**view(4, search="shoes"), "at": "never", "note": "ann@example.org"},
        )
        return place

    return make


def told(notes: list[dict[str, Any]]) -> set[tuple[str, str, str, int]]:
    return {(n["source"], n["item"], n["note"], n["rows"]) for n in notes if "personal_data" in n["note"]}


def test_an_alarm_counts_the_rows_of_each_column_and_keeps_them(watched: Callable[..., Any]) -> None:
    place = watched("alarm")
    found = place.run()
    assert told(found["notes"]) == {
        ("crm", "field segment", "personal_data EMAIL_ADDRESS", 1),
        ("crm", "field memo", "personal_data PHONE_NUMBER", 1),
        ("web", "field properties.search", "personal_data EMAIL_ADDRESS", 1),
        ("web", "field properties.extra.who", "personal_data EMAIL_ADDRESS", 1),
    }
    assert (found["crm"]["accepted"], found["web"]["accepted"], found["web"]["quarantined"]) == (4, 3, 1)
    properties = {row["message_id"]: row["properties"] for row in place.read(EVENTS).collect()}
    assert properties["e2"]["search"] == "jane@example.org"
    assert place.run()["all"]["accepted"] == 0


def test_quarantine_rejects_rows_and_says_which_field(watched: Callable[..., Any]) -> None:
    place = watched("quarantine")
    found = place.run()
    assert (found["crm"]["accepted"], found["crm"]["quarantined"]) == (2, 2)
    assert (found["web"]["accepted"], found["web"]["quarantined"]) == (1, 3)
    rejected = place.read(QUARANTINE).where("rule = 'personal_data'").collect()
    assert {(r["source"], r["field"]) for r in rejected} == {
        ("crm", "segment"), ("crm", "memo"), ("web", "properties.search"), ("web", "properties.extra.who"),
    }  # fmt: skip
    assert all("@" not in r["reason"] + r["value_class"] for r in rejected)
    (one,) = [r for r in rejected if r["field"] == "segment"]
    assert json.loads(one["payload"])["segment"] == "b@example.org"  # whole, so that it can be mended
    assert place.run()["all"]["quarantined"] == 0
    assert place.run(resume=True)["all"]["read"] == found["all"]["read"]


def test_redaction_replaces_what_is_found_in_the_lake_and_in_rejected_rows(watched: Callable[..., Any]) -> None:
    place = watched("redact")
    found = place.run()
    assert (found["crm"]["accepted"], found["web"]["accepted"], found["web"]["quarantined"]) == (4, 3, 1)
    segments = {
        row["key"]: row["attributes"].get("segment") for row in place.read(RECORDS).where("kind='person'").collect()
    }
    assert segments == {"0": "gold", "1": "[EMAIL_ADDRESS]", "2": "gold", "3": "5555550101"}
    names = {row["attributes"]["given_name"] for row in place.read(RECORDS).where("kind = 'person'").collect()}
    assert names == {"Ann"}
    searches = {row["message_id"]: row["properties"]["search"] for row in place.read(EVENTS).collect()}
    pages = {row["properties"].get("page") for row in place.read(EVENTS).collect()}
    assert pages == {"/a", "/b of [EMAIL_ADDRESS]", "/c"}  # declared twice: only what was screened is kept
    assert searches == {"e1": "red shoes", "e2": "[EMAIL_ADDRESS]", "e3": "shoes"}
    (rejected,) = place.read(QUARANTINE).collect()
    assert json.loads(rejected["payload"])["note"] == "[EMAIL_ADDRESS]"
    assert json.loads(rejected["payload"])["at"] == "never"


def test_without_a_word_a_sample_tells(world: Callable[..., Any]) -> None:
    place = world("guests")
    people = "".join(f"o{n},Ann,g{n}@example.org,h{n}@example.net,{n}\n" for n in range(30))
    place.write("data/guests/1.csv", "order_id,name,email,second_contact,points\n" + people)
    found = place.run()
    assert told(found["notes"]) == {("guests", "field second_contact", "personal_data email (by a sample)", 30)}
    assert "guests: field second_contact: personal_data email (by a sample) in 30 rows" in place.said
    assert found["guests"]["accepted"] == 30
