"""Whether the server lives, whether it can answer, and how much it has answered."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from api.http.keys import Credential
from api.http.problems import problem
from api.http.routes.doors import WorldDep, needs, problems
from api.http.world import World
from infra.errors import KindredError

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Alive?")
async def healthz() -> dict[str, str]:
    """Answer as long as the process can."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Ready?",
    response_model=dict[str, str],
    responses={503: problems()[503]},
)
async def readyz(world: WorldDep) -> Response | dict[str, str]:
    """Answer 200 once a generation is published and the database answers."""
    published, database = _published(world), await run_in_threadpool(_database, world)
    if published and database:
        return {"status": "ready", "generation": published}
    missing = [name for name, there in (("a published generation", published), ("the database", database)) if not there]
    return problem(503, f"not ready: {' and '.join(missing)} cannot be read", headers={"retry-after": "1"})


@router.get(
    "/metrics",
    summary="Counts in Prometheus' format",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}}, **problems()},
)
async def metrics(world: WorldDep, _caller: Annotated[Credential, Depends(needs("admin"))]) -> Response:
    """Return requests by route and status; no label is a person, a key or a path."""
    text_ = world.metrics.text(audit_waiting=world.audit.waiting())
    return Response(text_, media_type="text/plain; version=0.0.4")


def _published(world: World) -> str | None:
    try:
        return world.profiles.generation()
    except KindredError:
        return None


def _database(world: World) -> bool:
    try:
        with world.database.connect() as connection:
            return connection.execute(text("SELECT 1")).scalar() == 1
    except SQLAlchemyError:
        return False
