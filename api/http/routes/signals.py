"""Signals of consent by program, yeses confirmed by mail, and what browsers ask about the wish that they send."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from starlette.concurrency import run_in_threadpool

from api.http import examples
from api.http.errors import BackendMissing
from api.http.keys import Credential
from api.http.models import ReceiptOut
from api.http.ports import Heard, OptIn, Signalling
from api.http.routes.doors import WorldDep, needs, problems
from api.http.signalled import ConfirmIn, OptInIn, OptInOut, SignalIn, SignalOut, SupportOut
from api.http.world import World
from consent.signals.hear import SEC_GPC, wished
from infra.ids import Purpose

router = APIRouter(tags=["consent"])
Writer = Annotated[Credential, Depends(needs("consent:write"))]
SignalAsked = Annotated[SignalIn, Body(openapi_examples=examples.SIGNAL)]
RequestAsked = Annotated[OptInIn, Body(openapi_examples=examples.OPT_IN)]
ConfirmAsked = Annotated[ConfirmIn, Body(openapi_examples=examples.CONFIRM)]


@router.post(
    "/v1/consent:signal", response_model=SignalOut, responses=problems(), summary="Hand on what a visit signals"
)
async def signal(asked: SignalAsked, request: Request, world: WorldDep, _caller: Writer) -> Any:
    """Keep what is new. When this answers, it is durable and every read obeys what it denies.

    Hand on the visitor's own header `Sec-GPC`, or say `gpc`. What cannot be read is no consent and no error.
    """
    now = world.clock()
    heard = Heard(
        identifiers=tuple(world.tongue.known(one.type, one.value) for one in asked.identifiers),
        gpc=asked.gpc or wished(request.headers.getlist(SEC_GPC.decode())),
        at=asked.occurred_at or now,
        received_at=now,
        tcf=asked.tcf,
        gpp=asked.gpp,
        categories=asked.categories,
        jurisdiction=asked.jurisdiction,
    )
    return await run_in_threadpool(_signals(world).signal, heard)


@router.post(
    "/v1/consent:request", response_model=OptInOut, responses=problems(), summary="Ask for a yes to be confirmed"
)
async def request_consent(asked: RequestAsked, world: WorldDep, caller: Writer) -> Any:
    """Return a signed slip for the mail that you send. Nothing is stored and nothing allowed until it comes back."""
    wish = OptIn(
        identifier=world.tongue.known(asked.identifier.type, asked.identifier.value),
        purpose=Purpose(asked.purpose),
        at=world.clock(),
        actor=f"key:{caller.key_id}",
        channel=asked.channel,
        jurisdiction=asked.jurisdiction,
        notice=asked.notice,
    )
    return await run_in_threadpool(_signals(world).request, wish)


@router.post(
    "/v1/consent:confirm", response_model=ReceiptOut, responses=problems(404), summary="Confirm a yes by its slip"
)
async def confirm(asked: ConfirmAsked, world: WorldDep, _caller: Writer) -> Any:
    """Record the yes, said now, and return its receipt; a slip that comes again does nothing new."""
    return await run_in_threadpool(_signals(world).confirm, asked.token, world.clock())


@router.get("/.well-known/gpc.json", response_model=SupportOut, responses={503: problems()[503]}, summary="GPC support")
async def support(world: WorldDep) -> Any:
    """Say that the browser's wish is obeyed here (W3C Global Privacy Control)."""
    return _signals(world).support()


def _signals(world: World) -> Signalling:
    if world.signals is None:
        raise BackendMissing("a consent ledger")
    return world.signals
