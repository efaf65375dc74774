"""One table: for each operation of the document a request that is answered well, and one for each of its own refusals.

What any operation may answer (no key, too slow, too large, …) is brought about for all of them alike.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx
from serving_world import email, profile_id
from whole_shop import TASK, UNREAD, Ask, WholeShop, proof_of, request_of, stalled, verified

from api.http.collector.paths import PATHS, SETTINGS, Path
from infra.clock import system_clock

Asked = Ask | Callable[[WholeShop], Awaitable[Ask]]
Shown = Callable[[WholeShop], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Case:
    """How an operation is asked: well, and for each status that is its own."""

    well: Asked
    own: Mapping[int, Asked] = field(default_factory=dict)
    shown: Mapping[int, Shown] = field(default_factory=dict)


def post(path: str, body: Any, **more: Any) -> Ask:
    return Ask("POST", path, body, **more)


def get(path: str, **more: Any) -> Ask:
    return Ask("GET", path, **more)


def someone(number: int = 1) -> dict[str, str]:
    return {"type": "email", "value": email(number)}


NOBODY: Final = {"type": "email", "value": "nobody@example.net"}
NO_ID, NO_TASK = "e" * 32, "9" * 16
BAD: Final = {"nonsense": True}


def on(verb: str, body: Any, *, wrong: Any = BAD, kind: str = "access", seen: bool = False) -> Case:
    """Return the case of what is done with a privacy request, each time with one of its own."""

    async def well(shop: WholeShop) -> Ask:
        made = await (verified if seen else request_of)(shop, shop.stranger(), kind)
        return post(f"/v1/privacy/requests/{made}:{verb}", body)

    own: dict[int, Asked] = {
        404: post(f"/v1/privacy/requests/{NO_ID}:{verb}", body),
        422: post(f"/v1/privacy/requests/{NO_ID}:{verb}", wrong),
    }
    return Case(well, own)


async def _proved(shop: WholeShop) -> Ask:
    made = await request_of(shop, shop.stranger())
    return post(f"/v1/privacy/requests/{made}:verify", {"proof": await proof_of(shop, made)})


async def _export(shop: WholeShop) -> Ask:
    made = await verified(shop, shop.stranger())
    assert shop.world.privacy is not None
    shop.world.privacy.once(system_clock())
    return get(f"/v1/privacy/requests/{made}/export")


async def _one(shop: WholeShop) -> Ask:
    return get(f"/v1/privacy/requests/{await request_of(shop, shop.stranger())}")


async def _spoiling(shop: WholeShop) -> Ask:
    number = shop.stranger()
    await verified(shop, number, "access")
    return post(f"/v1/privacy/requests/{await verified(shop, number, 'erasure')}:approve", {})


async def _receipt(shop: WholeShop) -> Ask:
    said = {"identifier": someone(7), "purpose": "service", "action": "withdrawn", "mechanism": "centre"}
    entry = (await shop.send(post("/v1/consent", said))).json()["id"]
    shop.seal()
    return get(f"/v1/consent/{entry}/receipt")


async def _sealed(shop: WholeShop) -> Ask:
    heads = (await shop.send(await _heads(shop))).json()["heads"]
    return post("/v1/consent:consistency", {"first": heads[-1]["size"]})


async def _heads(shop: WholeShop) -> Ask:
    await _receipt(shop)
    return get("/v1/consent/heads")


async def _slip(shop: WholeShop) -> Ask:
    wish = {"identifier": someone(8), "purpose": "email_marketing"}
    slip = (await shop.send(post("/v1/consent:request", wish))).json()["token"]
    return post("/v1/consent:confirm", {"token": slip})


async def _event(shop: WholeShop) -> Ask:
    event = {"userId": "u-1", "event": "Seen", "messageId": "m-1"}
    # as an SDK does: a disk that was slow once lets nothing in until it is quicker
    async with asyncio.timeout(60):
        while (answer := await shop.send(post("/v1/track", event, who="web"))).status_code == 503:  # noqa: ASYNC110 - a disk tells no loop
            await asyncio.sleep(0.2)
    assert answer.status_code == 200
    return post("/v1/verdicts:lookup", {"key": "m-1"})


async def _acknowledged(shop: WholeShop) -> Ask:
    return post("/v1/changes/acknowledgements", {"purpose": "service", "through": shop.place()})


async def _unheard(shop: WholeShop) -> Ask:
    return get(f"/v1/changes?purpose=service&since={shop.place(beyond=99)}")


async def _unheard_of(shop: WholeShop) -> Ask:
    return post("/v1/changes/acknowledgements", {"purpose": "service", "through": shop.place(beyond=99)})


async def _no_signals(shop: WholeShop) -> httpx.Response:
    return await shop.send(get("/.well-known/gpc.json"), replace(shop.world, signals=None))


async def _not_ready(shop: WholeShop) -> httpx.Response:
    return await shop.send(get("/readyz"), shop.without_database)


def features(people: list[Any], name: str = "basket", purpose: str = "personalization") -> Ask:
    return post("/v1/features", {"feature_set": name, "purpose": purpose, "people": people})


def why(path: str, other: dict[str, str]) -> Ask:
    return post(path, {"a": someone(15), "b": other, "purpose": "service"})


def said(path: str, body: Any) -> Case:
    return Case(post(path, body), {422: post(path, BAD)})


HISTORY: Final = "/v1/profiles/{}/history?purpose=service"
CHANGES: Final = "/v1/changes?purpose=service"
ACKNOWLEDGED: Final = "/v1/changes/acknowledgements"
_WITHDRAWN: Final = {"identifier": someone(2), "purpose": "analytics", "action": "withdrawn", "mechanism": "centre"}
_SAME = {"answer": "skip", "reason": "papers are on their way"}
CASES: Final[dict[str, Case]] = {
    "listChanges": Case(
        get(CHANGES), {400: get(f"{CHANGES}&since=nonsense"), 410: _unheard, 422: get(f"{CHANGES}&limit=0")}
    ),
    "confirmChanges": Case(_acknowledged, {410: _unheard_of, 422: post(ACKNOWLEDGED, BAD)}),
    "listVersions": Case(
        get(HISTORY.format(profile_id(9))),
        {404: get(HISTORY.format(NO_ID)), 422: get(HISTORY.format(NO_ID) + "%20")},
    ),
    "readFeatures": Case(features([someone()]), {404: features([someone()], "none_such"), 422: features([])}),
    "explainMatch": Case(
        why("/v1/identity:why", someone(16)),
        {404: why("/v1/identity:why", NOBODY), 422: post("/v1/identity:why", BAD)},
    ),
    "explainNoMatch": Case(
        why("/v1/identity:whyNot", someone(15)),
        {404: why("/v1/identity:whyNot", NOBODY), 422: post("/v1/identity:whyNot", BAD)},
    ),
    "listQuestions": Case(get("/v1/review"), {422: get("/v1/review?limit=0")}),
    "getQuestion": Case(
        get(f"/v1/review/{TASK}"), {404: get(f"/v1/review/{NO_TASK}"), 422: get("/v1/review/nonsense")}
    ),
    "decideQuestion": Case(
        post(f"/v1/review/{TASK}:decide", _SAME),
        {404: post(f"/v1/review/{NO_TASK}:decide", _SAME), 422: post(f"/v1/review/{TASK}:decide", BAD)},
    ),
    "recordConsent": said("/v1/consent", _WITHDRAWN),
    "listConsents": said("/v1/consent:show", {"identifier": someone()}),
    "decideConsent": said("/v1/consent:decide", {"identifier": someone(), "purpose": "service"}),
    "listHeads": Case(_heads, {422: get("/v1/consent/heads?limit=0")}),
    "getReceipt": Case(_receipt, {404: get(f"/v1/consent/{NO_ID}/receipt"), 422: get("/v1/consent/nonsense/receipt")}),
    "listReceipts": said("/v1/consent:receipts", {"identifier": someone()}),
    "proveConsistency": Case(_sealed, {422: post("/v1/consent:consistency", BAD)}),
    "signalConsent": said("/v1/consent:signal", {"identifiers": [someone(2)], "gpc": True}),
    "requestConsent": said("/v1/consent:request", {"identifier": someone(8), "purpose": "email_marketing"}),
    "confirmConsent": Case(
        _slip, {404: post("/v1/consent:confirm", {"token": "nonsense"}), 422: post("/v1/consent:confirm", BAD)}
    ),
    "getGpcSupport": Case(get("/.well-known/gpc.json", who=""), shown={503: _no_signals}),
    "signPreferenceLink": said("/v1/preferences:link", {"identifier": someone()}),
    "takePrivacyRequest": said("/v1/privacy/requests", {"right": "access", "identifiers": [someone(9)]}),
    "listPrivacyRequests": Case(get("/v1/privacy/requests"), {422: get("/v1/privacy/requests?limit=0")}),
    "countPrivacyClocks": Case(get("/v1/privacy/clocks")),
    "getPrivacyRequest": Case(
        _one, {404: get(f"/v1/privacy/requests/{NO_ID}"), 422: get("/v1/privacy/requests/nonsense")}
    ),
    "exportPrivacyRequest": Case(
        _export,
        {404: get(f"/v1/privacy/requests/{NO_ID}/export"), 422: get("/v1/privacy/requests/nonsense/export")},
    ),
    "verifyPrivacyRequest": replace(on("verify", {"proof": "x"}), well=_proved),
    "approvePrivacyRequest": on("approve", {}, seen=True, kind="rectification"),
    "refusePrivacyRequest": on("refuse", {"ground": "legal_obligation"}, kind="erasure"),
    "extendPrivacyRequest": on("extend", {"reason": "complexity"}),
    "cancelPrivacyRequest": on("cancel", None),
    "decide": Case(
        post("/v1/decide", {"identifier": someone()}),
        {404: post("/v1/decide", {"decision": "none_such"}), 422: post("/v1/decide", BAD)},
    ),
    "lookupVerdicts": Case(
        _event, {404: post("/v1/verdicts:lookup", {"key": "never-sent"}), 422: post("/v1/verdicts:lookup", BAD)}
    ),
    "listSources": Case(get("/v1/sources")),
    "getHealth": Case(get("/healthz", who="")),
    "getReadiness": Case(get("/readyz?part=collector", who=""), {422: get("/readyz?part=nonsense")}, {503: _not_ready}),
    "getMetrics": Case(get("/metrics")),
}
_NO_BODY = {**CASES["cancelPrivacyRequest"].own, 422: post("/v1/privacy/requests/nonsense:cancel", None)}
CASES["cancelPrivacyRequest"] = replace(CASES["cancelPrivacyRequest"], own=_NO_BODY)
CASES["approvePrivacyRequest"] = replace(
    CASES["approvePrivacyRequest"], own={**CASES["approvePrivacyRequest"].own, 409: _spoiling}
)
EVENT: Final = {"type": "track", "userId": "u-1", "event": "Seen", "messageId": "m-2"}


def collecting(path: Path, key: str) -> Case:
    """Return the case of one of the collector's addresses."""
    address = path.template.replace("{key}", key)
    if path.form == "settings":
        return Case(get(address, who=""))
    if path.form == "pixel":
        return Case(get(f"{address}?userId=u-1&event=Seen", who="web"), {400: get(f"{address}?data=%21", who="web")})
    body = {"batch": [EVENT]} if path.kind is None and path.form in ("events", "beacon") else EVENT
    spoiled = {"content-encoding": "gzip"}
    unread = post(address, b"no gzip", who="web", headers=spoiled)
    unknown = post(address, b"x", who="web", headers={"content-encoding": "br"})
    return Case(post(address, body, who="web"), {400: unread, 415: unknown})


COLLECTED: Final = {path.template: path for path in (*PATHS.values(), *SETTINGS)}


async def shown(shop: WholeShop, case: Case, status: int) -> httpx.Response:
    """Return the answer to a request that should have this status."""
    if status in case.shown:
        return await case.shown[status](shop)
    asked = case.own.get(status, case.well)
    one = asked if isinstance(asked, Ask) else await asked(shop)
    if status < 300 or status in case.own:
        return await shop.send(one)
    return await _any(shop, one, status)


async def _any(shop: WholeShop, one: Ask, status: int) -> httpx.Response:
    """Return the answer where what is wrong is wrong with any operation."""
    if status == 429:
        await shop.send(one, shop.hurried())
        return await shop.send(one, shop.hurried(again=True))
    if status in (408, 500, 503):
        world = {408: shop.impatient, 500: shop.broken, 503: shop.without_database}[status]
        return await shop.send(one, world, stalled() if status == 408 else None)
    return await shop.send(_SPOILED[status](one))


def _unknown(one: Ask) -> Ask:
    path = re.sub(r"/kd_[^/]+/", "/kd_unknown/", one.path)  # where the key stands in it
    return replace(one, path=path, who="", headers={**one.headers, "authorization": "Basic a2Rfbm9uZTo="})


_SPOILED: Final[Mapping[int, Callable[[Ask], Ask]]] = {
    400: lambda one: replace(one, body=UNREAD),
    401: _unknown,
    403: lambda one: replace(one, who="stranger"),
    405: lambda one: replace(one, method="PUT"),
    413: lambda one: replace(one, body=b"x" * 600_000),
}
