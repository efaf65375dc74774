"""The change feed over real HTTP: pages, waiting, streams that break off, and what a withdrawal and an end come to."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from sandboxed import Running, sandbox

from kindred_client import Invalid, Kindred

# On a busy machine, and the longest that a page may be waited for; the feed itself looks every tenth of a second.
WITHIN = 30.0


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sandbox(tmp_path_factory.mktemp("changes"), "--people", "30") as started:
        yield started


@pytest.fixture
def asking(heard: Running) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {heard.keys['changes']}"}
    with httpx.Client(base_url=heard.url, headers=headers, timeout=60) as client:
        yield client


def pages(asking: httpx.Client, purpose: str, since: str | None = None, **query: Any) -> Iterator[dict[str, Any]]:
    """Yield pages to the end of what there is by now."""
    while True:
        asked = {"purpose": purpose, **query, **({"since": since} if since else {})}
        page = asking.get("/v1/changes", params=asked).raise_for_status().json()
        yield page
        since = page["next"]
        if not page["more"]:
            return


def begun(asking: httpx.Client, purpose: str) -> tuple[list[dict[str, Any]], str]:
    """Return everybody whom a purpose hears of, once they were told, and the place behind."""
    until = time.monotonic() + WITHIN
    while True:
        found = list(pages(asking, purpose, limit=7))
        if found[0]["changes"] or time.monotonic() > until:
            return [one for page in found for one in page["changes"]], found[-1]["next"]
        time.sleep(0.1)


def test_a_person_is_read_as_of_a_moment(heard: Running, asking: httpx.Client) -> None:
    begun(asking, "service")
    one = heard.samples["willing"]["profile_id"]
    with Kindred(heard.url, heard.keys["read"]) as kindred:
        until = time.monotonic() + WITHIN
        while True:
            try:
                moment = datetime.now(UTC)
                then = kindred.profile(one, purpose="service", as_of=moment)
                break
            except Invalid:  # not everybody has been kept yet
                assert time.monotonic() < until
                time.sleep(0.2)
        now = kindred.profile(one, purpose="service")
        assert (then.profile_id, then.attributes, then.traits) == (now.profile_id, now.attributes, now.traits)
        assert datetime.fromisoformat(str(then.as_of)) == moment


def say(heard: Running, who: str, purpose: str, action: str) -> None:
    body = {
        "identifier": {"type": "email", "value": who}, "purpose": purpose, "action": action, "mechanism": "centre",
    }  # fmt: skip
    answer = httpx.post(
        f"{heard.url}/v1/consent", json=body, headers={"authorization": f"Bearer {heard.keys['consent']}"}, timeout=60
    )
    assert answer.status_code == 201


def events(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the changes of a stream, and hold each to the form of server-sent events."""
    fields: dict[str, str] = {}
    for line in stream.iter_lines():
        if line.startswith((":", "retry:")):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            told = orjson.loads(fields["data"])
            assert (fields["event"], fields["id"]) == ("change", told["id"])
            yield told
            fields = {}


def test_who_begins_hears_of_everybody_whom_they_may_see(heard: Running, asking: httpx.Client) -> None:
    everybody, place = begun(asking, "personalization")
    assert {one["kind"] for one in everybody} == {"created"}
    ids = [one["profile_id"] for one in everybody]
    assert len(ids) == len(set(ids)) < 30
    reader = {"authorization": f"Bearer {heard.keys['read']}"}
    for one in everybody[:5]:
        shown = asking.get(f"/v1/profiles/{one['profile_id']}?purpose=personalization", headers=reader).json()
        assert shown["version"] == one["version"]
    assert heard.samples["denied"]["profile_id"] not in ids
    assert heard.samples["restricted"]["profile_id"] not in ids
    assert [page["changes"] for page in pages(asking, "personalization", place)] == [[]]


def test_a_withdrawal_is_heard_in_a_stream_that_goes_on_where_it_broke_off(
    heard: Running, asking: httpx.Client
) -> None:
    everybody, place = begun(asking, "email_marketing")
    willing = heard.samples["willing"]
    assert willing["profile_id"] in {one["profile_id"] for one in everybody}
    streamed = {"accept": "text/event-stream"}
    with asking.stream("GET", "/v1/changes?purpose=email_marketing", headers=streamed) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-content-type-options"] == "nosniff"
        told = events(stream)
        first = [next(told) for _ in everybody[:3]]
    assert [one["profile_id"] for one in first] == [one["profile_id"] for one in everybody[:3]]
    again = {**streamed, "last-event-id": first[-1]["id"]}
    with asking.stream("GET", "/v1/changes?purpose=email_marketing", headers=again) as stream:
        told = events(stream)
        rest = [next(told) for _ in everybody[3:]]
        assert [one["profile_id"] for one in first + rest] == [one["profile_id"] for one in everybody]
        at = time.monotonic()
        say(heard, willing["email"], "email_marketing", "withdrawn")
        closed = next(told)
        assert time.monotonic() - at < WITHIN
    assert (closed["profile_id"], closed["kind"], closed["version"]) == (willing["profile_id"], "consent", None)
    # The stream that broke off asks again from before it, and so does one that never heard of them.
    later = [one for page in pages(asking, "email_marketing", first[0]["id"]) for one in page["changes"]]
    assert [one["kind"] for one in later if one["profile_id"] == willing["profile_id"]] in (["consent"], [])
    anew = [one["profile_id"] for one in begun(asking, "email_marketing")[0]]
    assert willing["profile_id"] not in anew
    assert [one["changes"] for one in pages(asking, "analytics", begun(asking, "analytics")[1])] == [[]]
    assert place


def test_a_page_can_be_waited_for(heard: Running, asking: httpx.Client) -> None:
    place = begun(asking, "personalization")[1]
    at = time.monotonic()
    (empty,) = pages(asking, "personalization", place, wait=1)
    assert empty["changes"] == []
    assert time.monotonic() - at >= 1
    someone = begun(asking, "personalization")[0][0]["profile_id"]
    reader = {"authorization": f"Bearer {heard.keys['read']}"}
    shown = asking.get(f"/v1/profiles/{someone}?purpose=service&fields=identifiers", headers=reader).json()
    email = next(one["value"] for one in shown["identifiers"] if one["type"] == "email")
    threading.Timer(0.5, say, (heard, email, "personalization", "objected")).start()
    found = [one for page in pages(asking, "personalization", place, wait=WITHIN) for one in page["changes"]]
    assert [(one["profile_id"], one["kind"]) for one in found] == [(someone, "consent")]


def test_the_client_follows(heard: Running, asking: httpx.Client) -> None:
    everybody, _ = begun(asking, "service")
    with Kindred(heard.url, heard.keys["changes"]) as kindred:
        told = list(kindred.changes(purpose="service"))
        assert [one.profile_id for one in told] == [one["profile_id"] for one in everybody]
        assert all(one.anew for one in told)
        assert list(kindred.changes(purpose="service", since=told[-1].id, wait=0.1)) == []
        assert kindred.confirm(purpose="service", through=told[-1].id) == 0


def test_a_person_has_a_history_as_long_as_they_may_be_seen(heard: Running, asking: httpx.Client) -> None:
    everybody, _ = begun(asking, "profiling")
    someone, reader = everybody[0], {"authorization": f"Bearer {heard.keys['read']}"}
    address = f"/v1/profiles/{someone['profile_id']}/history?purpose=profiling"
    (now,) = asking.get(address, headers=reader).raise_for_status().json()["history"]
    assert (now["kind"], now["version"], now["valid_to"]) == ("created", someone["version"], None)
    denied = heard.samples["restricted"]["profile_id"]
    hidden = asking.get(f"/v1/profiles/{denied}/history?purpose=profiling", headers=reader)
    assert hidden.status_code == 404
    shown = asking.get(f"/v1/profiles/{someone['profile_id']}?purpose=service&fields=identifiers", headers=reader)
    email = next(one["value"] for one in shown.json()["identifiers"] if one["type"] == "email")
    say(heard, email, "profiling", "objected")
    gone = asking.get(address, headers=reader)
    assert gone.status_code == 404
    assert {**gone.json()} == {**hidden.json()}, "as anybody who is hidden"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("purpose=service&since=nonsense", 400),
        ("purpose=service&since=" + "x" * 65, 422),
        ("purpose=nonsense", 403),
        ("purpose=service&limit=0", 422),
        ("purpose=service&wait=31", 422),
        ("since=x", 422),
    ],
)
def test_what_cannot_be_answered_says_why(asking: httpx.Client, query: str, status: int) -> None:
    for headers in ({}, {"accept": "text/event-stream"}):
        answer = asking.get(f"/v1/changes?{query}", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_only_a_key_of_the_feed_follows_it_and_no_more_streams_than_it_may(
    heard: Running, asking: httpx.Client
) -> None:
    other = {"authorization": f"Bearer {heard.keys['read']}"}
    assert asking.get("/v1/changes?purpose=service", headers=other).status_code == 403
    streamed = {"accept": "text/event-stream"}
    opened: list[Any] = []
    try:
        for _ in range(4):
            context = asking.stream("GET", "/v1/changes?purpose=service", headers=streamed)
            assert context.__enter__().status_code == 200
            opened.append(context)
        refused = asking.get("/v1/changes?purpose=service", headers=streamed)
        assert refused.status_code == 429
        assert "streams" in refused.json()["detail"]
        assert "retry-after" in refused.headers
        assert asking.get("/v1/changes?purpose=service").status_code == 200
    finally:
        for context in opened:
            context.__exit__(None, None, None)
    until = time.monotonic() + WITHIN  # a stream that its listener left is noticed, and counts no more
    while time.monotonic() < until:
        with asking.stream("GET", "/v1/changes?purpose=service", headers=streamed) as stream:
            if stream.status_code == 200:
                return
        time.sleep(0.2)
    pytest.fail("a stream that was left still counts")


def test_open_streams_do_not_hold_a_server_back_that_is_told_to_end(tmp_path: Path) -> None:
    with sandbox(tmp_path / "ended", "--people", "8") as started:
        headers = {"authorization": f"Bearer {started.keys['changes']}", "accept": "text/event-stream"}
        done = threading.Event()
        begun_ = threading.Event()

        def listen() -> None:
            with httpx.stream("GET", f"{started.url}/v1/changes?purpose=service", headers=headers, timeout=60) as one:
                for _ in one.iter_lines():
                    begun_.set()
            done.set()

        threading.Thread(target=listen, daemon=True).start()
        assert begun_.wait(WITHIN)
    assert done.wait(WITHIN), "it came to its end"
