"""Sources as declared: what is right loads, what is wrong is told with file, line and remedy."""

from datetime import timedelta
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
        (("format: csv", "format: xml"), 2, "'csv', 'ndjson', 'json', 'parquet' or 'debezium'"),
        (("data/crm/*.csv", "/etc/*.csv"), 2, "leaves the workspace"),
        (("format: csv", "format: parquet, delimiter: ';'"), 2, "are for csv, not for parquet"),
        (("format: csv", "format: csv, records: data"), 2, "records tells where in a json file the array is"),
        (("data/crm/*.csv", "[data/crm/*.csv, ../x]"), 2, "leaves the workspace"),
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
        (("key: customer_id", "key: customer_id\ncontract: {a: {on_violation: omit}}"), 5, "use 'quarantine', 'drop_"),
        (
            ("key: customer_id", "key: customer_id\ncontract: {a: {on_violation: {min: drop_field}}}"),
            5,
            "names min, which",
        ),
        (
            ("key: customer_id", "key: customer_id\ncontract: {customer_id: {on_violation: drop_field}}"),
            1,
            "nothing can be taken in without customer_id, so it cannot be dropped; say quarantine",
        ),
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


WEB = """source: web
connector: {type: collector}
identifiers: {cookie: anonymousId}
"""


def test_the_old_words_of_duplicates_mean_what_they_meant(declare: Any) -> None:
    found = {}
    for words in ("content", "key", "{by: key}", "{by: content, within: 90s}"):
        event = "record: event\noccurred_at: at\nevent: {type: =x}\nproperties: [a]\n"
        files = "source: zoo\nconnector: {type: files, path: a.csv, format: csv}\nkey: id\n"
        (source,) = load_sources(declare(f"{files}{event}duplicates: {words}\n"))
        found[words] = (source.once, source.duplicates.window, source.model_dump(mode="json")["duplicates"])
    assert found == {
        "content": (False, None, "content"),
        "key": (True, None, "key"),
        "{by: key}": (True, None, "key"),
        "{by: content, within: 90s}": (False, timedelta(seconds=90), {"by": "content", "within": "90s"}),
    }
    (source,) = load_sources(declare(WEB + "duplicates: {by: id, within: 40d}\n"))
    assert (source.once, source.duplicates.window, source.duplicates.memory) == (True, None, timedelta(days=40))
    assert source.model_dump(mode="json")["duplicates"] == {"by": "key", "within": "40d"}
    (source,) = load_sources(declare(WEB + "duplicates: {by: content, within: 10m}\n"))
    assert (source.once, source.duplicates.window) == (True, timedelta(minutes=10))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("duplicates: content", "each message id once"),
        ("duplicates: {by: key, within: 3651d}", "up to 3650d, in s, m, h or d"),
        ("duplicates: {by: id, within: never}", "up to 3650d, in s, m, h or d"),
        ("duplicates: {by: content, within: 10}", "up to 30d, in s, m, h or d"),
        ("duplicates: {by: content, within: 0s}", "up to 30d, in s, m, h or d"),
        ("duplicates: {by: content, within: 31d}", "up to 30d, in s, m, h or d"),
        ("duplicates: {by: words}", "'content' or 'key'"),
        ("duplicates: {by: content, within: 10m}\nfields: {given_name: userName}", "add userName"),
    ],
)
def test_a_window_that_cannot_be_is_told(declare: Any, more: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_sources(declare(WEB + more + "\n"))


def test_a_window_is_for_events(declare: Any) -> None:
    with pytest.raises(ConfigurationError, match="is for record: event, not for person"):
        load_sources(declare(CRM + "duplicates: {by: content, within: 10m}\n"))
