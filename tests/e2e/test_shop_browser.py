"""The demo's shop in Chromium, over a sandbox: log in, see what is yours, withdraw, see what everybody sees."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from javascript import chromium, packages
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sandboxed import Running, sandbox

from kindred_client import Kindred

pytestmark = pytest.mark.e2e
APPS = Path(__file__).parents[2] / "api" / "demo" / "apps"
WINDOWS = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 320, "height": 700}}
PATIENCE = 15_000
RULES = "{type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture(scope="module")
def address(running: Running) -> Iterator[str]:
    """The shop as a newcomer starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = {f"KINDRED_{name.upper()}_KEY": key for name, key in running.keys.items()}
    environ = {**os.environ, "KINDRED_URL": running.url, **keys}
    process = subprocess.Popen([sys.executable, APPS / "shop.py", str(port)], env=environ, cwd=APPS)
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium())
        yield started
        started.close()


def photographed(page: Page, name: str) -> None:
    """Keep a picture where `KINDRED_SCREENSHOTS` says, for people to look at."""
    folder = os.environ.get("KINDRED_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"shop-{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", sorted(WINDOWS))
def test_a_visitor_comes_home_and_leaves_again(
    browser: Browser, running: Running, address: str, scheme: Any, window: str
) -> None:
    email = running.facts["emails"][70]
    with Kindred(running.url, running.keys["consent"]) as ledger:
        ledger.consent("email", email, purpose="personalization", action="given")
    with browser.new_context(color_scheme=scheme, viewport=WINDOWS[window]) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        trouble: list[str] = []
        page.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(address)
        expect(page.get_by_role("heading", name="What everybody buys")).to_be_visible()
        photographed(page, f"stranger-{window}-{scheme}")
        page.get_by_label("Email or account number").fill(email)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
        expect(page.get_by_role("heading", name="Buy again")).to_be_visible()
        photographed(page, f"home-{window}-{scheme}")
        _no_fault(page)
        page.get_by_role("button", name="No offers made for me").click()
        expect(page.get_by_text("You see what everybody sees.")).to_be_visible()
        expect(page.get_by_role("heading", name="Buy again")).to_have_count(0)
        photographed(page, f"withdrawn-{window}-{scheme}")
        _no_fault(page)
        assert trouble == []


def test_what_a_visitor_does_reaches_the_collector(browser: Browser, running: Running, address: str) -> None:
    taken: list[tuple[str, dict[str, Any]]] = []
    account = "A-100071"
    with browser.new_context() as context:
        context.on(
            "requestfinished",
            lambda request: (
                taken.append((request.url.rpartition("/")[2], request.post_data_json))
                if request.url.startswith(f"{running.url}/v1/")
                else None
            ),
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.get_by_label("Email or account number").fill(account)
        with page.expect_response(f"{running.url}/v1/identify") as heard:
            page.get_by_role("button", name="Log in").click()
        assert heard.value.json()["events"][0]["verdict"] == "accepted"
        with page.expect_response(f"{running.url}/v1/track") as heard:
            page.locator("[data-product]").first.click()
        assert heard.value.json()["events"][0]["verdict"] == "accepted"
    kinds = [kind for kind, _ in taken]
    assert kinds[0] == "page", "of a visitor whom nobody knows yet"
    assert {"identify", "track"} <= set(kinds)
    bodies = dict(taken)
    assert bodies["identify"]["userId"] == bodies["track"]["userId"] == account
    assert "userId" not in taken[0][1]
    assert len({body["anonymousId"] for _, body in taken}) == 1
    assert bodies["track"]["properties"]["product_id"].startswith("p-")


def _no_fault(page: Page) -> None:
    page.evaluate((packages() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run(document, {{runOnly: {RULES}, resultTypes: ['violations']}})")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "nobody scrolls sideways"
