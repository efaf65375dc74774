"""Counts in are counts out: what the tables gained is what the accounts say, or it is told where it is not."""

from datetime import UTC, datetime

import pytest

from ingestion.flow import SUBJECTS, Flow, Gap, Seen, gaps, moment, owed, told
from ingestion.model import Account

ACCOUNT = Account("crm", "", read=9, accepted=4, changed=1, duplicate=2, quarantined=2, suppressed=1)


@pytest.mark.parametrize(
    ("kind", "table"),
    [("person", "records"), ("event", "events"), ("catalogue", "catalogue"), ("consent", "consent_inbox")],
)
def test_each_row_that_is_stored_has_one_place(kind: str, table: str) -> None:
    due = owed(kind, ACCOUNT, Seen(rejected=2, untold=1))  # type: ignore[arg-type]
    assert due == {table: 4, "quarantine": 2, "verdicts": 1}
    assert list(gaps("crm", due, {table: 4, "quarantine": 2, "verdicts": 1, SUBJECTS: 3})) == []


def test_a_table_that_gained_more_or_fewer_is_named() -> None:
    due = owed("person", ACCOUNT, Seen(rejected=2))
    found = list(gaps("crm", due, {"records": 3, "quarantine": 2, "events": 1}))
    assert found == [Gap("crm", "events", 0, 1), Gap("crm", "records", 4, 3)]


def test_the_way_of_a_source_adds_up() -> None:
    way = told(ACCOUNT, Flow("crm", surveyed=8, read=7, written={"records": 4, "quarantine": 2, "verdicts": 0}))
    assert way["received"] == way["as_they_were"] + way["read"] == 9
    assert way["received"] == sum(way[name] for name in ("accepted", "duplicate", "quarantined", "suppressed"))
    assert way["written"] == {"quarantine": 2, "records": 4}
    assert told(ACCOUNT, None)["as_they_were"] == 9


def test_what_was_seen_of_files_is_seen_of_their_source() -> None:
    assert Seen(1, 2, None, 5) + Seen(3, 4, 7, 2) == Seen(4, 6, 7, 5)
    assert Seen() + Seen() == Seen()


def test_a_moment_beyond_the_calendar_is_none() -> None:
    assert moment(1_000_000) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (moment(None), moment(2**63 - 1)) == (None, None)
