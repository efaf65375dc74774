"""What a source's files hold, against what its declaration says of them; samples that are bounded and repeatable."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.log.segments import line
from infra.settings import KindredSettings
from infra.workspace import Workspace
from ingestion.config import Source
from ingestion.discover import Found, found_in, role_of, roles, source_lines
from ingestion.sampling import files_of, leaves, sampled
from ingestion.watch import Watch, targets_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TODAY = date(2026, 11, 27)
FIRST = ("Ann", "Bob", "Cy", "Dee", "Eve", "Flo", "Gus", "Hal", "Ida", "Jo")
LABELS = frozenset({"given_name", "email"})


def source(form: str = "csv", **more: Any) -> Source:
    where = {"type": "files", "path": f"data/*.{form}", "format": form}
    facts = {"source": "s", "connector": where, "record": "person", "key": "id"}
    return Source.model_validate({**facts, **more})


def event(**more: Any) -> Source:
    facts = {
        "record": "event",
        "occurred_at": "at",
        "event": {"type": "=view"},
        "connector": {"type": "files", "path": "x", "format": "ndjson"},
    }
    return Source.model_validate({"source": "s", "key": "id", **facts, **more})


def look(one: Source, root: Path, **options: Any) -> dict[tuple[str, str], Found]:
    sample = sampled(files_of(place(root), one), one.connector, "seed")
    seen = found_in(one, sample, LABELS, region="US", today=TODAY, **options)
    return {(found.finding.column, found.finding.kind): found for found in seen}


def place(root: Path) -> Workspace:
    return Workspace(root, KindredSettings(name="shop"), {})


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_each_finding_stands_beside_what_is_declared(tmp_path: Path) -> None:
    rows = [
        {"id": f"{n}", "mail": f"a{n}@example.org", "first": FIRST[n % 10],
         "segment": f"b{n}@example.org",
         "alt_phone": f"+1 614-555-01{n:02d}", "note": f"ring c{n}@example.org at night"}
        for n in range(60)
    ]  # fmt: skip
    write_csv(tmp_path / "data/a.csv", rows)
    one = source(identifiers={"email": "mail"}, fields={"given_name": "first", "segment": "segment", "note": "note"})
    found = look(one, tmp_path)
    standings = {column: (f.standing, f.declared) for (column, _), f in found.items()}
    assert standings["mail"] == ("declared", "identifier email")
    assert standings["segment"] == ("unexpected", "field segment")
    assert standings["alt_phone"] == ("undeclared", "nothing")
    assert standings["note"] == ("unexpected", "field note")
    proposals = {f.proposal.field: f.proposal.label for f in found.values() if f.proposal}
    assert proposals == {"segment": "contact", "alt_phone": "contact", "note": "free_text"}
    lines = [told for f in found.values() for told in source_lines(one, f) if f.proposal]
    assert lines == [
        "identifiers: {phone: [alt_phone]}   # if it says whom the row is about",
        "free_text: {note: redact}   # in place of its line under fields or properties",
    ]
    assert set(look(one, tmp_path, only_harmless=True)) == {k for k, f in found.items() if f.standing != "declared"}
    assert look(one, tmp_path, patient=lambda: False) == {}


def test_paths_into_objects_have_the_role_of_what_they_lie_in() -> None:
    one = event(properties=["properties.address", "properties.plan"], identifiers={"email": "traits.email"})
    known = roles(one, LABELS)
    told = {
        path: role_of(path, known, LABELS)
        for path in ("properties.address.zip", "traits.email", "traits.phone", "id", "properties.email")
    }
    assert told["properties.address.zip"] is not None
    assert told["properties.address.zip"].told == "property address"
    assert told["traits.phone"] is None
    assert (told["traits.email"], told["id"]) != (None, None)
    assert told["properties.email"] is not None
    assert told["properties.email"].personal  # nobody declares it, and its name stands under a label


def test_a_sample_is_bounded_repeatable_and_from_all_over_a_long_file(tmp_path: Path) -> None:
    long = [{"id": f"{n}", "text": 'a "quoted"\nline, ' + "x" * 60} for n in range(40_000)]
    write_csv(tmp_path / "data/a.csv", long)
    one = source()
    where = one.connector
    files = files_of(place(tmp_path), one)
    first, again, other = (sampled(files, where, seed, 300) for seed in ("a", "a", "b"))
    assert first == again != other
    assert first.rows == 300
    numbers = [int(value or 0) for value in first.columns["id"]]
    assert max(numbers) - min(numbers) > 15_000
    assert set(first.columns) == {"id", "text"}


@pytest.mark.parametrize("count", [50, 30_000])
def test_objects_are_sampled_by_path_and_broken_lines_passed_over(tmp_path: Path, count: int) -> None:
    (tmp_path / "data").mkdir()
    lines = [
        json.dumps({"id": n, "a": {"b": {"c": f"v{n}"}}, "tags": ["x", "y"], "n": None, "t": True})
        for n in range(count)
    ]
    lines[3:3] = ["{", "[1]", "", '"text"', "\ud800".encode("utf-8", "surrogatepass").decode("latin1"), "[" * 5000]
    (tmp_path / "data/a.ndjson").write_text("\n".join(lines), encoding="utf-8")
    one = source("ndjson")
    where = one.connector
    found = sampled(files_of(place(tmp_path), one), where, "s", 200)
    assert set(found.columns) == {"id", "a.b.c", "tags", "t"}
    assert found.rows == min(count, 200)
    assert found.columns["tags"][0] == '["x", "y"]'


def test_parquet_is_sampled_with_what_is_nested_and_files_that_are_none_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [{"id": n, "day": date(1980, 1, 1), "at": {"zip": "43215"}, "raw": b"x", "none": None} for n in range(500)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data/a.parquet", row_group_size=20)
    (tmp_path / "data/b.parquet").write_bytes(b"nothing")
    one = source("parquet")
    where = one.connector
    found = sampled(files_of(place(tmp_path), one), where, "s", 100)
    assert found.columns["day"][0] == "1980-01-01"
    assert found.columns["at.zip"][0] == "43215"
    assert set(found.columns) == {"id", "day", "at.zip"}


def test_files_in_other_encodings_gone_or_empty_are_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_bytes("id;name\n1;Zoë\n".encode("utf-16"))
    (tmp_path / "data/b.csv").write_text("")
    said = {"type": "files", "path": "data/*.csv", "format": "csv", "encoding": "utf-16", "delimiter": ";"}
    one = source(connector=said)
    where = one.connector
    found = sampled([*files_of(place(tmp_path), one), tmp_path / "data/gone.csv"], where, "s")
    assert found.columns == {"id": ["1"], "name": ["Zoë"]}
    assert sampled([], where, "s").rows == 0


def test_events_in_the_log_are_sampled_as_readers_see_them(tmp_path: Path) -> None:
    one = Source.model_validate(
        {"source": "web", "connector": {"type": "collector"}, "identifiers": {"cookie": "anonymousId"}}
    )
    folder = place(tmp_path).log_path / "web"
    folder.mkdir(parents=True)
    bodies = [
        {"r": "2026-11-01T00:00:00.000Z", "m": f"m{n}", "e": {"type": "track", "anonymousId": f"c{n}",
         "properties": {"search": f"a{n}@example.org", "page": f"/p{n}"}}}
        for n in range(40)
    ]  # fmt: skip
    unkept = {"r": "2026-11-01T00:00:00.000Z", "v": "suppressed", "k": "1:00"}
    lines = [line(json.dumps(body).encode()) for body in (*bodies, unkept)]
    (folder / f"{1:013d}-0badcafe.ndjson").write_bytes(b"".join(lines) + b"torn")
    found = look(one, tmp_path)
    assert {key: f.standing for key, f in found.items()} == {("properties.search", "email"): "unexpected"}


@pytest.mark.parametrize("requests", [1, 9])
def test_events_of_long_requests_are_sampled_from_all_over_a_segment(tmp_path: Path, requests: int) -> None:
    one = Source.model_validate({"source": "web", "connector": {"type": "collector"}})
    folder = place(tmp_path).log_path / "web"
    folder.mkdir(parents=True)
    events = [{"type": "page", "messageId": f"m{n}", "properties": {"page": "p" * 1_000}} for n in range(400)]
    (folder / f"{1:013d}-0badcafe.ndjson").write_bytes(
        line(b'{"l":%b,"r":"2026-11-01T00:00:00.000Z"}' % json.dumps(events).encode()) * requests
    )
    found = sampled(files_of(place(tmp_path), one), one.connector, "s")
    assert found.rows == min(1_000, 400 * requests)
    assert set(found.columns["properties.page"]) == {"p" * 1_000}


def test_people_in_the_place_of_names_are_not_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_text("".join(f"{n},Ann,a{n}@example.org,1980-02-0{n % 9 + 1}\n" for n in range(30)))
    assert {column for column, _ in look(source(), tmp_path)} == {"column 3"}
    people = [
        {"users": {f"a{n}@example.org": {"seen": n}, str(6145550100 + n): 1, "x": f"b{n}@example.org"}}
        for n in range(30)
    ]
    (tmp_path / "data/a.ndjson").write_text("\n".join(map(json.dumps, people)))
    one = source("ndjson")
    sample = sampled(files_of(place(tmp_path), one), one.connector, "s")
    assert set(sample.columns) == {"users.[EMAIL_ADDRESS].seen", "users.#", "users.x"}
    _, made = watch(event(), "quarantine").applied(batch([{}]), [json.dumps({"a@example.org": "b@example.org"})])
    assert made["notes"].to_pylist() == [["field [EMAIL_ADDRESS]: personal_data EMAIL_ADDRESS"]]
    assert "@" not in str(made["broken"].to_pylist())


def test_leaves_end_at_what_is_taken_whole_and_at_depth() -> None:
    deep: dict[str, Any] = {}
    node = deep
    for _ in range(40):
        node["a"] = {}
        node = node["a"]
    tree = {"x": {"y": 1}, "list": [{"z": 2}], "deep": deep, "none": None}
    found = {".".join(path): text for path, text in leaves(tree, frozenset({"x"}))}
    assert found["x"] == '{"y": 1}'
    assert found["list"] == '[{"z": 2}]'
    assert len(found) == 3


NOTES = pa.list_(pa.string())
BROKEN = pa.struct(
    [
        ("field", pa.string()),
        ("rule", pa.string()),
        ("value_class", pa.string()),
        ("reason", pa.string()),
        ("vital", pa.bool_()),
    ]
)


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    texts = pa.map_(pa.string(), pa.string())
    kinds = {"broken": BROKEN, "notes": NOTES, "attributes": texts, "properties": texts, "coupon": pa.string()}
    kinds["gone"] = pa.bool_()
    return pa.RecordBatch.from_pydict({n: pa.array([row.get(n) for row in rows], k) for n, k in kinds.items()})


def watch(one: Source, mode: Any, **sure: str) -> Watch:
    return Watch(mode, "US", one.record, roles(one, LABELS), LABELS, sure, targets_of(one))


def test_a_column_that_surely_holds_names_is_redacted_value_by_value() -> None:
    one = event(properties=["properties.who"], order={"coupon": "properties.coupon"})
    rows = [{"properties": [("who", "Ann Carver")], "coupon": "x@example.org"}, {"properties": [("who", None)]}]
    payloads = [
        json.dumps({"properties": {"who": "Ann Carver", "coupon": "x@example.org"}}),
        json.dumps({"properties": {}}),
    ]
    kept, made = watch(one, "redact", **{"properties.who": "full_name"}).applied(batch(rows), payloads)
    assert made["properties"].to_pylist() == [[("who", "[FULL_NAME]")], [("who", None)]]
    assert made["coupon"].to_pylist() == ["[EMAIL_ADDRESS]", None]
    assert kept == [None, None]  # only rejected rows are kept whole
    assert made["notes"].to_pylist()[0] == [
        "field properties.who: personal_data FULL_NAME",
        "field properties.coupon: personal_data EMAIL_ADDRESS",
    ]


def test_declared_columns_are_expected_to_hold_what_they_hold() -> None:
    one = event(
        identifiers={"email": ["traits.email"]}, fields={"given_name": "traits.first"}, free_text={"note": "redact"}
    )
    tree = {
        "traits": {"email": "a@example.org", "first": "b@example.org"},
        "note": "c@example.org",
        "email": "d@example.org",
    }
    _, made = watch(one, "quarantine").applied(batch([{}]), [json.dumps(tree)])
    assert made["notes"].to_pylist() == [[]]
    assert "broken" not in made


@pytest.mark.parametrize(
    "payload", [None, "", "{", "[1]", '{"line": "a@example.org"}', "[" * 3000, '{"n": ' + "9" * 5000 + "}", '{"a": {}}']
)
def test_rows_that_cannot_be_read_are_left_to_their_fault(payload: str | None) -> None:
    kept, made = watch(event(), "quarantine").applied(batch([{"broken": {"rule": "json"}}]), [payload])
    assert kept == [payload]
    assert made["notes"].to_pylist() == [[]]


def test_consents_are_about_people_and_are_not_watched() -> None:
    with pytest.raises(ValueError, match="on_personal_data"):
        source(
            record="consent",
            occurred_at="at",
            identifiers={"email": "e"},
            consent={"purpose": "p", "action": "a"},
            on_personal_data="alarm",
        )


@pytest.mark.parametrize("mode", ["alarm", "quarantine", "redact"])
def test_a_deletion_is_not_held_back_by_what_its_row_says(mode: Any) -> None:
    payload = json.dumps({"properties": {"memo": "x@example.org"}})
    _, made = watch(event(), mode).applied(batch([{"gone": True}]), [payload])
    assert "broken" not in made
    assert set(made) == {"notes"}
    assert "properties" not in made
