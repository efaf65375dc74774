"""The console: who gets in, what they see, and what forms may do."""

import itertools
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.http.audit import looks
from api.http.console import words
from api.http.console.layout import Box, positions
from api.http.console.session import LIFETIME, opened, sealed, signing_key
from api.http.keys import create_key, list_keys, revoke_key

pytestmark = pytest.mark.anyio
MARKUP = "\"><script>alert(1)</script>'"
PURPOSES = ("service", "analytics")
ANNA, BEN, CORA, MERGED, SPLIT, HIDDEN = (letter * 32 for letter in "abcef0")


@pytest.fixture
async def visiting(town: Any, asking: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that has signed in."""
    answer = await asking.post("/login", data={"key": town.keys["person"]})
    assert answer.status_code == 303
    return asking


async def word(visiting: httpx.AsyncClient) -> str:
    found = re.search(r'name="word" value="([0-9a-f]+)"', (await visiting.get("/")).text)
    assert found is not None
    return found[1]


async def test_strangers_are_sent_to_the_login(asking: httpx.AsyncClient) -> None:
    for url in ("/", f"/people/{ANNA}"):
        answer = await asking.get(url)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await asking.post("/search", data={"q": "x"})).headers["location"] == "/login"


async def test_only_a_key_of_the_console_opens_it(town: Any, asking: httpx.AsyncClient) -> None:
    for key in (town.keys["admin"], town.keys["reader"], "kd_wrong", ""):
        answer = await asking.post("/login", data={"key": key})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        assert not key or key not in answer.text
    answer = await asking.post("/login", data={"key": town.keys["person"]})
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert town.keys["person"] not in cookie


async def test_a_revoked_key_ends_its_sessions(town: Any, visiting: httpx.AsyncClient) -> None:
    assert (await visiting.get("/")).status_code == 200
    key_id = next(k.key_id for k in list_keys(town.world.database) if k.name == "person")
    revoke_key(town.world.database, key_id, at=town.world.clock())
    assert (await visiting.get("/")).status_code == 303


async def test_signing_out_ends_the_session(visiting: httpx.AsyncClient) -> None:
    await visiting.post("/logout", data={"word": await word(visiting)})
    assert (await visiting.get("/")).status_code == 303


@pytest.mark.parametrize(("client", "host"), [("10.0.0.7", "localhost"), ("127.0.0.1", "evil.example"), ("x", "::1")])
async def test_the_console_answers_on_this_machine_only(town: Any, client: str, host: str) -> None:
    transport = httpx.ASGITransport(app=town.app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        for url in ("/login", "/", "/console.css"):
            assert (await asking.get(url, headers={"host": host})).status_code == 403


async def test_a_person_is_found_by_any_identifier(visiting: httpx.AsyncClient) -> None:
    form = {"word": await word(visiting), "purpose": "service"}
    for asked in ("Anna.K@example.org", "(202) 555-0143", "9000123", "acc-77", "C-1001", ANNA):
        answer = await visiting.post("/search", data={**form, "q": asked})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/people/{ANNA}?purpose=service")
    answer = await visiting.post("/search", data={**form, "q": "nobody.here@example.org"})
    assert answer.status_code == 404
    assert "nobody.here" not in answer.text
    assert (await visiting.post("/search", data={**form, "q": " "})).status_code == 404


async def test_a_search_says_for_what_and_is_in_the_audit(town: Any, visiting: httpx.AsyncClient) -> None:
    form = {"word": await word(visiting), "q": "anna.k@example.org"}
    unsaid = await visiting.post("/search", data=form)
    assert unsaid.status_code == 422
    assert "Say for what you look" in unsaid.text
    assert (await visiting.post("/search", data={**form, "purpose": "nonsense"})).status_code == 403
    await visiting.post("/search", data={**form, "purpose": "analytics"})
    await visiting.post("/search", data={**form, "q": "nobody@example.org", "purpose": "analytics"})
    town.world.audit.flush()
    assert [(one.purpose, one.decision, one.reads) for one in looks(town.world.database, ANNA)] == [
        ("analytics", "searched", 1)
    ]
    with town.world.database.connect() as connection:
        (row,) = connection.exec_driver_sql("SELECT profile_ids FROM read_audit WHERE decision = 'searched'").all()
    assert row[0] == f"{ANNA} -"


async def test_an_officer_is_led_to_why_somebody_is_closed(town: Any, asking: httpx.AsyncClient) -> None:
    now = town.world.clock()
    town.profiles.denied |= {
        (t, p) for t in town.profiles.headers[BEN]["tokens"] for p in town.world.consents.purposes()
    }
    for name, scopes, status in (("o", {"consent:read", "consent:reasons"}, 303), ("p", {"consent:read"}, 404)):
        key = create_key(town.world.database, name=name, scopes={"console", "profile:read", *scopes},
                         purposes=PURPOSES, at=now)  # fmt: skip
        await asking.post("/login", data={"key": key})
        answer = await asking.get(f"/people/{BEN}?purpose=service")
        assert answer.status_code == status
        assert answer.headers.get("location") == (f"/people/{BEN}/consent" if status == 303 else None)
        assert (await asking.get(f"/people/{HIDDEN}?purpose=service")).status_code == 404


async def test_people_are_found_by_name_as_far_as_a_purpose_may_see_names(
    town: Any, visiting: httpx.AsyncClient
) -> None:
    answer = await visiting.post("/search", data={"word": await word(visiting), "q": "anna kow", "purpose": "service"})
    assert answer.status_code == 200
    assert f'href="/people/{ANNA}?purpose=service"' in answer.text
    assert f"/people/{BEN}" not in answer.text
    town.world.audit.flush()
    assert [look.decision for look in looks(town.world.database, ANNA)] == ["listed"]


async def test_a_page_shows_a_person_with_sources_graph_reasons_and_purposes(visiting: httpx.AsyncClient) -> None:
    page = (await visiting.get(f"/people/{ANNA}")).text
    for part in (
        "Anna Kowalski-Reyes",
        "most recent",
        '<svg class="graph"',
        "+14.0",
        "an identifier alone joins nobody",
        "Personalization",
        "Cheddar, mature",
        "policy.yaml:26",
    ):
        assert part in page
    assert f'href="/people/{BEN}"' in page
    assert "<script" not in page
    assert "style=" not in page


async def test_a_page_is_seen_for_a_purpose(visiting: httpx.AsyncClient) -> None:
    page = (await visiting.get(f"/people/{ANNA}?purpose=personalization")).text
    assert 'aria-current="page">Personalization' in page
    golden = page[page.index('id="golden"') : page.index('id="graph"')]
    assert "14 Elm Street" not in golden
    assert (await visiting.get(f"/people/{ANNA}?purpose=nonsense")).status_code == 403


async def test_a_key_that_may_not_read_the_ledger_is_told_nothing_of_it(town: Any, asking: httpx.AsyncClient) -> None:
    key = create_key(
        town.world.database, name="looker", scopes={"console", "profile:read"}, purposes=PURPOSES, at=town.world.clock()
    )
    town.profiles.denied.update((token, "analytics") for token in town.profiles.headers[ANNA]["tokens"])
    assert (await asking.post("/login", data={"key": key})).status_code == 303
    page = (await asking.get(f"/people/{ANNA}")).text
    assert '<span class="off" title="not published">Analytics</span>' in page
    assert "no consent" not in page
    assert 'id="consent"' not in page


async def test_names_that_hold_markup_stay_text(town: Any, visiting: httpx.AsyncClient) -> None:
    for (_, profile_id), view in town.profiles.views.items():
        if profile_id == ANNA:
            view["attributes"] |= {"given_name": MARKUP, "city": MARKUP}
            view["traits"]["favourite_shop"] = [MARKUP]
    for record in town.profiles.graphs[ANNA]["records"]:
        record["attributes"] = {"full_name": MARKUP}
    for entry in town.profiles.timelines[ANNA]:
        entry["details"] = {"page": MARKUP}
    page = (await visiting.get(f"/people/{ANNA}?events=all")).text
    assert page.count("&lt;script&gt;") > 10
    assert "<script" not in page
    assert MARKUP not in page


async def test_pages_follow_merged_and_split_ids(visiting: httpx.AsyncClient) -> None:
    merged = await visiting.get(f"/people/{MERGED}")
    assert (merged.status_code, merged.headers["location"]) == (308, f"/people/{ANNA}")
    split = await visiting.get(f"/people/{SPLIT}")
    assert split.status_code == 300
    assert ANNA in split.text
    assert BEN in split.text
    assert (await visiting.get(f"/people/{HIDDEN}")).status_code == 404
    assert (await visiting.get("/people/somebody@example.org")).status_code == 404


async def test_a_look_at_a_page_is_in_the_audit(town: Any, visiting: httpx.AsyncClient) -> None:
    await visiting.get(f"/people/{CORA}")
    town.world.audit.flush()
    assert {(look.purpose, look.decision) for look in looks(town.world.database, CORA)} == {
        ("identity_resolution", "console"),
        ("service", "console"),
    }


async def test_the_timeline_is_short_until_all_is_asked_for(visiting: httpx.AsyncClient, town: Any) -> None:
    town.profiles.timelines[ANNA] = town.profiles.timelines[ANNA] * 2
    short = (await visiting.get(f"/people/{ANNA}")).text
    assert short.count("<time ") == 30
    assert "Show all 50" in short
    assert (await visiting.get(f"/people/{ANNA}?events=all")).text.count("<time ") == 50


async def test_what_a_person_said_is_recorded_and_obeyed(town: Any, visiting: httpx.AsyncClient) -> None:
    page = (await visiting.get(f"/people/{ANNA}")).text
    token = next(t for t in re.findall(r'<option value="(1:[0-9a-f]{64})"', page))
    form = {"word": await word(visiting), "identifier": token, "purpose": "email_marketing", "action": "withdrawn"}
    answer = await visiting.post(f"/people/{ANNA}/consent", data=form)
    assert answer.status_code == 303
    assert town.consents.ledger[0]["mechanism"] == "operator"
    page = (await visiting.get(answer.headers["location"])).text
    assert "Recorded." in page
    assert '<span class="off" title="no consent">Email marketing</span>' in page


@pytest.mark.parametrize(
    "change", [{"word": "0" * 64}, {"word": ""}, {"identifier": "1:" + "0" * 64}, {"action": "given away"}]
)
async def test_a_forged_or_broken_form_records_nothing(
    town: Any, visiting: httpx.AsyncClient, change: dict[str, str]
) -> None:
    page = (await visiting.get(f"/people/{ANNA}")).text
    token = next(t for t in re.findall(r'<option value="(1:[0-9a-f]{64})"', page))
    form = {"word": await word(visiting), "identifier": token, "purpose": "service", "action": "refused"}
    answer = await visiting.post(f"/people/{ANNA}/consent", data={**form, **change})
    assert answer.status_code in {403, 422}
    elsewhere = await visiting.post(f"/people/{ANNA}/consent", data=form, headers={"sec-fetch-site": "cross-site"})
    assert elsewhere.status_code == 403
    assert not town.consents.ledger


async def test_pages_run_no_script_and_load_nothing_from_elsewhere(visiting: httpx.AsyncClient) -> None:
    answer = await visiting.get(f"/people/{ANNA}")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    outside = re.findall(r'(?:src|href)="(https?:)?//[^"]+"', answer.text)
    assert not outside


async def test_the_style_sheet_is_sent_once(visiting: httpx.AsyncClient) -> None:
    first = await visiting.get("/console.css")
    again = await visiting.get("/console.css", headers={"if-none-match": first.headers["etag"]})
    assert (first.headers["content-type"], again.status_code) == ("text/css; charset=utf-8", 304)


def test_a_session_ends_and_cannot_be_made_up(town: Any) -> None:
    key, now = signing_key(b"secret" * 8), town.world.clock()
    cookie = sealed(key, "abc", now)
    session = opened(key, cookie, now)
    assert session is not None
    assert session.key_id == "abc"
    assert opened(key, cookie, now + LIFETIME + timedelta(seconds=1)) is None
    assert opened(signing_key(b"other" * 8), cookie, now) is None
    for spoilt in (None, "", "!!", cookie[:-4], ("B" if cookie[0] == "A" else "A") + cookie[1:], "é"):
        assert opened(key, spoilt, now) is None


def test_a_picture_is_the_same_every_time_and_nothing_lies_over_another() -> None:
    nodes = [f"n{i}" for i in range(14)]
    pulls = dict.fromkeys(itertools.pairwise(nodes), 1.0)
    box = Box(1140, 570, 148, 40, gap_x=20, gap_y=10)
    placed = positions(nodes, pulls, box)
    assert placed == positions(nodes, pulls, box)
    spots = list(placed.values())
    for place, (x, y) in enumerate(spots):
        assert 74 <= x <= 1140 - 74
        assert 20 <= y <= 570 - 20
        assert all(abs(x - a) >= 147 or abs(y - b) >= 39 for a, b in spots[place + 1 :])
    assert positions([], {}, box) == {}
    assert positions(["one"], {}, box) == {"one": (570, 285)}


def test_codes_become_words() -> None:
    assert words.label("orders_90d") == "Orders in 90 days"
    assert words.bits(-4.25) == "\N{MINUS SIGN}4.2"
    assert words.percent(0.99999) == "99.9 %"
    assert words.percent(1) == "100 %"
    assert words.why_not("limit:customer") == "one person may not have so many of: customer"
    assert words.why_not("some_new_rule") == "some new rule"
    assert words.money("no number") == "no number"
    assert words.day("not a day") == ""
    assert words.plural(1, "record") == "1 record"


async def test_an_officer_sees_what_was_allowed_when_and_on_which_word(town: Any, asking: httpx.AsyncClient) -> None:
    scopes = {"console", "profile:read", "consent:read", "consent:write", "consent:reasons"}
    now = town.world.clock()
    key = create_key(town.world.database, name="officer", scopes=scopes, purposes=PURPOSES, at=now)
    await asking.post("/login", data={"key": key})
    assert f'href="/people/{ANNA}/consent"' in (await asking.get(f"/people/{ANNA}")).text
    said = {
        "identifier": {"type": "email", "value": "anna.k@example.org"},
        "purpose": "analytics",
        "action": "objected",
    }
    await asking.post("/v1/consent", json={**said, "mechanism": "centre"}, headers=town.bearer("officer"))
    page = (await asking.get(f"/people/{ANNA}/consent")).text
    assert "Objected" in page
    assert "e000001" in page
    before = (await asking.get(f"/people/{ANNA}/consent?at=2026-01-01T00:00")).text
    assert "Nothing had been said" in before
    assert "1 Jan 2026, 00:00" in before
    assert (await asking.get(f"/people/{ANNA}/consent?at=yesterday")).status_code == 200
    assert (await asking.get(f"/people/{HIDDEN}/consent")).status_code == 404
    assert (await asking.get("/people/anna@example.org/consent")).status_code == 404
    town.world.audit.flush()
    assert ("consent", "console") in {(look.purpose, look.decision) for look in looks(town.world.database, ANNA)}


async def test_reasons_and_words_are_for_officers(visiting: httpx.AsyncClient) -> None:
    assert f'/people/{ANNA}/consent">' not in (await visiting.get(f"/people/{ANNA}")).text
    assert (await visiting.get(f"/people/{ANNA}/consent")).status_code == 403
