"""The preference centre and the officers' pages in Chromium, scripts switched off, over the product's own server.

No Spark: what a run would have published is put there by hand, and so is the job runner's part of an erasure.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from javascript import chromium, packages
from pages_world import ANN, BEN, CORA, DAN, EVE, FINN, GUS, HANA, PEOPLE, Person, Shop, open_shop
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from api.http.audit import looks
from consent.ledger.verify import verify
from consent.residue.certificate import check, read
from infra.signing import Signer

pytestmark = pytest.mark.e2e
PATIENCE = 15_000
PHONE = {"width": 320, "height": 700}
EVERY_RULE = "{type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}"
OF_COLOUR_AND_SIZE = "{type: 'rule', values: ['color-contrast', 'target-size']}"
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("pages") / "shop") as served:
        yield served
        log = (served.workspace.root / "server.log").read_text()
        # Whatever was typed and clicked here: nobody is named in the log.
        assert not [one.email for one in PEOPLE if one.email in log or one.card in log]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium())
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, shop: Shop) -> Iterator[Any]:
    """Opens pages for somebody; no address that their browser asks for names anybody."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []

    def opened(address: str = "", **options: Any) -> Page:
        settings: dict[str, Any] = {"java_script_enabled": False, "viewport": DESK, "locale": "en-GB", **options}
        context = browser.new_context(**settings)
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        if address:
            page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert all(url.startswith((shop.url, "data:")) for url in asked)
    secret = [value for one in PEOPLE for value in (one.email, one.card, one.id) if "/people/" not in value]
    told = [url for url in asked if "/people/" not in url]
    assert not [url for url in told if any(value in url for value in secret)]


def centre(visit: Any, shop: Shop, person: Person, **options: Any) -> Page:
    page: Page = visit(shop.link(value=person.email), **options)
    return page


def officer(visit: Any, shop: Shop, name: str, **options: Any) -> Page:
    page: Page = visit(f"{shop.url}/login", **options)
    page.get_by_label("API key").fill(shop.officer(name))
    page.get_by_role("button", name="Sign in").click()
    return page


def ask(page: Page, right: str) -> None:
    """Open a right's form on the centre and send it."""
    form = page.locator("details.right").filter(has_text=right).first
    if form.get_attribute("open") is None:
        form.locator("summary").click()
    form.get_by_role("button").click()


def choice(page: Page, purpose: str) -> Any:
    return page.locator(".choices li").filter(has_text=purpose)


def saved(page: Page, press: Any) -> Path:
    with page.expect_download() as download:
        press.click()
    return Path(download.value.path())


def test_a_yes_and_a_no_are_given_and_taken_back_alike(visit: Any, shop: Shop) -> None:
    page = centre(visit, shop, ANN)
    offers = choice(page, "Send offers by email")
    expect(offers).to_contain_text("Not allowed")
    offers.get_by_role("button", name="Allow", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    expect(choice(page, "Send offers by email").locator("strong")).to_have_text("Allowed")
    choice(page, "Send offers by email").get_by_role("button", name="Do not allow").click()
    expect(choice(page, "Send offers by email")).to_contain_text("you took your yes back")
    counting = choice(page, "Count and compare")
    counting.get_by_role("button", name="Do not allow").click()
    expect(choice(page, "Count and compare")).to_contain_text("you objected")
    receipts = json.loads(saved(page, page.get_by_role("button", name="Download all receipts")).read_text())
    signer = Signer.from_environment(shop.workspace.environ)
    assert [one["record"]["event"]["event_type"] for one in receipts] == ["given", "withdrawn", "objected"]
    assert not [fault for one in receipts for fault in verify(one, signer.public)]
    one = json.loads(saved(page, page.get_by_role("button", name="Receipt: Count")).read_text())
    assert [receipt["record"]["pii_processing"]["purpose"] for receipt in one] == ["analytics"]


def test_a_copy_is_asked_for_and_downloaded(visit: Any, shop: Shop) -> None:
    page = centre(visit, shop, BEN)
    ask(page, "A copy of my data")
    expect(page.get_by_role("status")).to_contain_text("We have your request")
    told = json.loads(saved(page, page.get_by_role("button", name="Download as JSON")).read_text())
    records = next(one for one in told["data"] if one["store"] == "records")
    assert sorted(row["record_key"] for row in records["rows"]) == sorted(BEN.records)
    assert CORA.email not in json.dumps(told)
    archive = zipfile.ZipFile(saved(page, page.get_by_role("button", name="Download as tables")))
    assert "answer.json" in archive.namelist()
    rows = list(csv.DictReader(io.StringIO(archive.read("records.csv").decode())))
    assert {row["source"] for row in rows} == {"crm", "loyalty", "webshop_accounts"}
    page.get_by_role("link", name="Follow it: A copy").click()
    expect(page.get_by_text("Your copy was fetched.")).to_be_visible()
    # The page of the request opens without a visit, and shows no data.
    stranger = visit(page.url)
    expect(stranger.get_by_role("heading", level=1)).to_have_text("A copy of my data")
    assert "Ben" not in stranger.content()


def test_data_are_corrected_objected_to_and_stopped(visit: Any, shop: Shop) -> None:
    page = centre(visit, shop, CORA)
    form = page.locator("details.right").filter(has_text="Correct my data")
    form.locator("summary").click()
    form.locator("select").select_option("city")
    form.get_by_label("What is right").fill('Åkron \'n "Söhne"')
    form.get_by_role("button").click()
    expect(page.get_by_role("status")).to_be_visible()
    (file,) = (shop.workspace.root / "data" / "privacy").glob("*.ndjson")
    assert json.loads(file.read_text())["city"] == 'Åkron \'n "Söhne"'
    ask(page, "Object to a use")
    expect(choice(page, "Find out which records")).to_contain_text("you objected")
    ask(page, "Stop every use of my data")
    expect(choice(page, "Count and compare")).to_contain_text("you restricted every use")
    expect(page.get_by_text("we hold nothing that any purpose may use")).to_be_visible()
    page.get_by_role("button", name="Let my data be used again").click()
    expect(choice(page, "Count and compare")).to_contain_text("you have not objected")


def test_an_erasure_goes_from_the_page_over_the_board_to_its_proof(visit: Any, shop: Shop) -> None:
    page = centre(visit, shop, DAN)
    form = page.locator("details.right").filter(has_text="Erase my data")
    form.locator("summary").click()
    form.get_by_role("button").click()
    assert page.get_by_role("status").count() == 0, "without the tick nothing is sent"
    form.get_by_label("I understand").check()
    form.get_by_role("button").click()
    # When the page comes back the person is closed to every reader.
    expect(page.get_by_text("closed to every use, being erased")).to_be_visible()
    expect(page.get_by_role("button", name="Allow", exact=True)).to_have_count(0)
    assert DAN.email not in page.content()
    page.get_by_role("link", name="Follow it").click()
    address = page.url
    board = officer(visit, shop, "erasing")
    board.get_by_role("link", name="Requests").click()
    board.locator("tbody tr").filter(has_text="frozen").get_by_role("link").click()
    expect(board.get_by_role("heading", name="The erasure, store by store")).to_be_visible()
    expect(board.get_by_role("heading", name="Certificate")).to_have_count(0)
    nonce = shop.erase(board.url.rsplit("/", 1)[1], DAN)
    for _ in range(60):
        board.reload()
        if board.get_by_text("closed", exact=True).count():
            break
        board.wait_for_timeout(250)
    expect(board.get_by_text("Checked just now: the signature holds")).to_be_visible()
    facts = board.locator("section", has=board.get_by_role("heading", name="The erasure")).locator("tbody tr")
    assert [re.sub(r"\s+", " ", row.inner_text()).split(" 2")[0] for row in facts.all()][1].startswith("Facts 44")
    public = Signer.from_environment(shop.workspace.environ).public
    officers = read(saved(board, board.get_by_role("link", name="Download the certificate")).read_bytes())
    assert check(officers, public, None, ()) == ()
    page.goto(address)
    expect(page.get_by_text("We checked its signature just now, and it holds.")).to_be_visible()
    theirs = read(saved(page, page.get_by_role("link", name="Download the certificate")).read_bytes())
    key = saved(page, page.get_by_role("link", name="Download the key")).read_text().strip()
    assert (theirs, key) == (officers, nonce)
    assert check(theirs, public, bytes.fromhex(key), [f"email:{DAN.email}"]) == ()
    # An old link opens a page that knows nothing of them.
    page.goto(shop.link(value=DAN.email))
    expect(page.get_by_text("we hold nothing that any purpose may use")).to_be_visible()
    assert DAN.email not in page.content()


def test_the_centre_is_used_by_keyboard_alone(visit: Any, shop: Shop) -> None:
    page = centre(visit, shop, EVE)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.value === 'no'"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved")
    expect(choice(page, "Find out which records")).to_contain_text("you objected")
    seen = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.tagName + ' ' + document.activeElement.innerText.trim()"))
        if seen[-1] == "SUMMARY A copy of my data":
            page.keyboard.press("Enter")
        if seen[-1] == "BUTTON Ask for it":
            page.keyboard.press("Space")
            break
    expect(page.get_by_role("heading", name="Your copy is ready")).to_be_visible()


def test_links_that_do_not_hold_tell_nothing(visit: Any, shop: Shop) -> None:
    spoilt = shop.link(value=FINN.email)[:-3] + "xyz"
    over = shop.link(value=FINN.email, lasts=timedelta(seconds=-1))
    pages = [
        visit(address).content()
        for address in (spoilt, over, f"{shop.url}/preferences", f"{shop.url}/preferences/request/x")
    ]
    assert len(set(pages)) == 1
    link = shop.link(value=FINN.email)
    page, other = visit(link), visit(link)
    page.get_by_role("button", name="Close all links to this page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Goodbye")
    other.get_by_role("button", name="No to everything").click()
    assert other.content() == visit(link).content() == pages[0]


def test_two_visits_in_one_browser_do_not_mix(visit: Any, shop: Shop) -> None:
    page = centre(visit, shop, FINN)
    second = page.context.new_page()
    second.goto(shop.link(value=GUS.email))
    # The first tab's form belongs to the visit before: it says so, and speaks for nobody.
    page.get_by_role("button", name="No to everything").click()
    expect(page.get_by_text("belongs to an earlier visit")).to_be_visible()
    second.reload()
    expect(choice(second, "Count and compare")).to_contain_text("you have not objected")


def test_an_officer_finds_a_person_for_a_purpose_and_sees_what_was_allowed_when(visit: Any, shop: Shop) -> None:
    theirs = centre(visit, shop, HANA)
    choice(theirs, "Count and compare").get_by_role("button", name="Do not allow").click()
    page = officer(visit, shop, "finding")
    search = page.locator("main form")
    search.get_by_label("Identifier").fill(HANA.email)
    search.get_by_role("button").click()
    assert page.url == f"{shop.url}/", "without a purpose nothing is sent"
    search.get_by_label("For what you look").select_option("service")
    search.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hana Carver")
    expect(page.locator(".tabs [aria-current]")).to_have_text("Service")
    page.get_by_role("link", name="What was allowed, when, and on which word").click()
    row = page.locator("tr").filter(has=page.get_by_role("rowheader", name="Analytics", exact=True))
    expect(row.first).to_contain_text("Denied")
    expect(row.first.get_by_role("link")).to_have_text("1")
    page.get_by_role("textbox", name="At").fill("2026-01-01T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Nothing had been said")).to_be_visible()
    for _ in range(40):
        noted = {(look.purpose, look.decision) for look in looks(shop.database, HANA.id)}  # type: ignore[arg-type]
        if ("service", "searched") in noted and ("consent", "console") in noted:
            break
        page.wait_for_timeout(100)
    assert {("service", "searched"), ("service", "console"), ("consent", "console")} <= noted


def take_down(board: Page, right: str, value: str, asker: str = "subject") -> None:
    board.get_by_role("link", name="Requests").click()
    board.get_by_text("Write it down").click()
    board.get_by_label("The person asks for").select_option(right)
    board.get_by_label("Asked by").select_option(asker)
    board.get_by_label("Where they live").fill("de")
    board.locator("select[name=kind0]").select_option("email")
    board.get_by_label("Its value").first.fill(value)
    board.get_by_role("button", name="Take it down").click()


def test_four_eyes_extension_and_refusal_need_no_terminal(visit: Any, shop: Shop) -> None:
    one, two = officer(visit, shop, "one"), officer(visit, shop, "two")
    take_down(one, "access", GUS.email, asker="agent")
    request = one.url
    one.get_by_label("Who asks was shown by").select_option("passport")
    one.get_by_role("button", name="Identity seen").click()
    one.get_by_role("button", name="Approve").click()
    expect(one.get_by_text("let another officer do so")).to_be_visible()
    two.goto(request)
    two.get_by_role("button", name="Extend").click()
    expect(two.get_by_text("extended", exact=False).first).to_be_visible()
    two.get_by_role("button", name="Approve").click()
    expect(two.get_by_role("button", name="Approve")).to_have_count(0)
    for _ in range(40):
        two.reload()
        if two.get_by_role("heading", name="The answer").count():
            break
        two.wait_for_timeout(250)
    told = json.loads(saved(two, two.get_by_role("button", name="Download as JSON")).read_text())
    assert [one["store"] for one in told["data"]][:1] == ["records"]
    take_down(one, "portability", GUS.email)
    one.get_by_label("On the ground that").select_option("identity")
    one.get_by_role("button", name="Refuse").click()
    expect(one.get_by_text("GDPR 12(6)").first).to_be_visible()
    one.get_by_role("link", name="Where this stands, in their words").click()
    expect(one.get_by_text("we could not make sure who asks (GDPR 12(6)).")).to_be_visible()
    expect(one.get_by_text("You may complain to a supervisory authority")).to_be_visible()


def paths(visit: Any, shop: Shop) -> Iterator[tuple[Any, str]]:
    """Yield every page that there is, with the state in which it may be looked at."""
    page = centre(visit, shop, FINN)
    ask(page, "My data for another service")
    page.get_by_role("link", name="Follow it").first.click()
    state, follow = page.context.storage_state(), page.url
    yield from (
        (state, path) for path in (f"{shop.url}/preferences", f"{shop.url}/preferences?lang=de&saved=no", follow)
    )
    yield None, f"{shop.url}/preferences/enter/x"
    yield None, f"{shop.url}/login"
    board = officer(visit, shop, "looking")
    take_down(board, "erasure", "somebody@example.net")
    state, request = board.context.storage_state(), board.url
    person = f"{shop.url}/people/{FINN.id}"
    for path in (f"{shop.url}/", f"{shop.url}/requests", request, f"{person}?purpose=service", f"{person}/consent"):
        yield state, path


def test_every_page_is_accessible_in_light_and_dark_on_desks_and_phones(visit: Any, shop: Shop) -> None:
    axe = (packages() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    wrong = []
    for state, address in paths(visit, shop):
        page = visit(java_script_enabled=True, storage_state=state)
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        page.evaluate(axe)
        # Everything once; what colours and width change, in the other of each.
        for viewport, scheme, rules in (
            (DESK, "light", EVERY_RULE),
            (PHONE, "dark", OF_COLOUR_AND_SIZE),
        ):
            page.set_viewport_size(viewport)
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(f"axe.run(document, {{runOnly: {rules}, resultTypes: ['violations']}})")
            where = f"{address.removeprefix(shop.url).partition('?')[0][:24]} {viewport['width']} {scheme}"
            wrong += [f"{where}: {one['id']} {one['nodes'][0]['html'][:160]}" for one in found["violations"]]
            wide = page.evaluate("document.documentElement.scrollWidth")
            wrong += [f"{where}: {wide} px wide"] if wide > viewport["width"] else []
        page.context.close()
    assert wrong == [], "\n".join(wrong)
