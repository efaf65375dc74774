"""What became of an event or row: for those who answer for the sources."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from starlette.concurrency import run_in_threadpool

from api.http import examples
from api.http.errors import BackendMissing
from api.http.keys import Credential
from api.http.models import VerdictIn, VerdictsOut
from api.http.routes.doors import WorldDep, needs, problems
from api.http.verdicts import SCOPE

router = APIRouter(tags=["ingestion"])


@router.post("/v1/verdicts:lookup", response_model=VerdictsOut, responses=problems(404), summary="What became of it?")
async def lookup(
    asked: Annotated[VerdictIn, Body(openapi_examples=examples.VERDICT)],
    world: WorldDep,
    _caller: Annotated[Credential, Depends(needs(SCOPE))],
) -> dict[str, Any]:
    """Tell every verdict on a message id or `source:key`: accepted, duplicate, quarantined, suppressed or filtered."""
    if world.verdicts is None:
        raise BackendMissing("a lake")
    return {"verdicts": await run_in_threadpool(world.verdicts.of, asked.key)}
