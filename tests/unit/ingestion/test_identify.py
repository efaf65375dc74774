"""Identifiers of whole batches: spelled once, placeholders left out, the subject chosen, the restricted suppressed."""

from base64 import b64encode
from datetime import date
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest

from infra.identifiers import IdentifierType, token
from ingestion.check import Check
from ingestion.identify import IDENTIFIED, Naming

KINDS = {
    "customer": IdentifierType(normaliser="code", strength="decisive"),
    "email": IdentifierType(normaliser="email", blocked=("/(test|null)@.*/",)),
    "phone": IdentifierType(normaliser="phone", strength="weak", blocked=("+10000000000",)),
    "cookie": IdentifierType(normaliser="text", strength="weak", anonymous=True, blocked=("null",)),
}
COLUMNS = (("cookie", "c"), ("email", "e"), ("email", "e2"), ("phone", "p"))


@pytest.fixture
def name(token_key: Any) -> Any:
    def run(*rows: Any, columns: Any = COLUMNS, kinds: Any = KINDS, **more: Any) -> Any:
        names = ["key", *(f"i{i}" for i in range(len(columns)))]
        arrays = [pa.array([str(n) for n in range(len(rows))])]
        arrays += [pa.array([row[i] for row in rows], pa.string()) for i in range(len(columns))]
        placed = tuple((kind, f"i{i}") for i, (kind, _) in enumerate(columns))
        naming = Naming("web", placed, kinds, "US", token_key, **more)
        (batch,) = naming.identified([pa.RecordBatch.from_arrays(arrays, names=names)])
        batch.validate(full=True)
        assert batch.schema.names == [*names, *IDENTIFIED.names]
        return batch.to_pylist()

    return run


def test_values_get_their_one_spelling_and_token(name: Any, token_key: Any) -> None:
    (row,) = name(("c1", " Ann@Example.org", None, "614-555-0101"))
    assert [(i["type"], i["value"]) for i in row["identifiers"]] == [
        ("cookie", "c1"),
        ("email", "ann@example.org"),
        ("phone", "+16145550101"),
    ]
    assert all(i["token"] == token(token_key, i["type"], i["value"]) for i in row["identifiers"])


def test_a_column_of_two_types_is_spelled_as_each_of_them(token_key: Any) -> None:
    kinds = {"email": KINDS["email"], "login": IdentifierType(normaliser="code")}
    naming = Naming("web", (("email", "i0"), ("login", "i0")), kinds, "US", token_key)
    given = pa.RecordBatch.from_arrays([pa.array(["Ann@Example.org", None, "ann-7"])], names=["i0"])
    (batch,) = naming.identified([given])
    told = [[(i["type"], i["value"]) for i in row["identifiers"]] for row in batch.to_pylist()]
    assert told == [[("email", "ann@example.org"), ("login", "ANNEXAMPLEORG")], [], [("login", "ANN7")]]
    assert all(
        i["token"] == token(token_key, i["type"], i["value"]) for r in batch.to_pylist() for i in r["identifiers"]
    )


def test_one_value_in_two_columns_counts_once(name: Any) -> None:
    (row,) = name((None, "ann@example.org", "ANN@example.org", None))
    assert len(row["identifiers"]) == 1


def test_the_first_known_identifier_is_the_subject_else_the_first_anonymous(name: Any) -> None:
    known, browser, nobody = name(
        ("c1", None, "ann@example.org", "614-555-0101"), ("c2", None, None, None), (None, None, None, None)
    )
    assert (known["subject"], known["known"], known["anonymous_id"]) == ("email:ann@example.org", True, "c1")
    assert (browser["subject"], browser["known"], browser["anonymous_id"]) == ("cookie:c2", False, "c2")
    assert (nobody["subject"], nobody["known"], nobody["anonymous_id"]) == (None, False, None)
    assert nobody["identifiers"] == []


def test_a_consent_speaks_for_what_it_names_first(name: Any) -> None:
    (row,) = name(("c1", "ann@example.org", None, None), known_first=False)
    assert (row["subject_kind"], row["subject_value"]) == ("cookie", "c1")


def test_placeholders_and_nonsense_are_left_out_and_told(name: Any) -> None:
    (row,) = name(("null", "test@test.com", "no address", "000-000-0000"))
    assert row["identifiers"] == []
    assert row["dropped"] == [
        "identifier cookie: blocked",
        "identifier email: blocked",
        "identifier email: invalid",
        "identifier phone: blocked",
    ]


def test_an_address_of_a_role_is_kept_and_names_nobody(name: Any, token_key: Any) -> None:
    alone, beside, twice = name(
        ("c1", "Info@example.org", None, None),
        ("c2", "info@example.org", "ann@example.org", None),
        (None, None, "ann@mailinator.com", "1-800-555-0199"),
    )
    assert (alone["subject"], alone["known"]) == ("cookie:c1", False)
    assert [i["value"] for i in alone["identifiers"]] == ["c1", "info@example.org"]
    assert alone["aside"] == [{"type": "email", "value": "info@example.org"}]
    assert (beside["subject"], beside["subject_token"]) == (
        "email:ann@example.org",
        token(token_key, "email", "ann@example.org"),
    )
    assert beside["aside"] == []  # there is a better one
    assert (twice["subject"], twice["known"]) == (None, False)
    assert [i["type"] for i in twice["aside"]] == ["email", "phone"]


def test_a_role_may_speak_of_its_own_address(name: Any) -> None:
    (row,) = name((None, "info@example.org", None, None), known_first=False)
    assert row["subject"] == "email:info@example.org"


def test_days_are_read_by_the_order_of_their_source(token_key: Any) -> None:
    texts = ["3/2/1980", "3. Feb 1980", "yesterday", None, "3/2/27"]
    for order, days in (("day_first", ("1980-02-03", "1927-02-03")), ("month_first", ("1980-03-02", "1927-03-02"))):
        naming = Naming("crm", (), KINDS, "US", token_key, dates=("r4",), order=order, today=date(2026, 11, 1))
        (batch,) = naming.identified([pa.RecordBatch.from_arrays([pa.array(texts)], names=["r4"])])
        assert batch.column("d4").to_pylist() == [days[0], "1980-02-03", None, None, days[1]]
        assert batch.column("r4").to_pylist() == texts


def test_digests_stand_beside_what_they_are_made_of_and_name_nobody(name: Any, token_key: Any) -> None:
    hashed = KINDS | {"email_sha256": IdentifierType(normaliser="sha256", digest_of="email")}
    columns = (("email_sha256", "h"), ("email", "e"), ("email", "e2"))
    strict, canonical, other = (
        sha256(value.encode()).hexdigest() for value in ("a.nn+x@gmail.com", "ann@gmail.com", "bob@example.org")
    )
    both, bare, role = name(
        (None, "A.nn+x@gmail.com", "bob@example.org"),
        (b64encode(bytes.fromhex(canonical)).decode(), None, None),
        (None, "info@example.org", None),
        columns=columns,
        kinds=hashed,
    )
    assert both["subject"] == "email:a.nn+x@gmail.com"
    found = {(i["type"], i["value"]) for i in both["identifiers"]}
    assert found == {
        ("email", "a.nn+x@gmail.com"),
        ("email", "bob@example.org"),
        *(("email_sha256", one) for one in (strict, canonical, other)),
    }
    assert all(i["token"] == token(token_key, i["type"], i["value"]) for i in both["identifiers"])
    assert [(i["type"], i["value"]) for i in bare["identifiers"]] == [("email_sha256", canonical)]
    assert bare["subject"] == f"email_sha256:{canonical}"
    assert [i["type"] for i in role["identifiers"]] == ["email"]
    restricted = frozenset({token(token_key, "email_sha256", canonical)})
    rows = name(
        (None, "ann@gmail.com", None),
        (None, "bob@example.org", None),
        columns=columns,
        kinds=hashed,
        restricted=restricted,
    )
    assert [row["suppressed"] for row in rows] == [True, False]


def test_rows_of_restricted_people_are_suppressed_by_any_identifier(name: Any, token_key: Any) -> None:
    restricted = frozenset({token(token_key, "phone", "+16145550101")})
    rows = name(("c1", "ann@example.org", None, "+1 614 555 0101"), ("c2", None, None, None), restricted=restricted)
    assert [row["suppressed"] for row in rows] == [True, False]


def test_a_record_that_names_nobody_is_known_by_its_key(name: Any, token_key: Any) -> None:
    restricted = frozenset({token(token_key, "record", "web|0")})
    rows = name((None,) * 4, (None,) * 4, restricted=restricted, keys=("key",))
    assert [row["suppressed"] for row in rows] == [True, False]


def test_a_source_without_identifiers_and_an_empty_batch(name: Any) -> None:
    (row,) = name((), columns=())
    assert (row["identifiers"], row["dropped"], row["subject"]) == ([], [], None)
    assert name() == []


def test_a_value_that_breaks_its_contract_names_nobody(name: Any) -> None:
    short = Check("e", "max_length", "shorter", 16, "e must not be longer than 16 characters")
    rows = (None, "ann@example.org", None, None), (None, "annabella@example.org", None, None)
    kept, dropped = name(*rows, soft={"i1": (short,)})
    assert [len(row["identifiers"]) for row in (kept, dropped)] == [1, 0]
    # The breach itself is told by the contract, not a second time by the spelling.
    assert dropped["dropped"] == []
