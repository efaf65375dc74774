"""Consent: recorded, shown and asked."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header
from starlette.concurrency import run_in_threadpool

from api.http import examples
from api.http.credentials import carried
from api.http.errors import BackendMissing
from api.http.keys import Credential
from api.http.models import ConsentDecideIn, ConsentIn, ConsentShowIn, DecisionOut, LedgerOut, ReceiptOut
from api.http.ports import Consents, Question, Statement
from api.http.routes.doors import WorldDep, needs, problems
from api.http.world import World
from infra.ids import Purpose

router = APIRouter(tags=["consent"])
ConsentAsked = Annotated[ConsentIn, Body(openapi_examples=examples.CONSENT)]
ConsentShowAsked = Annotated[ConsentShowIn, Body(openapi_examples=examples.CONSENT_SHOW)]
ConsentDecideAsked = Annotated[ConsentDecideIn, Body(openapi_examples=examples.CONSENT_DECIDE)]
Reader = Annotated[Credential, Depends(needs("consent:read"))]
Writer = Annotated[Credential, Depends(needs("consent:write"))]
_COARSE = ("id", "purpose", "allowed", "because")
Key = Annotated[str | None, Header(alias="idempotency-key", max_length=255, description="repeat without doubling")]


@router.post(
    "/v1/consent", status_code=201, response_model=ReceiptOut, responses=problems(), summary="Record a statement"
)
async def record(
    asked: ConsentAsked,
    world: WorldDep,
    caller: Writer,
    idempotency_key: Key = None,
) -> Any:
    """Append to the ledger. When this answers, the statement is durable and every read obeys what it denies."""
    now = world.clock()
    statement = Statement(
        identifier=world.tongue.known(asked.identifier.type, asked.identifier.value),
        purpose=Purpose(asked.purpose),
        action=asked.action,
        mechanism=asked.mechanism,
        occurred_at=asked.occurred_at or now,
        received_at=now,
        actor=f"key:{caller.key_id}",
        jurisdiction=asked.jurisdiction,
        channel=asked.channel,
        notice=asked.notice,
        expires_at=asked.expires_at,
        request_id=_request_id(caller, asked, idempotency_key),
    )
    return await run_in_threadpool(_ledger(world).record, statement)


@router.post("/v1/consent:show", response_model=LedgerOut, responses=problems(), summary="Read the ledger")
async def show(asked: ConsentShowAsked, world: WorldDep, _caller: Reader) -> Any:
    """List what was said under one identifier, the oldest first; an unknown identifier has said nothing."""
    known = world.tongue.known(asked.identifier.type, asked.identifier.value)
    return {"events": await run_in_threadpool(_ledger(world).show, known)}


@router.post("/v1/consent:decide", response_model=DecisionOut, responses=problems(), summary="May we?")
async def decide(asked: ConsentDecideAsked, world: WorldDep, caller: Reader) -> Any:
    """Decide whether a person may be used for a purpose; the detailed reason needs the scope `consent:reasons`."""
    known = world.tongue.known(asked.identifier.type, asked.identifier.value)
    question = Question(
        identifier=known,
        purpose=carried(caller, asked.purpose),
        at=asked.as_of or world.clock(),
        actor=f"key:{caller.key_id}",
        channel=asked.channel,
    )
    decision = await run_in_threadpool(_ledger(world).decide, question)
    if caller.may("consent:reasons"):
        return decision
    return {name: decision[name] for name in _COARSE if name in decision}


def _ledger(world: World) -> Consents:
    if world.consents is None:
        raise BackendMissing("a consent ledger")
    return world.consents


def _request_id(caller: Credential, asked: ConsentIn, idempotency_key: str | None) -> str | None:
    # Bound to the caller, so that two who count alike do not meet; bound to what is said, so that a word under a
    # key that was used before is a word of its own: a withdrawal must never be taken for yesterday's yes. Hashed,
    # for callers put anything in it; without the identifier, whose token the ledger adds.
    if idempotency_key is None:
        return None
    said = asked.model_dump_json(exclude={"identifier"})
    return hashlib.sha256(f"{caller.key_id}|{idempotency_key}|{said}".encode()).hexdigest()[:32]
