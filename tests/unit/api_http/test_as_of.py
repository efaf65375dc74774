"""A profile as of a moment, over HTTP: under the decision of now, with all that holds for any read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from kept_past import kept

from api.http.app import create_app
from api.http.fastpath import FastPath
from infra.ids import ProfileId, Purpose

pytestmark = pytest.mark.anyio
ANNA, SPLIT, MERGED, NOBODY = "a" * 32, "f" * 32, "e" * 32, "0" * 32
SERVICE = Purpose("service")
URL = f"/v1/profiles/{ANNA}"


@pytest.fixture
def past(town: Any) -> Any:
    """The town with a past: what Anna's view said last week, with a record of now, and before that with another."""
    now, view = town.world.clock(), town.profiles.views[SERVICE, ProfileId(ANNA)]
    mine = sorted(town.profiles.headers[ProfileId(ANNA)]["records"])
    old = {**view, "version": "1" * 16, "attributes": {**view["attributes"], "city": "Akron"}}
    town.world = replace(
        town.world,
        past=kept(
            town.world.database, town.world.clock, now - timedelta(days=30),
            [
                (now - timedelta(days=20), ANNA, {"service": {**old, "version": "2" * 16}}, [*mine, "another's"]),
                (now - timedelta(days=7), ANNA, {"service": old}, mine),
                (now - timedelta(days=1), ANNA, {"service": view}, mine),
            ],
        ),
    )  # fmt: skip
    return town


def days_ago(town: Any, days: float) -> str:
    moment: datetime = town.world.clock() - timedelta(days=days)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def ask(town: Any, who: str = ANNA, **query: Any) -> httpx.Response:
    headers = town.bearer(query.pop("key", "reader")) | query.pop("headers", {})
    transport = httpx.ASGITransport(app=create_app(town.world))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(f"/v1/profiles/{who}", params={"purpose": "service", **query}, headers=headers)


async def test_a_moment_is_answered_with_what_was_seen_then(past: Any) -> None:
    week = days_ago(past, 5)
    answer = await ask(past, as_of=week)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["as_of"], told["version"], told["attributes"]["city"]) == (week, "1" * 16, "Akron")
    assert (await ask(past, as_of=days_ago(past, 0))).json()["attributes"]["city"] == "Dayton"
    assert (await ask(past)).json()["attributes"]["city"] == "Dayton"
    local = datetime.fromisoformat(week).astimezone().isoformat()
    assert (await ask(past, as_of=local)).json()["as_of"] == week
    assert answer.headers["cache-control"] == "private, no-cache"


async def test_fields_and_conditions_count_as_for_any_read(past: Any) -> None:
    week = days_ago(past, 5)
    few = await ask(past, as_of=week, fields="attributes.city")
    assert few.json() == {
        "profile_id": ANNA, "as_of": week, "version": "1" * 16, "withheld": [], "attributes": {"city": "Akron"}
    }  # fmt: skip
    whole = await ask(past, as_of=week)
    assert whole.headers["etag"] != few.headers["etag"]
    again = await ask(past, as_of=week, headers={"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_what_may_not_be_used_now_is_gone_and_nobody_is_told_more(past: Any) -> None:
    answer = await ask(past, as_of=days_ago(past, 15))
    assert answer.status_code == 410
    assert answer.json()["type"] == "urn:kindred:problem:past-withheld"
    assert "Akron" not in answer.text
    assert "another" not in answer.text


async def test_who_is_hidden_now_or_was_nobody_then_is_unknown(past: Any) -> None:
    week = days_ago(past, 5)
    nobody = await ask(past, as_of=days_ago(past, 25))
    assert nobody.status_code == 404
    (token, *_) = past.profiles.headers[ProfileId(ANNA)]["tokens"]
    past.profiles.denied.add((token, SERVICE))
    hidden, unknown = await ask(past, as_of=week), await ask(past, NOBODY, as_of=week)
    assert hidden.content == unknown.content == nobody.content == (await ask(past, NOBODY)).content


@pytest.mark.parametrize(
    ("moment", "wrong"),
    [("2026-11-20", "RFC 3339"), ("yesterday", "RFC 3339"), ("2026-11-20T10:00:00", "no time zone"),
     ("1763000000", "RFC 3339"), ("2026-11-20T10:00:00 01:00", "is not a moment that we know"), ("", "RFC 3339"),
     ("2026-11-20T24:00:00Z", "is not a moment that we know"), ("2026-06-30T23:59:60Z", "is not a moment that we know"),
     ("0001-01-01T00:00:00+14:00", "outside the calendar"), ("9999-12-31T23:59:59-12:00", "outside the calendar"),
     ("2026-11-20T10:00:00Z\0", "is not a moment that we know")],
)  # fmt: skip
async def test_what_is_no_moment_is_said_to_be_none(past: Any, moment: str, wrong: str) -> None:
    answer = await ask(past, as_of=moment)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/query/as_of"
    assert wrong in answer.json()["errors"][0]["wrong"]


async def test_a_moment_to_come_or_before_all_that_is_kept_is_said_to_be_so(past: Any) -> None:
    ahead = await ask(past, as_of=days_ago(past, -1))
    assert (ahead.status_code, ahead.json()["type"]) == (422, "urn:kindred:problem:moment-ahead")
    early = await ask(past, as_of=days_ago(past, 31))
    assert (early.status_code, early.json()["type"]) == (422, "urn:kindred:problem:moment-not-kept")
    assert days_ago(past, 30)[:19] in early.json()["detail"]
    same = await ask(past, NOBODY, as_of=days_ago(past, 31))
    assert same.content == early.content, "whoever it is about"


@pytest.mark.parametrize("spelt", ["as_of", "as%5Fof", "%61s_of"])
async def test_the_fast_path_answers_no_moment(past: Any, spelt: str) -> None:
    """However the question is spelt, by a key that it knows."""
    application = FastPath(create_app(past.world), past.world)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=application), base_url="http://localhost", headers=past.bearer("reader")
    ) as asking:
        now = await asking.get(f"{URL}?purpose=service")
        assert (await asking.get(f"{URL}?purpose=service")).content == now.content
        week = days_ago(past, 5)
        told = await asking.get(f"{URL}?purpose=service&{spelt}={week}", headers={"if-none-match": now.headers["etag"]})
        assert (told.status_code, told.json()["as_of"], told.json()["attributes"]["city"]) == (200, week, "Akron")
        gone = f"{URL}?purpose=service&{spelt}={days_ago(past, 15)}"
        assert (await asking.get(gone, headers={"if-none-match": "*"})).status_code == 410


async def test_a_server_without_a_past_says_so(town: Any) -> None:
    assert (await ask(town, as_of=days_ago(town, 0))).status_code == 503


async def test_a_purpose_that_the_key_does_not_carry_is_refused(past: Any) -> None:
    assert (await ask(past, as_of=days_ago(past, 5), key="shop")).status_code == 403


async def test_an_id_that_was_split_names_who_answers_now(past: Any) -> None:
    assert (await ask(past, SPLIT, as_of=days_ago(past, 5))).status_code == 300


async def test_reads_of_the_past_count_among_the_people_of_a_day(past: Any) -> None:
    from api.http.people import People

    past.world = replace(past.world, people=People(past.world.database, past.world.clock, limit=0))
    assert (await ask(past, as_of=days_ago(past, 5))).status_code == 429


async def test_the_bytes_of_a_read_of_now_stay_those_of_the_store(past: Any) -> None:
    stored = past.profiles.tagged(ProfileId(ANNA), SERVICE)
    answer = await ask(past)
    assert (answer.headers["etag"].encode(), answer.content) == stored
    assert orjson.loads(answer.content)["as_of"] == "2026-11-22T06:00:00Z"
