"""Why two identifiers are, or are not, the same person."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends

from api.http import examples
from api.http.credentials import carried
from api.http.errors import AuditBehind, ProfileHidden
from api.http.explain import carriers, chain, records_of
from api.http.keys import Credential
from api.http.models import WhyIn, WhyOut
from api.http.ports import Known
from api.http.reading import Found, read
from api.http.routes.doors import WorldDep, needs, problems

router = APIRouter(tags=["identity"])
WhyAsked = Annotated[WhyIn, Body(openapi_examples=examples.WHY)]
Explainer = Annotated[Credential, Depends(needs("profile:explain"))]


@router.post(
    "/v1/identity:why", response_model=WhyOut, responses=problems(404), summary="Are they one person, and why?"
)
async def why(asked: WhyAsked, world: WorldDep, caller: Explainer) -> dict[str, Any]:
    """Explain a match: the chain of edges between two identifiers with every comparison's weight."""
    purpose = carried(caller, asked.purpose)
    if not world.audit.room():
        raise AuditBehind
    asked_for: list[Known] = []
    profiles: list[Found] = []
    for identifier in (asked.a, asked.b):
        known = world.tongue.known(identifier.type, identifier.value)
        profile_id = world.profiles.find(known.token)
        found = None if profile_id is None else read(world.profiles, profile_id, purpose)
        if not isinstance(found, Found):
            world.audit.note(caller.key_id, purpose, "", "hidden")
            raise ProfileHidden
        world.audit.note(caller.key_id, purpose, found.profile_id, "explained")
        asked_for.append(known)
        profiles.append(found)
    a, b = profiles
    if a.profile_id != b.profile_id:
        return {"same": False, "profile_id": None, "path": [], "records": []}
    graph = world.profiles.graph(a.profile_id, purpose)
    if graph is None:
        raise ProfileHidden
    start, goal = (carriers(graph, wanted) for wanted in asked_for)
    path = chain(graph, start, goal)
    between = [key for edge in path for key in (edge["left"], edge["right"])] or sorted(start & goal)[:1]
    return {"same": True, "profile_id": a.profile_id, "path": path, "records": records_of(graph, between)}
