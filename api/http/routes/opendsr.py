"""OpenDSR 2.0, word for word: discovery, requests, status, cancellation; every answer is signed over its raw bytes."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.http.errors import BackendMissing
from api.http.privacy.office import Office
from api.http.problems import status_of
from api.http.routes.doors import WorldDep
from api.http.routes.privacy import Controller, handed_out, office_of
from api.http.world import World
from consent.requests import judge
from consent.requests.config import OpenDsrConfig
from consent.requests.desk import by_external
from consent.requests.errors import NotNow
from consent.requests.model import following, opendsr
from consent.requests.opendsr import wire
from consent.requests.opendsr.acknowledged import acknowledge
from consent.requests.opendsr.signing import DOMAIN, LEGACY, SIGNATURE, Forged, Seal, Trust
from infra.errors import KindredError, Malformed

router = APIRouter(tags=["opendsr"], include_in_schema=False)
_PEM = "application/x-pem-file"
# The routes of OpenGDPR, which everybody has to honour still (10.1), beside those of OpenDSR.
_REQUESTS = ("/v2/requests", "/opengdpr_requests", "/v1/opengdpr_requests")
CALLBACKS = "/v2/callbacks"


def _routes(method: str, *paths: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        for path in paths:
            router.add_api_route(path, endpoint, methods=[method], response_model=None)
        return endpoint

    return add


@_routes("GET", "/v2/discovery", "/discovery", "/v1/discovery")
async def discovery(http: HttpRequest, world: WorldDep) -> Response:
    """Tell what we support; it names nobody and asks for no key."""
    office, config, seal, _ = _party(world)
    return _signed(http, seal, 200, wire.discovery(config, office.digests()))


@_routes("GET", "/v2/certificate.pem")
async def certificate(world: WorldDep) -> Response:
    """Return the certificate by which our signatures are checked."""
    _, _, seal, _ = _party(world)
    return Response(seal.certificate, media_type=_PEM)


@_routes("POST", *_REQUESTS)
async def create(http: HttpRequest, world: WorldDep, caller: Controller) -> Response:
    """Take a controller's request down; the controller has made sure who asks."""
    office, config, seal, _ = _party(world)
    raw = await http.body()

    def act() -> tuple[int, dict[str, Any]]:
        office_of(world, caller)
        body = wire.submitted(raw)
        asked = wire.wish(body, config, office.known, office.digests(), actor=f"key:{caller.key_id}")
        request = office.take(asked, world.clock())
        return 201, wire.created(request, caller.key_id, raw)

    return await _answered(http, seal, act)


@_routes("GET", *(f"{path}/{{subject_request_id}}" for path in _REQUESTS))
async def status(subject_request_id: str, http: HttpRequest, world: WorldDep, caller: Controller) -> Response:
    """Tell a controller where its request stands; others' requests are as unknown as those that never were."""
    office, _, seal, _ = _party(world)

    def act() -> tuple[int, dict[str, Any]]:
        office_of(world, caller)
        return 200, office.status(by_external(office.desk, f"key:{caller.key_id}", subject_request_id))

    return await _answered(http, seal, act)


@_routes("GET", *(f"{path}/{{subject_request_id}}/results" for path in _REQUESTS))
async def results(subject_request_id: str, http: HttpRequest, world: WorldDep, caller: Controller) -> Response:
    """Hand out the answer to a request for access or portability, to the controller that made it."""
    office, _, seal, _ = _party(world)
    actor = f"key:{caller.key_id}"

    def act() -> Response:
        office_of(world, caller)
        found = by_external(office.desk, actor, subject_request_id)
        answer = handed_out(office, found.id, world.clock(), actor, packed=False)
        answer.headers.update(seal.headers(bytes(answer.body), legacy="opengdpr" in http.url.path))
        return answer

    try:
        return await run_in_threadpool(act)
    except KindredError as error:
        if (code := status_of(error)) >= 500:
            raise
        return _signed(http, seal, code, wire.failure(code, str(error)))


@_routes("DELETE", *(f"{path}/{{subject_request_id}}" for path in _REQUESTS))
async def cancel(subject_request_id: str, http: HttpRequest, world: WorldDep, caller: Controller) -> Response:
    """Take a request back while it is pending."""
    office, _, seal, _ = _party(world)

    def act() -> tuple[int, dict[str, Any]]:
        office_of(world, caller)
        actor, now = f"key:{caller.key_id}", world.clock()
        found = by_external(office.desk, actor, subject_request_id)
        if opendsr(found.right, found.status) not in {"pending", "cancelled"}:
            raise NotNow(found.status, "cancelled", following(found.right, found.status, found.resumes))
        return 202, wire.cancelled(judge.cancel(office.desk, found.id, at=now, actor=actor), caller.key_id, now)

    return await _answered(http, seal, act)


@_routes("POST", CALLBACKS)
async def called_back(http: HttpRequest, world: WorldDep) -> Response:
    """Hear what a processor says of a request that we passed on: 202, or 403 for whatever is not surely theirs."""
    office, config, _, trust = _party(world)
    raw = await http.body()

    def said(name: str) -> str | None:
        return http.headers.get(name) or http.headers.get(LEGACY[name])

    def act() -> None:
        acknowledge(
            office.desk,
            trust,
            raw,
            domain=said(DOMAIN),
            signature=said(SIGNATURE),
            own_url=f"https://{config.domain}{CALLBACKS}",
            at=world.clock(),
        )

    try:
        await run_in_threadpool(act)
    except Forged as error:
        return Response(orjson.dumps(wire.failure(403, str(error))), 403, media_type="application/json")
    return Response(status_code=202)


def _party(world: World) -> tuple[Office, OpenDsrConfig, Seal, Trust]:
    office = world.privacy
    if office is None or office.seal is None or office.trust is None or office.desk.config.opendsr is None:
        raise BackendMissing("OpenDSR; `kindred check` says what its section in consent/requests.yaml lacks")
    return office, office.desk.config.opendsr, office.seal, office.trust


async def _answered(http: HttpRequest, seal: Seal, act: Callable[[], tuple[int, dict[str, Any]]]) -> Response:
    try:
        code, document = await run_in_threadpool(act)
    except wire.Unfit as error:
        code, document = 400, wire.failure(400, str(error), error.errors)
    except NotNow:
        code, document = 409, wire.failure(409, "only a pending request can be cancelled")
    except KindredError as error:
        code = 400 if isinstance(error, Malformed) else status_of(error)
        if code >= 500:
            raise
        document = wire.failure(code, str(error))
    return _signed(http, seal, code, document)


def _signed(http: HttpRequest, seal: Seal, code: int, document: Mapping[str, Any]) -> Response:
    raw = orjson.dumps(document)
    legacy = "opengdpr" in http.url.path
    headers = {"cache-control": "no-store", **seal.headers(raw, legacy=legacy)}
    return Response(raw, code, headers=headers, media_type="application/json")
