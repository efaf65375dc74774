"""The rules of a proposal one by one: keys, references, moments, dates, phones, digests, what is left out."""

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from proposals import proposal_of, types_of

from ingestion.proposal.looking import look
from ingestion.proposal.model import Proposed, WorkspaceProposal
from ingestion.proposal.numbering import numbered_connector, numbered_copy
from ingestion.proposal.written import source_yaml

Rows = Sequence[Sequence[object]]
Write = Callable[..., Path]
GIVEN = ("Ann", "Bert", "Carla", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "John")
CARDS = ("4111 1111 1111 1111", "5500 0000 0000 0004", "4012 8888 8888 1881")
FAMILY = ("Smith", "Miller", "Baker", "Clark", "Evans", "Foster", "Green", "Harris", "Irwin", "Jones")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, header: str, rows: Rows, delimiter: str = ",", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([header.split(","), *rows])
        return path

    return written


def people(first: int, many: int = 60, shift: int = 0) -> list[list[object]]:
    """Rows of people: a number, names, a mailbox."""
    found: list[list[object]] = []
    for n in range(first, first + many):
        who = n + shift
        given, family = GIVEN[who % 10], FAMILY[who // 10 % 10]
        found.append([n, given, family, f"{given}.{family}{who}@example.org".lower()])
    return found


def one(proposal: WorkspaceProposal, name: str) -> Proposed:
    return next(source for source in proposal.sources if source.source == name)


def doubts(proposal: WorkspaceProposal) -> str:
    return " | ".join([*proposal.doubts, *(d for source in proposal.sources for d in source.doubts)])


def test_numbers_that_another_file_points_to_become_an_identifier_of_both(write: Write) -> None:
    crm = write("crm.csv", "id,first_name,last_name,email", people(1))
    visits = write(
        "visits.csv", "id,client_id,visited_at", [[n, n % 30 + 1, f"2024-03-{n % 28 + 1:02}"] for n in range(90)]
    )
    _, proposal = proposal_of([crm, visits])
    assert one(proposal, "crm").identifiers["customer"][0].value == "id"
    assert one(proposal, "visits").identifiers["customer"][0].value == "client_id"
    assert one(proposal, "visits").record == "event"


def test_numbers_that_meet_by_chance_are_no_reference(write: Write) -> None:
    crm = write("crm.csv", "id,first_name,last_name,email", people(1))
    stock = write("stock.csv", "sku,shelf,pieces", [[f"S{n}", n % 60 + 1, n % 7] for n in range(90)])
    _, proposal = proposal_of([crm, stock])
    assert "customer" not in one(proposal, "crm").identifiers
    assert one(proposal, "stock").record == "catalogue"


def test_opaque_values_need_no_name_to_be_a_reference(write: Write) -> None:
    accounts = write(
        "members.csv", "ref,first_name,last_name,email", [[f"k{n * 7919:08x}", *r[1:]] for n, r in enumerate(people(1))]
    )
    log = write(
        "log.csv",
        "line,who,happened_at",
        [[n, f"k{n % 50 * 7919:08x}", f"2024-03-{n % 28 + 1:02}"] for n in range(200)],
    )
    _, proposal = proposal_of([accounts, log])
    assert one(proposal, "log").identifiers["loyalty"][0].value == "who"
    assert "though its name does not say so" in one(proposal, "log").identifiers["loyalty"][0].because


def test_one_number_of_two_systems_that_names_two_people_joins_nobody(write: Write) -> None:
    crm = write("crm.csv", "customer_id,first_name,last_name,email", people(1))
    shop = write("shop.csv", "customer_id,first_name,last_name,email", people(1, shift=37))
    _, proposal = proposal_of([crm, shop])
    assert "customer" in one(proposal, "crm").identifiers
    assert "customer" not in one(proposal, "shop").identifiers
    assert "shop_customer" in types_of(proposal)
    assert "name different people" in doubts(proposal)


def test_the_same_number_of_two_systems_that_names_the_same_people_joins_them(write: Write) -> None:
    crm = write("crm.csv", "customer_id,first_name,last_name,email", people(1))
    shop = write("shop.csv", "customer_id,first_name,last_name,email", people(20))
    _, proposal = proposal_of([crm, shop])
    assert all("customer" in source.identifiers for source in proposal.sources)


@pytest.mark.parametrize(("day_first", "order"), [(True, "day_first"), (False, "month_first")])
def test_days_beyond_the_twelfth_tell_the_order(write: Write, *, day_first: bool, order: str) -> None:
    born = [(n % 28 + 1, n % 12 + 1, 1950 + n % 40) for n in range(60)]
    told = [f"{d:02}/{m:02}/{y}" if day_first else f"{m:02}/{d:02}/{y}" for d, m, y in born]
    file = write(
        "crm.csv", "id,first_name,last_name,email,dob", [[*r, b] for r, b in zip(people(1), told, strict=True)]
    )
    source = one(proposal_of([file])[1], "crm")
    assert source.date_order is not None
    assert source.date_order[0] == order
    assert source.contract["dob"] == {"type": "date"}


def test_days_that_may_be_read_both_ways_are_told(write: Write) -> None:
    rows = [[*r, f"{n % 12 + 1:02}/{n % 11 + 1:02}/{1950 + n % 40}"] for n, r in enumerate(people(1))]
    _, proposal = proposal_of([write("crm.csv", "id,first_name,last_name,email,dob", rows)])
    assert "month first" in doubts(proposal)


def test_a_moment_that_is_not_iso_is_read_as_a_day_and_told(write: Write) -> None:
    rows = [[n, f"c{n % 20}", f"{n % 28 + 1:02}/{n % 12 + 1:02}/2024 10:15", 5.5] for n in range(100)]
    _, proposal = proposal_of([write("orders.csv", "order_id,customer_id,order_date,amount", rows)])
    source = one(proposal, "orders")
    assert source.at is not None
    assert (source.record, source.at.value, source.date_order and source.date_order[0]) == (
        "event",
        "order_date",
        "day_first",
    )
    assert source.contract["order_date"] == {"type": "date"}
    assert "its time of day is lost" in doubts(proposal)


def test_a_few_rows_without_key_or_moment_do_not_change_what_a_file_is(write: Write) -> None:
    rows: list[list[object]] = [
        [f"m{n}", "click", f"a{n % 9}", f"2024-03-{n % 28 + 1:02}T10:00:00Z"] for n in range(200)
    ]
    rows[7][0], rows[9][3] = "", "soon"
    source = one(proposal_of([write("web.csv", "message_id,event,anonymous_id,timestamp", rows)])[1], "web")
    assert (source.record, source.key.value) == ("event", ("message_id",))
    assert "1 rows have no timestamp" in " ".join(source.doubts)


def test_where_no_column_tells_rows_apart_the_fewest_together_do(write: Write) -> None:
    rows = [[n // 5, n % 5, 3, f"2024-01-{n % 28 + 1:02}"] for n in range(100)]
    source = one(proposal_of([write("sales.csv", "basket,line,pieces,sold_on", rows)])[1], "sales")
    assert source.key.value == ("basket", "line")


@pytest.mark.parametrize(
    ("region", "number", "town"),
    [("DE", "0151 23{:06}", "plz"), ("GB", "07911 1{:05}", "town"), ("FR", "06 12 3{:01} {:02} {:02}", "ville"),
     ("AU", "0412 3{:05}", "suburb"), ("US", "614-555-{:04}", "city")],
)  # fmt: skip
def test_the_country_of_phone_numbers_is_that_whose_plan_they_fit(
    write: Write, region: str, number: str, town: str
) -> None:
    told = [number.format(n % 10 if "{:01}" in number else n * 37, n * 7 % 100, n % 90) for n in range(60)]
    rows = [[*r, t, "Somewhere"] for r, t in zip(people(1), told, strict=True)]
    source = one(proposal_of([write("crm.csv", f"id,first_name,last_name,email,phone,{town}", rows)])[1], "crm")
    assert source.region is not None
    assert source.region[0] == region


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "ndjson", "json", "parquet"])
def test_rows_that_nothing_tells_apart_are_numbered_in_the_copy_and_none_is_lost(tmp_path: Path, kind: str) -> None:
    rows = [
        {"first_name": GIVEN[n % 3], "last_name": FAMILY[n % 2], "dob": f"19{50 + n % 40}-01-02" if n % 3 else None}
        for n in range(60)
    ]
    file = tmp_path / f"people.{kind}"
    lines = ["first_name,last_name,dob", *(",".join(v or "" for v in row.values()) for row in rows)]
    content = {
        "csv": lambda: "\n".join(lines).encode(),
        "csv.gz": lambda: gzip.compress("\n".join(lines).encode()),
        "ndjson": lambda: "\n".join(map(json.dumps, rows)).encode(),
        "json": lambda: json.dumps(rows, indent=2).encode(),
    }
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    else:
        file.write_bytes(content[kind]())
    source = one(proposal_of([file])[1], "people")
    assert (source.record, source.key.value, source.numbered) == ("person", ("row_number",), "row_number")
    copy = tmp_path / "copy"
    numbered_copy(file, copy, source.connector, "row_number", "p-")
    read = look(copy, "copy")
    assert read.connector["format"] == numbered_connector(source.connector)["format"]
    assert read.columns["row_number"] == [f"p-{n}" for n in range(1, 61)]
    assert list(read.columns["first_name"]) == [row["first_name"] for row in rows]


def test_a_copy_that_is_numbered_keeps_broken_rows_and_stray_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'name,town\nAnn,"B\nC"\nBert\nCarl,D\xfcsseldorf\n')
    numbered_copy(tmp_path / "a.csv", tmp_path / "b.csv", {"format": "csv"}, "n", "")
    assert (tmp_path / "b.csv").read_bytes() == b'n,name,town\n1,Ann,"B\nC"\n2,Bert\n3,Carl,D\xfcsseldorf\n'


def test_digests_get_a_type_of_their_own(write: Write) -> None:
    rows = [[n, f"{n:064x}", f"{n + 7:032x}"] for n in range(10**30, 10**30 + 40)]
    _, proposal = proposal_of([write("hashed.csv", "id,email_hash,phone_md5", rows)])
    held = one(proposal, "hashed").identifiers
    assert "email_sha256" in held or "email" not in held


def test_what_nothing_needs_and_what_is_somebody_elses_is_left_out_with_a_reason(write: Write) -> None:
    rows = [[*r, f"10.1.{n}.{n * 3 % 250}", f"em{n}@example.net", CARDS[n % 3], ""] for n, r in enumerate(people(1))]
    file = write("crm.csv", "id,first_name,last_name,email,ip_address,emergency_contact_email,card,notes", rows)
    source = one(proposal_of([file])[1], "crm")
    left = {item.column: item.because for item in source.left}
    assert "no mapping needs" in left["ip_address"]
    assert "somebody else" in left["emergency_contact_email"]
    assert "always empty" in left["notes"]
    assert "card" in left
    assert [str(line.value) for line in source.identifiers["email"]] == ["email"]


def test_words_of_consent_are_a_consent_source_and_only_the_ledgers_own(write: Write) -> None:
    def rows(words: Sequence[str]) -> Rows:
        return [
            [n, f"p{n}@example.org", "email_marketing", words[n % len(words)], f"2024-03-{n % 28 + 1:02}"]
            for n in range(60)
        ]

    header = "id,email,purpose,action,occurred_at"
    known = one(proposal_of([write("consents.csv", header, rows(("given", "withdrawn")))])[1], "consents")
    own = one(proposal_of([write("optins.csv", header, rows(("ja", "nein")))])[1], "optins")
    assert (known.record, known.consent["purpose"], own.record == "consent") == ("consent", "purpose", False)


def test_flags_of_consent_allow_nothing_and_are_told(write: Write) -> None:
    rows = [[*r, "yes" if n % 3 else "no"] for n, r in enumerate(people(1))]
    _, proposal = proposal_of([write("crm.csv", "id,first_name,last_name,email,accepts_marketing", rows)])
    assert "accepts_marketing may say what the person agreed to" in doubts(proposal)


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8"), ("\t", "cp1252"), ("|", "utf-16"), (",", "utf-8-sig")]
)
def test_delimiter_and_encoding_are_found(write: Write, delimiter: str, encoding: str) -> None:
    rows = [[n, "Jürgen", "Müßig, der", f"p{n}@example.org"] for n in range(40)]
    source = one(
        proposal_of([write("kunden.txt", "nr,vorname,nachname,e-mail", rows, delimiter, encoding)])[1], "kunden"
    )
    assert source.connector.get("delimiter", ",") == delimiter
    assert source.connector.get("encoding") == (None if encoding.startswith("utf-8") else encoding)
    assert {role: line.value for role, line in source.fields.items()} == {
        "given_name": "vorname",
        "family_name": "nachname",
    }
    assert source.key.value == ("nr",)


def test_json_in_every_wrapping_is_rows(tmp_path: Path) -> None:
    rows = [{"id": n, "name": {"first": GIVEN[n % 10]}, "email": f"p{n}@example.org", "tags": [1]} for n in range(40)]
    (tmp_path / "lines.ndjson").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "array.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "wrapped.json").write_text(json.dumps({"meta": {"n": 40}, "data": {"items": rows}}))
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    _, proposal = proposal_of([tmp_path])
    assert {s.source: (s.connector["format"], s.connector.get("records")) for s in proposal.sources} == {
        "array": ("json", None), "lines": ("ndjson", None), "packed": ("json", None), "wrapped": ("json", "data.items"),
    }  # fmt: skip
    for source in proposal.sources:
        assert source.fields["given_name"].value == "name.first"
        assert any(left.column == "tags" for left in source.left)


def test_parts_of_one_export_are_one_source(write: Write) -> None:
    days = [
        write(
            f"2024-01-{d:02}.csv",
            "line_id,customer_id,sold_at,amount",
            [[f"{d}-{n}", n % 9, f"2024-01-{d:02}", 5] for n in range(30)],
        )
        for d in range(1, 6)
    ]
    gathered, proposal = proposal_of(days)
    assert len(proposal.sources) == 1
    assert len(next(iter(gathered.files.values()))) == 5


def test_parts_whose_keys_collide_are_sources_of_their_own(write: Write) -> None:
    parts = [write(f"shop-{n}.csv", "id,first_name,last_name,email", people(1, shift=n * 13)) for n in (1, 2)]
    assert len(proposal_of(parts)[1].sources) == 2


def test_no_value_stands_in_what_is_told_or_written(write: Write) -> None:
    rows = [[*r, f"614-555-01{n % 100:02}"] for n, r in enumerate(people(1))]
    gathered, proposal = proposal_of([write("crm.csv", "id,first_name,last_name,email,phone", rows)])
    told = source_yaml(proposal.sources[0]) + repr(proposal) + repr(gathered)
    assert "example.org" not in told
    assert "555-01" not in told
    assert not any(name in told for name in ("Ann", "Miller"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "it is empty"),
        ("a.xlsx", b"PK\x03\x04rest", "spreadsheet"),
        ("a.csv", b"\x00\x01\x02\xff" * 50, "it is no text"),
        ("a.csv.gz", b"no gzip at all, but long enough", "cannot be unpacked"),
        ("a.parquet", b"PAR1 but no more", "not a whole Parquet file"),
        ("a.csv", b"2024-01-02,ann@example.org,5\n2024-01-03,bob@example.org,6\n", "its first line is data"),
        ("a.txt", b"Dear reader of this\nthis is a letter, not a table at all\n", "prose"),
        ("a.json", b'{"op": "c", "before": null, "after": {"id": 1}}', "Debezium"),
        ("a.csv", b"id,email\n", "no rows"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told_with_what_would_be_right(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    gathered, _ = proposal_of([tmp_path / name])
    assert not gathered.facts
    (unread,) = gathered.unread
    assert says in unread.because
    assert ";" in unread.because
    assert "example.org" not in unread.because
