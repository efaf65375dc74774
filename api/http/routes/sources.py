"""How the sources are: for those who answer for them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from api.http.errors import BackendMissing
from api.http.keys import Credential
from api.http.models import SourcesOut
from api.http.routes.doors import WorldDep, needs, problems
from api.http.sources import SCOPE, told

router = APIRouter(tags=["ingestion"])


@router.get(
    "/v1/sources",
    response_model=SourcesOut,
    responses=problems(body=False, asked=False),
    summary="How are the sources?",
)
async def sources(world: WorldDep, _caller: Annotated[Credential, Depends(needs(SCOPE))]) -> dict[str, Any]:
    """Tell of each source when its rows last came, what waits for the lake, and what is rejected."""
    if world.sources is None:
        raise BackendMissing("sources")
    return told(await run_in_threadpool(world.sources.health, world.clock()))
