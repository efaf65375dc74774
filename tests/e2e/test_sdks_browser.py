"""SDKs for the browser as npm serves them, unchanged, in Chromium: from a page of one site to the collector at another.

@segment/analytics-next 1.84.3 and @rudderstack/analytics-js 3.34.1; see tests/sdk/package.json.
"""

import base64
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from collector_server import Served, serving
from javascript import blocks, chromium, packages
from playwright.sync_api import Browser, Page, sync_playwright
from recorded import recorded, verdicts
from shop import shop

pytestmark = pytest.mark.e2e
LOAD = """([writeKey, cdnURL, settings, options]) => {
  window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL, ...settings }, options)
}"""
ONE_OF_EACH = """async () => {
  await analytics.alias("u-1", (await analytics.user()).anonymousId())
  await analytics.identify("u-1", { email: "anna@example.org", born: new Date(Date.UTC(1984, 1, 29)) })
  await analytics.track("Order Completed", { revenue: 14.99, note: "Grüße 🍵" })
  await analytics.page("Docs", "Home")
  await analytics.screen("App", "Start", {}, { integrations: { All: false } })
  await analytics.group("g-1", { name: "Initech" })
  await analytics.group("g".repeat(501))
  return (await analytics.user()).anonymousId()
}"""
SEEN = """([from, to]) => {
  for (let number = from; number < to; number++) analytics.track("Seen", { number })
}"""
# Each is in the SDK's buffer when this returns, where it sends them many at once.
BUFFERED = """async ([from, to]) => {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index)
  await Promise.all(numbers.map((number) => analytics.track("Seen", { number })))
}"""
BEACON = """async ([key, url]) => {
  const { RudderAnalytics } = await import("@rudderstack/analytics-js/bundled")
  const analytics = new RudderAnalytics()
  const web = { id: "web", name: "web", workspaceId: "web" }
  const source = { ...web, writeKey: key, enabled: true, config: {}, destinations: [] }
  const patient = { useBeacon: true, beaconQueueOptions: { flushQueueInterval: 600_000 } }
  analytics.load(key, url, { getSourceConfig: () => ({ source }), ...patient })
  analytics.identify("u-1", { email: "anna@example.org" })
  analytics.page("Docs", "Home")
  analytics.group("g-1", { name: "Initech" })
  analytics.alias("u-1", "c-1")
  await new Promise((resolve) => analytics.ready(resolve))
}"""
POST = """async ([address, body]) => {
  const answer = await fetch(address, { method: "POST", body })
  return [answer.status, (await answer.json()).code]
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium())
        yield started
        started.close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with shop(packages()) as address:
        yield address


@pytest.fixture
def page(browser: Browser, site: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A visitor's page, whose every request goes to an address of this machine."""
    monkeypatch.setenv("RECORD", "1")
    hosts: set[str] = set()
    with browser.new_context() as context:
        context.on("request", lambda request: hosts.add(re.split("[/:]+", request.url)[1]))
        page = context.new_page()
        page.goto(site)
        yield page
    assert hosts == {"localhost", "127.0.0.1"}


def basic(server: Served) -> str:
    return "Basic " + base64.b64encode(f"{server.key}:".encode()).decode()


def load(page: Page, server: Served, options: dict[str, Any] | None = None, **settings: Any) -> None:
    page.evaluate(LOAD, [server.key, server.url, settings, options or {}])


def asked(server: Served) -> list[dict[str, Any]]:
    return recorded(server.root / "requests.ndjson")


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what comes by itself."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def batching(size: int, timeout: int) -> dict[str, Any]:
    """Return the SDK's options for sending many events at once, after so many events or milliseconds."""
    strategy = {"strategy": "batching", "config": {"size": size, "timeout": timeout}}
    return {"integrations": {"Segment.io": {"deliveryStrategy": strategy}}}


def taken(server: Served) -> Counter[str]:
    """Return how often each event was answered 200 so far, by message id."""
    return Counter(
        event["messageId"]
        for one in asked(server)
        if one["method"] == "POST" and one["status"] == 200
        for event in one["answer"].get("events", ())
    )


def type_in(page: Page, server: Served, package: str) -> int:
    """Do as the engineer's page says for a package; return how many events follow from it."""
    snippet = next(block for block in blocks("js") if package in block)
    typed = snippet.replace("kd_…", server.key).replace("https://in.example.org", server.url)
    assert server.key in typed
    assert server.url in typed
    page.add_script_tag(content=typed, type="module")
    return len(re.findall(r"^analytics\.(?!load)", snippet, re.MULTILINE))


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return sorted(int(event["properties"]["number"]) for event in events if event.get("event") == "Seen")


def test_one_of_each_is_in_the_log_once(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", "unavailable,busy") as server:
        load(page, server)
        visitor = page.evaluate(ONE_OF_EACH)
        until(lambda: len(taken(server)) == 7)
        requests, events = asked(server), server.end()
    assert Counter(event["type"] for event in events) == {
        "identify": 1, "track": 1, "page": 1, "screen": 1, "group": 2, "alias": 1,
    }  # fmt: skip
    assert set(Counter(event["messageId"] for event in events).values()) == {1}
    assert {event["anonymousId"] for event in events} == {visitor}
    assert {event["userId"] for event in events} == {"u-1"}
    by_type = {event["type"]: event for event in events}
    assert by_type["alias"]["previousId"] == visitor
    assert by_type["identify"]["traits"] == {"email": "anna@example.org", "born": "1984-02-29T00:00:00.000Z"}
    assert by_type["track"]["properties"] == {"revenue": "14.99", "note": "Grüße 🍵"}
    assert (by_type["page"]["category"], by_type["page"]["name"]) == ("Docs", "Home")
    assert by_type["screen"]["integrations"] == {"All": False}
    groups = {len(event["groupId"]): event for event in events if event["type"] == "group"}
    assert (groups[3]["groupId"], groups[3]["traits"]) == ("g-1", {"name": "Initech"})
    assert verdicts(requests) == {
        event["messageId"]: "quarantined" if event is groups[501] else "accepted" for event in events
    }

    posts = [one for one in requests if one["method"] == "POST"]
    assert {one["path"] for one in posts} == {f"/v1/{letter}" for letter in "itpsga"}
    assert {one["content-type"] for one in posts} == {"text/plain"}
    assert {one["authorization"] for one in posts} == {basic(server)}
    assert {one["body"]["writeKey"] for one in posts} == {server.key}
    assert Counter(one["status"] for one in posts) == {200: 7, 429: 1, 503: 1}
    assert [one["status"] for one in posts if one["x-retry-count"] == "1"] == [200, 200]
    preflights = [one for one in requests if one["method"] == "OPTIONS"]
    assert {one["access-control-request-headers"] for one in preflights} == {
        "authorization", "authorization,x-retry-count",
    }  # fmt: skip
    assert {one["origin"] for one in (*posts, *preflights)} == {page.evaluate("location.origin")}


def test_batches_are_sent_again_and_one_bad_event_does_not_spoil_them(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", "unavailable,busy") as server:
        load(page, server, batching(10, 300))
        page.evaluate("analytics.group('g'.repeat(501))")
        page.evaluate(SEEN, [0, 34])
        until(lambda: len(taken(server)) == 35)
        requests, events = asked(server), server.end()
    assert numbers(events) == list(range(34))
    assert Counter(verdicts(requests).values()) == {"accepted": 34, "quarantined": 1}
    posts = [one for one in requests if one["method"] == "POST"]
    assert {one["path"] for one in posts} == {"/v1/b"}
    assert {one["body"]["writeKey"] for one in posts} == {server.key}
    assert not any("sentAt" in event for one in posts for event in one["body"]["batch"])
    assert [one["status"] for one in posts][:3] == [503, 429, 200]
    assert [one["x-retry-count"] for one in posts][:3] == [None, "1", "2"]


def test_what_waits_when_a_visitor_leaves_is_sent_at_once(page: Page, tmp_path: Path) -> None:
    """By `keepalive`: the page is gone when its request arrives, and so is its tab the second time."""
    with serving(tmp_path / "shop") as server:
        load(page, server, batching(100, 600_000))
        page.evaluate(BUFFERED, [0, 30])
        page.wait_for_timeout(300)
        assert not taken(server)
        page.get_by_role("link").click()
        until(lambda: len(taken(server)) == 30)
        load(page, server, batching(100, 600_000))
        page.evaluate(BUFFERED, [30, 50])
        page.wait_for_timeout(300)
        page.close(run_before_unload=True)
        until(lambda: len(taken(server)) == 50)
        assert numbers(server.end()) == list(range(50))


def test_what_was_refused_when_a_visitor_left_is_sent_from_the_next_page(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", "unavailable,busy,unavailable") as server:
        load(page, server)
        page.evaluate(SEEN, [0, 20])
        until(lambda: any(one["status"] == 503 for one in asked(server)))
        page.get_by_role("link").click()
        page.wait_for_url("**/next.html")
        load(page, server)
        page.evaluate(SEEN, [20, 25])
        until(lambda: len(taken(server)) == 25)
        events = server.end()
    assert {*numbers(events)} == set(range(25))
    assert len({event["messageId"] for event in events}) == 25, "what comes twice comes with the same id"


def test_the_snippet_of_the_engineer_s_page_and_what_an_sdk_measures_of_itself(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "shop") as server:
        calls = type_in(page, server, "@segment/analytics-next")
        until(lambda: len(taken(server)) == calls)
        assert page.evaluate(POST, [f"{server.url}/v1/t", '{"writeKey": "kd_none"}']) == [401, "invalid_write_key"]
        address = f"{server.url}/v1/projects/{server.key}/settings"
        settings = page.evaluate("address => fetch(address).then((answer) => answer.json())", address)
        settings["metrics"] |= {"sampleRate": 1, "flushTimer": 100}
        # The SDK takes this protocol from the page alone, and our server here speaks no TLS.
        load(page, server, {"integrations": {"Segment.io": {"protocol": "http"}}}, cdnSettings=settings)
        page.evaluate(SEEN, [0, 1])
        until(lambda: any(one["path"] == "/v1/m" for one in asked(server)) and len(taken(server)) == calls + 1)
        measured = next(one for one in asked(server) if one["path"] == "/v1/m")
        events = server.end()
    assert (measured["status"], measured["content-type"], measured["authorization"]) == (200, "text/plain", None)
    assert measured["body"]["series"][0]["metric"].startswith("analytics_js.")
    assert len(events) == calls + 1, "a measurement is no event"


def test_rudderstack_s_sends_again_and_its_beacon_when_a_visitor_leaves(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", "unavailable,busy") as server:
        assert type_in(page, server, "@rudderstack/analytics-js") == 1
        until(lambda: len(taken(server)) == 1)
        page.reload()
        page.evaluate(BEACON, [server.key, server.url])
        page.wait_for_timeout(300)
        assert len(taken(server)) == 1
        page.get_by_role("link").click()
        until(lambda: len(taken(server)) == 5)
        requests, events = asked(server), server.end()
    assert Counter(event["type"] for event in events) == {"identify": 1, "track": 1, "page": 1, "group": 1, "alias": 1}
    assert set(verdicts(requests).values()) == {"accepted"}
    assert len({event["anonymousId"] for event in events}) == 1
    by_type = {event["type"]: event for event in events}
    assert by_type["track"]["properties"] == {"revenue": "14.99"}
    assert (by_type["identify"]["userId"], by_type["identify"]["context"]["traits"]["email"]) == (
        "u-1",
        "anna@example.org",
    )
    assert (by_type["group"]["groupId"], by_type["alias"]["previousId"]) == ("g-1", "c-1")
    posts = [one for one in requests if one["method"] == "POST"]
    assert [one["status"] for one in posts] == [503, 429, 200, 200]
    assert [one["authorization"] for one in posts] == [basic(server)] * 3 + [None]
    assert (posts[3]["path"], posts[3]["content-type"]) == ("/beacon/v1/batch", "text/plain")
