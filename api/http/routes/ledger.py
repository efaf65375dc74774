"""The sealed ledger: heads, receipts and proofs that anybody can check with the public key."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query
from starlette.concurrency import run_in_threadpool

from api.http import examples
from api.http.errors import BackendMissing
from api.http.keys import Credential
from api.http.models import ConsistencyIn, HeadsOut, ReceiptsIn, ReceiptsOut, SealedOut
from api.http.ports import Notary
from api.http.routes.doors import WorldDep, needs, problems
from api.http.world import World

router = APIRouter(tags=["consent"])
Reader = Annotated[Credential, Depends(needs("consent:read"))]
EntryId = Annotated[
    str, Path(pattern=r"^[0-9a-f]{32}([0-9a-f]{32})?$", description="as a receipt of `record` names it")
]


@router.get(
    "/v1/consent/heads", response_model=HeadsOut, responses=problems(body=False), summary="Signed heads of the ledger"
)
async def heads(
    world: WorldDep,
    _caller: Reader,
    before: Annotated[int | None, Query(ge=1, lt=1 << 53, description="only heads of a smaller size")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """List signed heads, the newest first: how many entries the ledger held, its root, and when."""
    notary = _notary(world)
    found = await run_in_threadpool(notary.heads, before=before, limit=limit)
    return {"public_key": notary.public_key(), "heads": found}


@router.get(
    "/v1/consent/{entry}/receipt",
    response_model=SealedOut,
    responses=problems(404, body=False),
    summary="Proof of one statement",
)
async def receipt(entry: EntryId, world: WorldDep, _caller: Reader) -> Any:
    """Return the receipt of an entry for the person: what was recorded, and the proof that it stands in the ledger."""
    return await run_in_threadpool(_notary(world).receipt, entry)


@router.post(
    "/v1/consent:receipts", response_model=ReceiptsOut, responses=problems(), summary="Proofs under an identifier"
)
async def receipts(
    asked: Annotated[ReceiptsIn, Body(openapi_examples=examples.CONSENT_RECEIPTS)], world: WorldDep, _caller: Reader
) -> Any:
    """Return the receipts of what was said under one identifier; an unknown identifier has said nothing."""
    known = world.tongue.known(asked.identifier.type, asked.identifier.value)
    return {"receipts": await run_in_threadpool(_notary(world).receipts, known)}


@router.post(
    "/v1/consent:consistency", response_model=SealedOut, responses=problems(), summary="Was anything changed since?"
)
async def consistency(
    asked: Annotated[ConsistencyIn, Body(openapi_examples=examples.CONSISTENCY)], world: WorldDep, _caller: Reader
) -> Any:
    """Return the proof that the ledger of an earlier head is the beginning of a later one: nothing was changed."""
    return await run_in_threadpool(_notary(world).consistency, asked.first, asked.second)


def _notary(world: World) -> Notary:
    if world.notary is None:
        raise BackendMissing("a sealed ledger")
    return world.notary
