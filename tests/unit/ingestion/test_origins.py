"""Lineage knows sources by the names of their systems, and which column feeds which field; secrets it does not know."""

from pathlib import Path
from typing import Any

import pytest

from infra.lineage.model import Address
from infra.workspace import Workspace
from ingestion.config import Source
from ingestion.origins import addresses, fed, given

HIDDEN = "s3cret"
PERSON: dict[str, Any] = {
    "source": "crm",
    "connector": {"type": "files", "path": "data/crm/*.csv", "format": "csv"},
    "record": "person",
    "key": "id",
    "observed_at": "updated_at",
    "fields": {"given_name": "first_name"},
    "identifiers": {"email": ["mail", "mail2"]},
    "contract": {"first_name": {"max_length": 20}},
    "free_text": {"note": "redact"},
    "deleted": "gone",
}


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    return Workspace.open(tmp_path)


def source(**more: Any) -> Source:
    return Source.model_validate({**PERSON, **more})


def columns(found: Any, field: str) -> list[tuple[str, str]]:
    return [(origin.column, origin.how) for origin in found.fields[field]]


@pytest.mark.parametrize(
    ("connector", "namespace", "name"),
    [
        ({"type": "postgres", "url": f"postgresql://me:{HIDDEN}@db.example.org/shop", "table": "people"},
         "postgres://db.example.org:5432", "shop.public.people"),
        ({"type": "postgres", "url": f"postgresql://me:{HIDDEN}@db:6000/shop", "query": "SELECT 1"},
         "postgres://db:6000", "shop.public.query of crm"),
        ({"type": "postgres", "url": f"host=db password={HIDDEN}", "table": "people"}, "kindred://shop", "sources/crm"),
        ({"type": "jdbc", "url": f"jdbc:oracle:thin:me/{HIDDEN}@db:1521/x", "driver": "o.Driver", "table": "people"},
         "kindred://shop", "sources/crm"),
        ({"type": "kafka", "bootstrap": "a:9092, b:9092", "topic": "people"}, "kafka://a:9092", "people"),
        ({"type": "delta", "path": "s3://bucket/people"}, "s3://bucket", "people"),
        ({"type": "delta", "path": f"abfss://me:{HIDDEN}@host/people"}, "kindred://shop", "sources/crm"),
        ({"type": "python", "path": "own.py", "options": {"password": HIDDEN}}, "kindred://shop", "sources/crm"),
    ],
)  # fmt: skip
def test_a_source_is_called_as_its_system_is(
    shop: Workspace, connector: dict[str, Any], namespace: str, name: str
) -> None:
    found = addresses(source(connector=connector), shop)
    assert found == (Address(namespace, name),)
    assert HIDDEN not in str(given(source(connector=connector), shop, 3))


def test_files_and_the_log_are_called_by_their_place(shop: Workspace) -> None:
    assert addresses(source(), shop) == (Address("file", f"{shop.root}/data/crm/*.csv"),)
    web = Source.model_validate({"source": "web", "connector": {"type": "collector"}})
    assert addresses(web, shop) == (Address("file", f"{shop.root}/state/spool/web"),)


def test_a_person_is_fed_by_what_the_declaration_names(shop: Workspace) -> None:
    one = source()
    records = fed(one, addresses(one, shop))["records"]
    assert columns(records, "key") == [("id", "IDENTITY")]
    assert columns(records, "attributes.given_name") == [("first_name", "IDENTITY")]
    assert columns(records, "attributes.note") == [("note", "TRANSFORMATION")]
    assert columns(records, "identifiers.email") == [("mail", "TRANSFORMATION"), ("mail2", "TRANSFORMATION")]
    assert {(origin.column, origin.how) for origin in records.conditions} == {
        ("gone", "FILTER"),
        ("first_name", "FILTER"),
    }


def test_an_event_feeds_its_table_and_its_subject(shop: Workspace) -> None:
    said = {"source": "web", "connector": {"type": "collector"}, "identifiers": {"cookie": "anonymousId"},
            "fields": {"given_name": "traits.firstName"}, "order": {"amount": "properties.total"}}  # fmt: skip
    one = Source.model_validate(said)
    found = fed(one, addresses(one, shop))
    assert columns(found["events"], "message_id") == [("messageId", "IDENTITY")]
    assert columns(found["events"], "amount") == [("properties.total", "TRANSFORMATION")]
    assert columns(found["events"], "received_at") == [("receivedAt", "TRANSFORMATION")]
    assert columns(found["records"], "attributes.given_name") == [("traits.firstName", "IDENTITY")]
    assert columns(found["verdicts"], "token") == [("messageId", "TRANSFORMATION")]


def test_a_constant_comes_from_no_column(shop: Workspace) -> None:
    said = {**{k: PERSON[k] for k in ("connector", "key")}, "source": "words", "record": "consent", "occurred_at": "at",
            "identifiers": {"email": "mail"}, "consent": {"purpose": "for", "action": "=given"}}  # fmt: skip
    one = Source.model_validate(said)
    inbox = fed(one, addresses(one, shop))["consent_inbox"]
    assert columns(inbox, "purpose") == [("for", "IDENTITY")]
    assert "action" not in inbox.fields


def test_the_columns_are_told_by_name_and_type(shop: Workspace) -> None:
    (told,) = given(source(contract={"dob": {"type": "date"}}), shop, 7)
    assert {field.name: field.type for field in told.fields}["dob"] == "date"
    assert {field.name: field.type for field in told.fields}["id"] == "text"
    assert told.rows == 7
