"""What to do next for a person."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from starlette.concurrency import run_in_threadpool

from api.http import examples
from api.http.errors import AuditBehind, BackendMissing
from api.http.keys import Credential
from api.http.models import DecideIn, NextBestOut
from api.http.people import DECIDED_FOR
from api.http.reading import Found, read, readable_id
from api.http.routes.doors import WorldDep, needs, problems, purposed
from infra.ids import ProfileId

router = APIRouter(tags=["activation"])
DecideAsked = Annotated[DecideIn, Body(openapi_examples=examples.DECIDE)]
Asker = Annotated[Credential, Depends(needs("decide"))]


@router.post("/v1/decide", response_model=NextBestOut, responses=problems(404), summary="Next best action")
async def decide(request: Request, asked: DecideAsked, world: WorldDep, caller: Asker) -> Any:
    """Choose an action and recommendations for a moment; a person who is unknown or denied is a stranger."""
    purpose = purposed(request, caller, asked.purpose)
    decider = world.decider
    if decider is None:
        raise BackendMissing("decisions")
    if not world.audit.room():
        raise AuditBehind
    profile_id = ProfileId(asked.profile_id) if asked.profile_id else None
    if asked.identifier is not None:
        known = world.tongue.known(asked.identifier.type, asked.identifier.value)
        profile_id = world.profiles.find(known.token, purpose)
    # An id that was given up in a merge is the survivor's; one that was split is nobody's.
    named = profile_id if profile_id and readable_id(profile_id) else None
    found = read(world.profiles, named, purpose) if named else None
    if isinstance(found, Found):
        profile_id = found.profile_id
        world.admitted(caller, [profile_id], purpose, DECIDED_FOR)
    question = {
        "profile_id": profile_id,
        "key_id": caller.key_id,
        "purpose": purpose,
        "decision": asked.decision,
        "context": asked.context.model_dump(),
    }
    at = world.clock()
    answer = await run_in_threadpool(lambda: decider.decide(question, at=at))
    if not isinstance(found, Found):
        world.audit.note(caller.key_id, purpose, named or "", "decided")
    return answer
