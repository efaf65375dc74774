"""The demo applications over a sandbox: they use the HTTP interface alone, and obey a no at once."""

import ast
import csv
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandboxed import Running

from api.demo.apps import call_centre, email_job, shop
from kindred_client import AsyncKindred, Kindred

ROOT = Path(__file__).parents[3]
APPS = ROOT / "api" / "demo" / "apps"
OURS = {"activation", "api", "consent", "identity", "infra", "ingestion", "profiles"}


@pytest.mark.parametrize("path", sorted(APPS.glob("*.py")), ids=lambda path: path.name)
def test_an_application_imports_the_client_and_libraries_alone(path: Path) -> None:
    """What reaches round the interface proves nothing of it, and cannot be copied by a reader."""
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else one.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in node.names
    }
    assert {name.partition(".")[0] for name in imported} & OURS == set()
    assert len(path.read_text().splitlines()) < 130


@pytest.fixture
def both(running: Running) -> Any:
    with Kindred(running.url, running.keys["read"]) as reader, Kindred(running.url, running.keys["consent"]) as ledger:
        yield reader, ledger


def test_the_call_centre_sees_the_caller_and_what_it_may_not_see(running: Running, both: Any) -> None:
    willing = running.samples["willing"]
    told = "\n".join(call_centre.screen(*both, willing["phone"].replace("+1 ", "").replace("-", " ", 1)))
    assert told.startswith(willing["given_name"])
    assert "Last orders" in told
    assert "Open questions: Where is my order?" in told
    assert "email marketing  yes" in told
    assert "Withheld from this screen: nothing" in told
    denied = "\n".join(call_centre.screen(*both, running.samples["denied"]["phone"]))
    assert "personalization  no (consent)" in denied


@pytest.mark.parametrize("who", ["restricted", "shared", "unknown"])
def test_the_call_centre_knows_nobody_alike(running: Running, both: Any, who: str) -> None:
    phone = "+1 206-555-0199" if who == "unknown" else running.samples[who]["phone"]
    assert next(call_centre.screen(*both, phone)).startswith("Nobody whom service may know")
    assert len(list(call_centre.screen(*both, phone))) == 2


def test_what_sources_say_cannot_move_the_cursor() -> None:
    assert call_centre.plain("a\x1b[2Jb\r\nc") == "a�[2Jb��c"
    assert call_centre.plain("Zoë 🍵") == "Zoë 🍵"


def test_the_mailing_goes_to_those_who_may_be_mailed_now(running: Running, both: Any, tmp_path: Path) -> None:
    _, ledger = both
    emails = running.facts["emails"][30:50]
    may = {one for one in emails if ledger.may("email", one, purpose="email_marketing", channel="email").allowed}
    assert 0 < len(may) < len(emails)
    gone = min(may)
    typed = [*emails, emails[0].upper(), "nobody@example.org", "no address"]
    (tmp_path / "to.txt").write_text("\n".join(typed) + "\n")
    assert email_job.run(*both, tmp_path / "to.txt", tmp_path / "before.csv") == (len(may), len(emails) - len(may) + 2)
    ledger.consent("email", gone, purpose="email_marketing", action="withdrawn")
    written, _ = email_job.run(*both, tmp_path / "to.txt", tmp_path / "after.csv")
    assert written == len(may) - 1
    rows = list(csv.DictReader(io.StringIO((tmp_path / "after.csv").read_text())))
    assert {row["email_sha256"] for row in rows} == {hashlib.sha256(one.encode()).hexdigest() for one in may - {gone}}
    assert all(row["greeting"].startswith("Dear ") for row in rows)
    assert "@" not in (tmp_path / "after.csv").read_text()
    assert email_job._cell("=cmd()") == "'=cmd()"


def test_scripts_run_as_a_newcomer_types_them(running: Running, tmp_path: Path) -> None:
    keys = {f"KINDRED_{name.upper()}_KEY": key for name, key in running.keys.items()}
    environ = {**os.environ, "KINDRED_URL": running.url, **keys}
    (tmp_path / "to.txt").write_text(running.samples["willing"]["email"])

    def typed(*words: str | Path, said: str = "") -> str:
        command = [sys.executable, *words]
        done = subprocess.run(
            command, env=environ, cwd=tmp_path, input=said, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    screen = typed(APPS / "call_centre.py", said=running.samples["willing"]["phone"] + "\n")
    assert screen.startswith(running.samples["willing"]["given_name"])
    assert typed(APPS / "email_job.py", "to.txt", "letters.csv").startswith("1 may be mailed, 0 may not")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def visitor(running: Running) -> Any:
    """A visitor's browser, without its scripts."""
    collector = shop.Collector(running.url, running.keys["write"])
    app = shop.create_app(
        AsyncKindred(running.url, running.keys["read"]), AsyncKindred(running.url, running.keys["consent"]), collector
    )
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", follow_redirects=True) as browser,
    ):
        yield browser


@pytest.mark.anyio
async def test_the_shop_knows_who_allows_it_and_forgets_who_does_not(running: Running, visitor: Any) -> None:
    email = running.facts["emails"][60]
    with Kindred(running.url, running.keys["consent"]) as ledger:
        ledger.consent("email", email, purpose="personalization", action="given")
    stranger = (await visitor.get("/")).text
    assert 'data-shelf="popular"' in stranger
    assert "buy_again" not in stranger
    known = (await visitor.post("/login", data={"who": email})).text
    assert "Welcome back, " in known
    assert 'data-shelf="buy_again"' in known
    generic = (await visitor.post("/offers", data={"wanted": "false"})).text
    assert "Welcome back" not in generic
    assert "buy_again" not in generic
    assert 'data-shelf="popular"' in generic
    assert "Welcome back" in (await visitor.post("/offers", data={"wanted": "true"})).text
    assert "Log in" in (await visitor.post("/logout")).text


@pytest.mark.anyio
@pytest.mark.parametrize("who", ["nobody@example.org", "</script><script>alert(1)</script>", "A-0 \x00", "x" * 320])
async def test_a_stranger_is_a_visitor_and_nothing_typed_becomes_markup(visitor: Any, who: str) -> None:
    answer = await visitor.post("/login", data={"who": who})
    assert answer.status_code == 200
    assert "alert(1)</script>" not in answer.text
    assert 'data-shelf="popular"' in answer.text
    assert "script-src 'nonce-" in answer.headers["content-security-policy"]


@pytest.mark.anyio
async def test_the_shop_sells_without_us_too() -> None:
    from kindred_client import Patience

    away = [AsyncKindred("http://127.0.0.1:9", "kd_x", patience=Patience(tries=1)) for _ in range(2)]
    app = shop.create_app(*away, shop.Collector("http://127.0.0.1:9", ""))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as browser:
        answer = await browser.get("/")
        withdrawn = await browser.post("/offers", data={"wanted": "false"})
    assert (answer.status_code, "come back in a minute" in answer.text) == (200, True)
    assert (withdrawn.status_code, "could not be taken down" in withdrawn.text) == (503, True)
    for one in away:
        await one.close()
