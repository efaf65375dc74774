"""Feature sets for models that score people while somebody waits."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response

from api.http import examples
from api.http.batch import batch_headers, paid
from api.http.credentials import Holder
from api.http.features import FeaturesIn, FeaturesOut, declared, featured
from api.http.models import ProfileIn
from api.http.routes.doors import WorldDep, holding, problems, purposed
from api.http.world import FEATURES

router = APIRouter(tags=["profiles"])
_Asked = Annotated[FeaturesIn, Body(openapi_examples=examples.FEATURES)]
_Reader = Annotated[Holder, Depends(holding("profile:read"))]


@router.post(
    FEATURES,
    responses={200: {"model": FeaturesOut, "description": "A row a person, in the order asked"}, **problems(404)},
    summary="The values of a declared feature set for up to 1,000 people",
)
async def features(request: Request, asked: _Asked, world: WorldDep, holder: _Reader) -> Response:
    """Return a flat, typed row a person, from what the purpose may see of them; it costs a request a person."""
    wanted = declared(world, asked.feature_set, purposed(request, holder.credential, asked.purpose))
    paid(holder, len(asked.people))
    people = [one.profile_id if isinstance(one, ProfileIn) else (one.type, one.value) for one in asked.people]
    body = featured(world, holder, people, wanted)
    response = Response(body)
    response.raw_headers = batch_headers(body)
    return response
