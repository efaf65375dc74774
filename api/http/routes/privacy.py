"""Privacy requests in our own words: take down, prove, judge, follow."""

from collections import Counter
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.http import examples
from api.http.errors import BackendMissing, ScopeRefused
from api.http.keys import Credential
from api.http.privacy.models import (
    ApproveIn,
    ClocksOut,
    ExtendIn,
    PrivacyRequestIn,
    PrivacyRequestOut,
    ProofIn,
    RefuseIn,
    RequestReceiptOut,
    RequestsOut,
    RequestStepsOut,
)
from api.http.privacy.office import Office
from api.http.routes.doors import WorldDep, needs, problems
from api.http.world import World
from consent.requests import intake, judge, outbox, prove
from consent.requests.clocks import clocks
from consent.requests.deadlines import ALARMS
from consent.requests.desk import get, listed, steps
from consent.requests.model import Request, Wish

READ, WRITE = "privacy:read", "privacy:write"
router = APIRouter(tags=["privacy"])
Reader = Annotated[Credential, Depends(needs(READ))]
Writer = Annotated[Credential, Depends(needs(WRITE))]
RequestId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="the request's id")]


@router.post(
    "/v1/privacy/requests",
    status_code=202,
    response_model=RequestReceiptOut,
    responses=problems(),
    summary="Take a request down",
)
async def take(
    asked: Annotated[PrivacyRequestIn, Body(openapi_examples=examples.PRIVACY_REQUEST)], world: WorldDep, caller: Writer
) -> Any:
    """Take down what a person asks for and answer with a receipt: the same for everybody, for nobody is looked up."""
    office, now = office_of(world, caller), world.clock()
    details: dict[str, Any] = {"purposes": sorted(asked.purposes)} if asked.purposes else {}
    wish = Wish(
        right=asked.right,
        identifiers=tuple(dict.fromkeys(office.known(one.type, one.value) for one in asked.identifiers)),
        received_at=asked.received_at or now,
        actor=f"key:{caller.key_id}",
        channel="http",
        regulation=asked.regulation,
        jurisdiction=asked.jurisdiction,
        asked_by=asked.asked_by,
        external_id=asked.external_id,
        details=details | ({"lift": True} if asked.lift else {}),
        sealed={"corrections": asked.corrections} if asked.corrections else {},
    )
    return intake.receipt(await run_in_threadpool(office.take, wish, now))


@router.get(
    "/v1/privacy/requests", response_model=RequestsOut, responses=problems(body=False), summary="What is asked of us"
)
async def every(
    world: WorldDep,
    caller: Reader,
    all_: Annotated[bool, Query(alias="all", description="those that have ended, too")] = False,  # noqa: FBT002
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Any:
    """List requests, the most urgent first: kinds of identifiers, no values."""
    office, now = office_of(world, caller), world.clock()
    found = await run_in_threadpool(listed, office.desk, every=all_, limit=limit)
    return {"requests": [told(one, now) for one in found]}


@router.get(
    "/v1/privacy/clocks",
    response_model=ClocksOut,
    responses=problems(body=False, asked=False),
    summary="Which clocks ring?",
)
async def ringing(world: WorldDep, caller: Reader) -> Any:
    """Count open requests by how much of their time has gone; for alarms, whatever else the server does."""
    office, now = office_of(world, caller), world.clock()
    counted = Counter(clock.alarm for clock in await run_in_threadpool(office.clocks, now))
    left = await run_in_threadpool(outbox.waiting, office.desk)
    return {"at": now, "alarms": {name: counted[name] for name in ALARMS}, "outbox": left}


@router.get(
    "/v1/privacy/requests/{request_id}",
    response_model=RequestStepsOut,
    responses=problems(404, body=False),
    summary="One request",
)
async def show(request_id: RequestId, world: WorldDep, caller: Reader) -> Any:
    """Show where a request stands and every step it took."""
    office = office_of(world, caller)
    found = await run_in_threadpool(get, office.desk, request_id)
    taken = await run_in_threadpool(steps, office.desk, request_id)
    rows = [{f.name: getattr(step, f.name) for f in fields(step)} for step in taken]
    return told(found, world.clock()) | {"steps": rows}


@router.get(
    "/v1/privacy/requests/{request_id}/export",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "application/zip": {}}}, **problems(404, body=False)},
    summary="The answer to a request for access or portability",
)
async def export(
    request_id: RequestId,
    world: WorldDep,
    caller: Reader,
    packed: Annotated[bool, Query(alias="zip", description="with a CSV for each table")] = False,  # noqa: FBT002
) -> Response:
    """Put the answer together and hand it out, for the person and nobody else; nothing of it is kept here."""
    office, actor = office_of(world, caller), f"key:{caller.key_id}"
    return await run_in_threadpool(handed_out, office, request_id, world.clock(), actor, packed=packed)


@router.post(
    "/v1/privacy/requests/{request_id}:verify",
    response_model=RequestReceiptOut,
    responses=problems(),  # no 404: what proves nothing is told alike, whether there is such a request or not
    summary="Bring a proof back",
)
async def verify(request_id: RequestId, asked: ProofIn, world: WorldDep, caller: Writer) -> Any:
    """Take a proof that was sent to an identifier; whatever does not hold is refused with the same words."""
    office = office_of(world, caller)
    found = await run_in_threadpool(prove.answer, office.desk, request_id, asked.proof, at=world.clock())
    return intake.receipt(found)


@router.post(
    "/v1/privacy/requests/{request_id}:approve",
    response_model=PrivacyRequestOut,
    responses=problems(404, 409),
    summary="Accept a request",
)
async def approve(request_id: RequestId, asked: ApproveIn, world: WorldDep, caller: Writer) -> Any:
    """Accept a request whose person is verified; where four eyes are asked for, with another key than opened it."""
    office, now = office_of(world, caller, judges=True), world.clock()
    actor = f"key:{caller.key_id}"
    found = await run_in_threadpool(judge.approve, office.desk, request_id, at=now, actor=actor, anyway=asked.anyway)
    return told(found, now)


@router.post(
    "/v1/privacy/requests/{request_id}:refuse",
    response_model=PrivacyRequestOut,
    responses=problems(404),
    summary="Refuse a request",
)
async def refuse(request_id: RequestId, asked: RefuseIn, world: WorldDep, caller: Writer) -> Any:
    """Refuse a request on a ground that its right knows."""
    office, now = office_of(world, caller, judges=True), world.clock()
    actor = f"key:{caller.key_id}"
    return told(await run_in_threadpool(judge.refuse, office.desk, request_id, asked.ground, at=now, actor=actor), now)


@router.post(
    "/v1/privacy/requests/{request_id}:extend",
    response_model=PrivacyRequestOut,
    responses=problems(404),
    summary="Take longer",
)
async def extend(request_id: RequestId, asked: ExtendIn, world: WorldDep, caller: Writer) -> Any:
    """Lengthen the time as far as the law lets it, once and in time."""
    office, now = office_of(world, caller, judges=True), world.clock()
    actor = f"key:{caller.key_id}"
    return told(await run_in_threadpool(judge.extend, office.desk, request_id, asked.reason, at=now, actor=actor), now)


@router.post(
    "/v1/privacy/requests/{request_id}:cancel",
    response_model=PrivacyRequestOut,
    responses=problems(404, body=False),
    summary="Take a request back",
)
async def cancel(request_id: RequestId, world: WorldDep, caller: Writer) -> Any:
    """Take a request back: an erasure only before it is frozen. A key that may only write takes back its own."""
    office, now, actor = office_of(world, caller), world.clock(), f"key:{caller.key_id}"
    if not caller.may(READ):
        await run_in_threadpool(get, office.desk, request_id, opened_by=actor)
    return told(await run_in_threadpool(judge.cancel, office.desk, request_id, at=now, actor=actor), now)


def office_of(world: World, caller: Credential, *, judges: bool = False) -> Office:
    """Return the office, for a caller that does not hurry; who judges must be able to read as well."""
    if world.privacy is None:
        raise BackendMissing("privacy requests; its workspace has no KINDRED_SUBJECT_KEY")
    if judges and not caller.may(READ):
        raise ScopeRefused(READ)
    world.privacy.slowly(caller.key_id)
    return world.privacy


def handed_out(office: Office, request_id: str, at: datetime, actor: str, *, packed: bool) -> Response:
    """Return an answer as a file; its name is the request's, never a person's."""
    content = office.answers.handed_out(request_id, at=at, actor=actor, packed=packed)
    kind, end = ("application/zip", "zip") if packed else ("application/json", "json")
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{request_id}.{end}"'}
    return Response(content, media_type=kind, headers=headers)


async def _vouching(caller: Writer) -> Credential:
    # Who may ask for anybody without a proof, and fetch the answer, is trusted with everybody's data.
    if not caller.may(READ):
        raise ScopeRefused(READ)
    return caller


Controller = Annotated[Credential, Depends(_vouching)]


def told(found: Request, now: datetime) -> dict[str, Any]:
    """Return a request as data, with its clock."""
    (clock, *_) = clocks([found], now) or (None,)
    facts = {f.name: getattr(found, f.name) for f in fields(found)}
    return facts | {"alarm": clock and clock.alarm, "days_left": clock and clock.days_left}
