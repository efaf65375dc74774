"""Sources as declared: what is right loads, what is wrong is told with file, line and remedy."""

from typing import Any

import pytest

from infra.errors import ConfigurationError
from ingestion.config import load_sources, property_name

CRM = """source: crm
connector: {type: files, path: data/crm/*.csv, format: csv}
record: person
key: customer_id
identifiers: {email: email, phone: [mobile, landline]}
"""


def test_a_source_names_each_of_its_columns_once(declare: Any) -> None:
    (found,) = load_sources(declare())
    assert found.columns() == ("customer_id", "updated_at", "email", "mobile", "first_name", "last_name", "dob")
    assert found.key == ("customer_id",)


def test_sources_come_in_the_order_of_their_files(declare: Any) -> None:
    declare(CRM.replace("source: crm", "source: zoo"), "a")
    assert [s.source for s in load_sources(declare())] == ["zoo", "crm"]


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("email: email", "mail: email"), 5, "unknown identifier type; did you mean email? identity.yaml declares"),
        (("record: person", "record: people"), 3, "'person', 'event', 'consent' or 'catalogue'"),
        (("record: person", "record: person\nrecrod: x"), 4, "unknown key; known keys: source, connector, record"),
        (("format: csv", "format: xml"), 2, "'csv', 'ndjson' or 'parquet'"),
        (("data/crm/*.csv", "/etc/*.csv"), 2, "leaves the workspace"),
        (("format: csv", "format: parquet, delimiter: ';'"), 2, "are for csv, not for parquet"),
        (("format: csv", "format: csv, encoding: utf8000"), 2, "use a name such as utf-8, cp1252"),
        (("record: person", "record: event"), 1, "needs `occurred_at`"),
        (("key: customer_id", "key: customer_id\nevent: {type: x}"), 1, "`event` is for record: event, not for person"),
        (("key: customer_id", "key: customer_id\ntime_zone: Mars"), 5, "not a time zone"),
        (("key: customer_id", "key: customer_id\nregion: XX"), 5, "not a region with telephone numbers"),
        (("key: customer_id", "key: customer_id\ndate_order: year_first"), 5, "'month_first' or 'day_first'"),
        (("key: customer_id", "key: customer_id\ncontract: {a: {type: text, min: 3}}"), 5, "no meaning for type text"),
        (("key: customer_id", "key: customer_id\ncontract: {a: {type: enum}}"), 5, "needs `values`"),
        (("key: customer_id", "key: customer_id\ncontract: {a: {type: date, max: soon}}"), 5, "2001-12-31 or today"),
        (("key: customer_id", "key: customer_id\ncontract: {a: {pattern: '(?=x)'}}"), 5, "not portable"),
        (("key: customer_id", "key: [customer_id"), 5, "expected"),
        (("data/crm/*.csv", "''"), 2, "write where the files lie"),
        (("data/crm/*.csv", '"a\\0b"'), 2, "write where the files lie"),
        (("format: csv", "format: csv, encoding: rot13"), 2, "use a name such as utf-8, cp1252"),
        (("format: csv", "format: csv, encoding: base64"), 2, "use a name such as utf-8, cp1252"),
        (("format: csv", "format: csv, encoding: undefined"), 2, "use a name such as utf-8, cp1252"),
        (("format: csv", "format: csv, encoding: utf-7"), 2, "use a name such as utf-8, cp1252"),
        (("format: csv", "format: csv, encoding: unicode_escape"), 2, "use a name such as utf-8, cp1252"),
        (("format: csv", "format: csv, delimiter: '\"'"), 2, "cannot part columns"),
        (("format: csv", 'format: csv, delimiter: "\\n"'), 2, "cannot part columns"),
        (("key: customer_id", "key: customer_id\ntime_zone: America"), 5, "not a time zone"),
        (("key: customer_id", "key: customer_id\ncontract: {a: {type: date, max: '20240101'}}"), 5, "2001-12-31 or"),
        (("key: customer_id", "key: customer_id\ncontract: {a: {type: number, max: .nan}}"), 5, "a number"),
        (
            ("key: customer_id", "key: customer_id\ncontract: {a: {type: timestamp, min: '0001-01-01T00:00+14:00'}}"),
            5,
            "2001-12-31T00:00:00Z or now",
        ),
        (("key: customer_id", "trust: 2\nkey: customer_id"), 4, "less than or equal to 1"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_a_remedy(declare: Any, change: Any, line: Any, says: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_sources(declare(CRM.replace(*change)))
    assert caught.value.file == "sources/crm.yaml"
    assert caught.value.line == line
    assert says in str(caught.value)


def test_two_files_may_not_declare_one_name(declare: Any) -> None:
    declare(CRM, "again")
    with pytest.raises(ConfigurationError, match="another file declares this name"):
        load_sources(declare(CRM))


def test_segment_properties_lose_their_prefix() -> None:
    assert property_name("properties.url") == "url"
    assert property_name("context.page.url") == "context.page.url"
