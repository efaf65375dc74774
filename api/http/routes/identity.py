"""Why two identifiers are, or are not, the same person."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request

from api.http import examples
from api.http.errors import AuditBehind, ProfileHidden
from api.http.explain import between, carriers, chain, records_of
from api.http.keys import Credential
from api.http.models import WhyIn, WhyNotOut, WhyOut
from api.http.people import EXPLAINED
from api.http.ports import Known
from api.http.reading import Found, graph_of, read
from api.http.routes.doors import WorldDep, needs, problems, purposed
from api.http.world import World
from identity.explanation import explain
from infra.ids import Purpose

router = APIRouter(tags=["identity"])
WhyAsked = Annotated[WhyIn, Body(openapi_examples=examples.WHY)]
WhyNotAsked = Annotated[WhyIn, Body(openapi_examples=examples.WHY_NOT)]
Explainer = Annotated[Credential, Depends(needs("profile:explain"))]


@router.post(
    "/v1/identity:why", response_model=WhyOut, responses=problems(404), summary="Are they one person, and why?"
)
async def why(request: Request, asked: WhyAsked, world: WorldDep, caller: Explainer) -> dict[str, Any]:
    """Explain a match: the chain of edges between two identifiers with every comparison's weight."""
    world, purpose = world.moment(), purposed(request, caller, asked.purpose)
    asked_for, profiles = _both(asked, world, caller, purpose)
    a, b = profiles
    if a.profile_id != b.profile_id:
        return {"same": False, "profile_id": None, "path": [], "records": []}
    graph = world.profiles.graph(a.profile_id, purpose)
    if graph is None:
        raise ProfileHidden
    start, goal = (carriers(graph, wanted) for wanted in asked_for)
    path = chain(graph, start, goal)
    ends = [key for edge in path for key in (edge["left"], edge["right"])] or sorted(start & goal)[:1]
    return {"same": True, "profile_id": a.profile_id, "path": path, "records": records_of(graph, ends)}


@router.post(
    "/v1/identity:whyNot",
    response_model=WhyNotOut,
    responses=problems(404),
    summary="Are they two people, and why not one?",
)
async def why_not(request: Request, asked: WhyNotAsked, world: WorldDep, caller: Explainer) -> dict[str, Any]:
    """Name the first gate that the best evidence between two people failed at, with every comparison's weight."""
    world, purpose = world.moment(), purposed(request, caller, asked.purpose)
    _, (a, b) = _both(asked, world, caller, purpose)
    if a.profile_id == b.profile_id:
        return {"same": True, "because": "they are one person", "evidence": None}
    graphs = [graph_of(world.profiles, one.profile_id, purpose) for one in (a, b)]
    best, because = between(graphs, (a.profile_id, b.profile_id))
    return {"same": False, "because": because, "evidence": None if best is None else asdict(explain.why(best))}


def _both(asked: WhyIn, world: World, caller: Credential, purpose: Purpose) -> tuple[list[Known], list[Found]]:
    """Return both identifiers and whom they lead to, with the looks in the audit; raise `ProfileHidden` for nobody."""
    if not world.audit.room():
        raise AuditBehind
    asked_for: list[Known] = []
    profiles: list[Found] = []
    for identifier in (asked.a, asked.b):
        known = world.tongue.known(identifier.type, identifier.value)
        profile_id = world.profiles.find(known.token, purpose)
        found = None if profile_id is None else read(world.profiles, profile_id, purpose)
        if not isinstance(found, Found):
            world.audit.note(caller.key_id, purpose, "", "hidden")
            raise ProfileHidden
        world.admitted(caller, [found.profile_id], purpose, EXPLAINED)
        asked_for.append(known)
        profiles.append(found)
    return asked_for, profiles
