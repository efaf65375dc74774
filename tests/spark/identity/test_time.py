"""When records carried their values, through the whole job: told by versions and by events that come later."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra import shelf

pytestmark = pytest.mark.spark

DAY = 24 * 60
PHONE = {"type": "phone", "value": "+16145550177", "token": "1:phone:+16145550177"}
CARD = {"type": "loyalty", "value": "28123", "token": "1:loyalty:28123"}


def rows(runtime: Any, table: Any, *columns: str) -> list[dict[str, Any]]:
    return shelf.reader(runtime.workspace.lake_path, table, columns=columns).read_all().to_pylist()


def profiles(runtime: Any) -> dict[str, str]:
    from identity.tables import MEMBERSHIP

    return {r["record_key"]: r["profile_id"] for r in rows(runtime, MEMBERSHIP, "record_key", "profile_id")}


def spans(runtime: Any, key: str) -> dict[str, tuple[float | None, float | None]]:
    """Return from which day to which a record carried its values."""
    from identity.tables import RECORD_FEATURES

    def day(at: int | None) -> float | None:
        return None if at is None else (at - 1_767_268_800) / 86_400

    [row] = [r for r in rows(runtime, RECORD_FEATURES, "record_key", "identifiers") if r["record_key"] == key]
    return {i["type"]: (day(i["seen_from"]), day(i["seen_to"])) for i in row["identifiers"]}


def shown(key: str, day: int, batch: int) -> dict[str, Any]:
    """Return an event that is a record's own and carries the number."""
    at = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    return {
        "source": "till", "message_id": f"{key}-{day}", "type": "track", "name": "Order Completed", "occurred_at": at,
        "received_at": at, "record_key": key, "identifiers": [PHONE], "properties": {}, "content_hash": "h", "batch": batch,
    }  # fmt: skip


@pytest.mark.nightly  # by day test_recycled.py and test_validity_laws.py hold the rule
def test_a_number_goes_to_its_next_holder_and_an_event_in_between_undoes_it(
    street: Callable[..., Any], told: Callable[..., dict[str, Any]]
) -> None:
    from identity.jobs import resolve
    from identity.tables import EDGES, POSTING_INDEX

    ann = {"given_name": "Ann", "family_name": "Carver", "birth_date": "1980-02-03"}
    bob = {"given_name": "Bob", "family_name": "Lindqvist", "birth_date": "1971-07-09"}
    people = [
        told("ann", 0, PHONE, CARD, **ann),
        {
            **told("ann", 0, PHONE, CARD, **ann),
            "observed_at": told("", 9 * DAY)["observed_at"],
            "sequence": 1,
            "content_hash": "2",
        },
        told("bob", 400 * DAY, PHONE, **bob),
        {**told("call", 405 * DAY, PHONE, source="till"), "kind": "subject"},
    ]

    def run(number: int, events: Sequence[dict[str, Any]] = (), **arguments: str) -> tuple[Any, Any]:
        runtime = street(number, records=people, events=events)
        place = runtime.workspace.root / "identity.yaml"
        text = place.read_text().replace("  phone:\n", "  phone:\n    recycled_after_days: 300\n", 1)
        if number == 1:
            place.write_text(text)
        return runtime, resolve(runtime, arguments)

    first, _ = run(1)
    assert spans(first, "ann") == {"phone": (0, 9), "loyalty": (None, None)}
    assert spans(first, "call") == {"phone": (405, 405)}
    found = profiles(first)
    assert found["call"] == found["bob"] != found["ann"]

    # nothing but an event says that the number was Ann's until a short while before Bob had it
    later, told_of = run(2, [shown("ann", 300, 2)])
    assert (told_of["whole"], told_of["changed"]) == (False, 1)
    assert spans(later, "ann")["phone"] == (0, 300)
    assert len(set(profiles(later).values())) == 3, "a number of two is nobody's"

    anew, told_of = run(3, [shown("ann", 300, 2)], full="yes")
    assert told_of["whole"]
    assert profiles(anew) == profiles(later)
    for table, columns in ((EDGES, ("left_key", "right_key", "rule_mask", "weight_micro", "why")), (POSTING_INDEX, ())):
        kept = [
            sorted(map(str, rows(one, table, *(columns or [c.name for c in table.columns()])))) for one in (later, anew)
        ]
        assert kept[0] == kept[1], table.name
