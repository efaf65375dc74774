"""What a person is told on request: everything that is surely theirs, and nothing that may be somebody else's."""

import csv
import io
import json
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

import activation.tables
import consent.tables
import identity.tables
import ingestion.tables
import profiles.tables
from api.http.privacy.answers import Answers
from consent.model import MatrixRow, Policy, PurposeTerms
from consent.requests.config import RequestsConfig
from consent.requests.disclosure import _cell, answer, as_json, as_zip
from consent.requests.model import Request
from consent.retention.model import Period, Rule
from infra.ids import Purpose
from profiles.disclosure import person_of
from profiles.header import Header, Holding

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
POLICY = Policy(
    version="1",
    purposes={
        Purpose("service"): PurposeTerms(
            name=Purpose("service"), line=1, description="Answer you", min_link="verified"
        ),
        Purpose("analytics"): PurposeTerms(name=Purpose("analytics"), line=2, description="Count", min_link="probable"),
    },
    rows=(MatrixRow(purpose=Purpose("service"), basis="contract", line=9),),
    masks={},
)
REQUEST = Request(
    id="0" * 32, right="access", status="notifying", resumes=None, regulation="gdpr", jurisdiction="DE", channel="http",
    asked_by="subject", opened_by="key:a", approved_by="desk", external_id=None, received_at=AT, opened_at=AT,
    due_at=AT, confirm_by=None, extended_at=None, verified_at=AT, ended_at=None, ground=None, kinds=("email",),
    details={},
)  # fmt: skip


@dataclass
class Reader:
    """Ann is profile `a` of four records, one of them only probably hers; Ben is `b`. They share a phone."""

    def candidates(self, token: str) -> tuple[str, ...]:
        return {"1:ann": ("a",), "1:card": ("a",), "1:ben": ("b",), "1:home": ("a", "b")}.get(token, ())

    def header(self, profile: str) -> Header | None:
        if profile != "a":
            return None
        records = {"r1": {"1:ann"}, "r2": {"1:card"}, "r3": {"1:maybe"}, "r4": {"1:home", "1:card"}}
        tokens: Any = {"1:ann": "own", "1:card": "verified", "1:maybe": "probable", "1:home": "probable"}
        held: Any = {key: Holding(frozenset(carried), frozenset()) for key, carried in records.items()}  # type: ignore[arg-type]
        return Header(profile, "r1", True, 4, 0.9, tokens, held)  # type: ignore[arg-type]


def identifiers(*tokens: str) -> list[dict[str, str]]:
    return [{"type": "email", "value": f"{token[2:]}@example.org", "token": token} for token in tokens]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lake")

    def record(key: str, source: str, *tokens: str) -> dict[str, Any]:
        own = {"record_key": key, "source": source, "key": key.upper(), "attributes": [("city", f"city of {key}")]}
        return own | {"sequence": 1, "observed_at": AT, "identifiers": identifiers(*tokens), "content_hash": "x"}

    schema = pa.schema([
        ("record_key", pa.string()), ("source", pa.string()), ("key", pa.string()), ("sequence", pa.int64()),
        ("observed_at", pa.timestamp("us", "UTC")),
        ("identifiers", pa.list_(pa.struct([(n, pa.string()) for n in ("type", "value", "token")]))),
        ("attributes", pa.map_(pa.string(), pa.string())), ("content_hash", pa.string()),
    ])  # fmt: skip
    records = [
        record("r1", "crm", "1:ann", "1:home"), record("r2", "loyalty", "1:card"), record("r3", "web", "1:maybe"),
        record("r4", "tills", "1:home", "1:card"), record("r9", "crm", "1:ben", "1:home"),
        record("r7", "newsletter", "1:ann"),  # objected to being resolved: in no profile, and held all the same
    ]  # fmt: skip
    tables: dict[str, Any] = {
        "records": pa.Table.from_pylist(records, schema=schema),
        "events": [{"source": "web", "message_id": f"m{n}", "version": 0, "record_key": key, "name": name, "batch": 7}
                   for n, (key, name) in enumerate([("r1", "=cmd()"), ("r3", "somebody"), ("r9", "ben's")])],
        "membership": [{"record_key": k, "profile_id": p, "component": "c"}
                       for k, p in [("r1", "a"), ("r2", "a"), ("r3", "a"), ("r4", "a"), ("r9", "b")]],
        "edges": [{"left_key": left, "right_key": right, "why": "email"} for left, right in
                  [("r1", "r2"), ("r1", "r3"), ("r1", "r9")]],
        "record_consent": [{"record_key": k, "purpose": "service", "allowed": allowed, "reason": reason}
                           for k, allowed, reason in
                           [("r1", True, "contract"), ("r2", True, "legitimate_interest"), ("r7", False, "objected")]],
        "profile_views": [{"profile_id": p, "purpose": purpose, "attributes": [{"field": "city", "value": value}]}
                          for p, purpose, value in [("a", "service", "Dayton"), ("a", "analytics", "of r3, perhaps"),
                                                    ("b", "service", "Ben's town")]],
        "recommendations_profile": [{"profile_id": "a", "product_id": "p1"}],
    }  # fmt: skip
    for name, rows in tables.items():
        write_deltalake(str(root / name), rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows))
    return root


@dataclass
class Words:
    policy: Policy
    database: Any


@pytest.fixture
def packages(lake: Path) -> Any:
    answers = Answers(None, Words(POLICY, None), lake, Reader())  # type: ignore[arg-type]
    return answers.packages()[:4]


def told(lake: Path, packages: Any, tokens: Any, right: str = "access", **config: Any) -> dict[str, Any]:
    person = person_of(lake, Reader(), tokens)  # type: ignore[arg-type]
    request = replace(REQUEST, right=right)  # type: ignore[arg-type]
    return answer(request, person, packages, POLICY, RequestsConfig(**config), AT)


def of(document: dict[str, Any], store: str) -> list[dict[str, Any]]:
    return next((one["rows"] for one in document["data"] if one["store"] == store), [])


def test_everything_that_is_surely_hers_and_nothing_else(lake: Path, packages: Any) -> None:
    document = told(
        lake, packages, ["1:ann"], retention={"records": "three years"}, recipients={"mailer": "sends mail"}
    )
    assert [row["record_key"] for row in of(document, "records")] == ["r1", "r2", "r4", "r7"]
    assert [row["name"] for row in of(document, "events")] == ["=cmd()"]
    assert [(row["left_key"], row["right_key"]) for row in of(document, "edges")] == [("r1", "r2")]
    assert [row["purpose"] for row in of(document, "profile_views")] == ["service"]
    assert "content_hash" not in of(document, "records")[0]
    raw = as_json(document).decode()
    assert "ben" not in raw.lower()
    assert "perhaps" not in raw
    assert "city of r3" not in raw
    (records,) = [one for one in document["data"] if one["store"] == "records"]
    assert (records["retention"], records["sources"]) == ("three years", ["crm", "loyalty", "newsletter", "tills"])
    assert document["recipients"] == [{"name": "mailer", "told": "sends mail"}]
    assert {"purpose": "service", "told": "Answer you", "rests_on": ["contract"]} in document["purposes"]
    left_out = {one["store"]: one for one in document["left_out"]}
    assert left_out["records"]["records"] == 1
    assert "not surely" in left_out["recommendations_profile"]["because"]
    assert {"quarantine", "profile_graph", "sync_state"} <= set(left_out)


def test_rules_that_are_carried_out_are_told_and_not_our_words(lake: Path, packages: Any) -> None:
    person = person_of(lake, Reader(), ["1:ann"])  # type: ignore[arg-type, list-item]
    config = RequestsConfig(retention={"records": "three years", "*": "a while"})
    rule = Rule(table="records", keep=Period.of("3y"), counted_from="last_activity", because="for service")
    document = answer(REQUEST, person, packages, POLICY, config, AT, (rule,))
    kept = {one["store"]: one["retention"] for one in document["data"]}
    assert kept["records"] == "3 years after the person's last activity: for service"
    assert kept["events"] == "a while"


def test_a_shared_identifier_opens_nobodys_records(lake: Path, packages: Any) -> None:
    document = told(lake, packages, ["1:home"])
    assert document["data"] == []
    assert next(one for one in document["left_out"] if one["store"] == "records")["records"] == 3


@pytest.mark.parametrize("tokens", [["1:nobody"], []])
def test_of_somebody_unknown_nothing_is_held(lake: Path, packages: Any, tokens: Any, tmp_path: Path) -> None:
    assert told(lake, packages, tokens)["data"] == []
    assert told(tmp_path, packages, tokens)["data"] == []


def test_portable_is_what_was_given_and_done_under_consent_or_contract(lake: Path, packages: Any) -> None:
    document = told(lake, packages, ["1:ann"], "portability")
    assert {one["store"] for one in document["data"]} == {"records", "events"}
    assert [row["record_key"] for row in of(document, "records")] == ["r1"]
    assert {one["origin"] for one in document["data"]} == {"given", "observed"}


def test_an_archive_is_the_same_bytes_and_runs_nothing(lake: Path, packages: Any) -> None:
    document = told(lake, packages, ["1:ann"])
    packed = as_zip(document)
    assert packed == as_zip(told(lake, packages, ["1:ann"]))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
        assert json.loads(archive.read("answer.json"))["request"]["id"] == REQUEST.id
        rows = list(csv.DictReader(io.StringIO(archive.read("events.csv").decode(), newline="")))
    assert names == ["answer.json", *(f"{one['store']}.csv" for one in document["data"])]
    assert [row["name"] for row in rows] == ["'=cmd()"]


@given(st.text() | st.integers() | st.none() | st.floats(allow_nan=False))
def test_no_cell_is_a_formula(value: Any) -> None:
    cell = _cell(value)
    assert not cell.startswith(("=", "@", "\t", "\r"))
    assert cell[:1] not in {"+", "-"} or cell[1:].replace(".", "", 1).isdigit()
    assert isinstance(value, float) or cell.lstrip("'") == ("" if value is None else str(value)).lstrip("'")


def test_every_table_that_may_hold_people_is_told_or_left_out_with_a_reason(lake: Path) -> None:
    words: Any = Words(POLICY, None)
    known = {store for package in Answers(None, words, lake, Reader()).packages() for store in package.stores()}  # type: ignore[arg-type]
    modules = (activation.tables, consent.tables, identity.tables, ingestion.tables, profiles.tables)
    holding = {
        table.name
        for module in modules
        for table in module.TABLES
        if table.personal() or {"record_key", "profile_id", "left_key"} & {column.name for column in table.columns()}
    }
    assert holding - known == set()
