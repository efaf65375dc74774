"""How many different people a key may read in a day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.http.app import create_app
from api.http.audit import ReadAudit, looks
from api.http.errors import DayFull
from api.http.keys import find_credential
from api.http.people import People
from infra.ids import ProfileId, Purpose

ANNA, BEN, CORA = (ProfileId(letter * 32) for letter in "abc")
START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture
def key(town: Any) -> Any:
    return find_credential(town.world.database, town.keys["reader"], START)


def one_a_day(town: Any) -> httpx.AsyncClient:
    """Return who asks a server that shows each key one person a day."""
    world = replace(town.world, people=People(town.world.database, lambda: START, limit=1))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(world)), base_url="http://localhost")


def test_the_same_person_counts_once(town: Any, key: Any) -> None:
    people = People(town.world.database, lambda: START, limit=2)
    assert [people.admits(key, one) for one in (ANNA, ANNA, BEN, CORA, ANNA)] == [True, True, True, False, True]
    assert people.today(key.key_id) == 2


def test_each_key_has_a_day_of_its_own_and_may_have_a_limit_of_its_own(town: Any, key: Any) -> None:
    people = People(town.world.database, lambda: START, limit=1)
    assert people.admits(key, ANNA)
    assert not people.admits(key, BEN)
    assert people.admits(replace(key, people_per_day=2), BEN)
    assert people.admits(replace(key, key_id="other"), CORA)


def test_a_batch_that_goes_over_counts_nobody(town: Any, key: Any) -> None:
    people = People(town.world.database, lambda: START, limit=2)
    with pytest.raises(DayFull) as refused:
        people.admit(key, [ANNA, BEN, CORA])
    assert refused.value.wait == timedelta(hours=14, minutes=30).total_seconds()
    assert people.today(key.key_id) == 0
    people.admit(key, [ANNA, BEN, ANNA])
    assert people.today(key.key_id) == 2


def test_a_restart_and_another_server_go_on_where_the_day_was(town: Any, key: Any) -> None:
    database = town.world.database
    audit = ReadAudit(database, lambda: START)
    here = People(database, lambda: START, limit=2)
    here.refresh()
    audit.note(key.key_id, Purpose("service"), ANNA, "allowed")
    audit.note(key.key_id, Purpose("service"), BEN, "hidden")
    audit.flush()
    there = People(database, lambda: START, limit=2)
    for one in (here, there):
        one.refresh()
        one.refresh()
        assert one.today(key.key_id) == 1
    audit.note(key.key_id, Purpose("service"), CORA, "explained")
    audit.flush()
    there.refresh()
    assert not there.admits(key, BEN)


def test_a_day_begins_at_midnight_in_utc(town: Any, key: Any) -> None:
    moment = [START]
    audit = ReadAudit(town.world.database, lambda: START)
    audit.note(key.key_id, Purpose("service"), ANNA, "allowed")
    audit.flush()
    people = People(town.world.database, lambda: moment[0], limit=1)
    people.refresh()
    assert not people.admits(key, BEN)
    moment[0] = datetime(2026, 11, 23, tzinfo=UTC)
    people.refresh()
    assert people.today(key.key_id) == 0
    assert people.admits(key, BEN)


@pytest.mark.anyio
@pytest.mark.parametrize("below", ["", "/events", "/links", "/how"])
async def test_no_read_is_a_way_around_it(town: Any, below: str) -> None:
    async with one_a_day(town) as asking:
        headers = town.bearer("steward")
        for who, status in ((ANNA, 200), (ANNA, 200), (BEN, 429)):
            answer = await asking.get(f"/v1/profiles/{who}{below}?purpose=service", headers=headers)
            assert answer.status_code == status
        assert answer.headers["retry-after"] == str(14 * 3600 + 30 * 60)
        assert answer.headers["ratelimit-policy"] == '"people";q=1;w=86400'
        assert answer.json()["type"] == "urn:kindred:problem:day-full"
        unknown = await asking.get(f"/v1/profiles/{'0' * 32}{below}?purpose=service", headers=headers)
        assert unknown.status_code == 404


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/v1/identity:why", "/v1/identity:whyNot"])
async def test_to_ask_who_somebody_is_counts_as_a_read(town: Any, path: str) -> None:
    async with one_a_day(town) as asking:
        for name, status in (("anna.k", 200), ("anna.k", 200), ("ben", 429)):
            one = {"type": "email", "value": f"{name}@example.org"}
            asked = {"a": one, "b": one, "purpose": "service"}
            answer = await asking.post(path, json=asked, headers=town.bearer("steward"))
            assert answer.status_code == status


@pytest.mark.anyio
async def test_to_have_something_decided_for_somebody_counts_as_a_read(town: Any) -> None:
    async with one_a_day(town) as asking:
        for who, status in ((ANNA, 200), (ANNA, 200), (BEN, 429), ("0" * 32, 200)):
            answer = await asking.post("/v1/decide", json={"profile_id": who}, headers=town.bearer("shop"))
            assert answer.status_code == status


@pytest.mark.anyio
async def test_whoever_the_day_is_too_full_for_was_looked_for_all_the_same(town: Any) -> None:
    """That the day is full tells that there is somebody: nobody hears it of everybody without a trace."""
    async with one_a_day(town) as asking:
        headers, one = town.bearer(), {"type": "email", "value": "ben@example.org"}
        read = await asking.get(f"/v1/profiles/{ANNA}?purpose=service", headers=headers)
        assert read.status_code == 200
        refused = [
            await asking.get(f"/v1/profiles/{BEN}?purpose=service", headers=headers),
            await asking.post("/v1/profiles:lookup", json={"identifier": one, "purpose": "service"}, headers=headers),
            await asking.post(
                "/v1/profiles:batchLookup", json={"people": [one], "purpose": "service"}, headers=headers
            ),
        ]
        assert {answer.status_code for answer in refused} == {429}
    town.world.audit.flush()
    assert [(look.decision, look.reads) for look in looks(town.world.database, BEN)] == [("hidden", len(refused))]
