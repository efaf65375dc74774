"""What the data leave open, for stewards: list, show, decide."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query
from starlette.concurrency import run_in_threadpool

from api.http import examples, reviewing
from api.http.keys import Credential
from api.http.models import DecidedOut, DecideReviewIn, QuestionOut, ReviewKind, ReviewOut
from api.http.routes.doors import WorldDep, needs, problems

router = APIRouter(tags=["identity"])
Steward = Annotated[Credential, Depends(needs(reviewing.SCOPE))]
TaskId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="the question's id")]
Decided = Annotated[DecideReviewIn, Body(openapi_examples=examples.REVIEW)]


@router.get("/v1/review", response_model=ReviewOut, responses=problems(body=False), summary="What waits for a steward")
async def waiting(
    world: WorldDep,
    caller: Steward,
    kind: Annotated[ReviewKind | None, Query(description="only one kind")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List the questions that nobody has answered, the most urgent first: record keys and profile ids, no values."""
    stewards, now = reviewing.stewards_of(world, caller), world.clock()
    found = await run_in_threadpool(stewards.waiting, now, kind=kind, limit=limit)
    counts = await run_in_threadpool(stewards.counts, now)
    return {"waiting": counts, "questions": [reviewing.told(task) for task in found]}


@router.get(
    "/v1/review/{task_id}",
    response_model=QuestionOut,
    responses=problems(404, body=False),
    summary="One question, side by side",
)
async def show(task_id: TaskId, world: WorldDep, caller: Steward) -> dict[str, Any]:
    """Show both records as identity resolution may see them, and the evidence between them; the look is audited."""
    return await run_in_threadpool(reviewing.question, world, caller, task_id)


@router.post(
    "/v1/review/{task_id}:decide", response_model=DecidedOut, responses=problems(404), summary="Answer a question"
)
async def decide(task_id: TaskId, asked: Decided, world: WorldDep, caller: Steward) -> dict[str, Any]:
    """Tie (`same`), part (`different`) or let rest (`skip`), from the next resolution on; a contradiction is a 403."""
    return await run_in_threadpool(reviewing.answered, world, caller, task_id, asked.model_dump())
