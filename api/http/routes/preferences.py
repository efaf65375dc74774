"""Links to the preference centre, for an application that mails them to the person."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, Field

from api.http import examples
from api.http.centre.link import HOME, LINK_LASTS, Gate
from api.http.keys import Credential
from api.http.models import Asked, IdentifierIn
from api.http.routes.doors import WorldDep, needs, problems

router = APIRouter(tags=["consent"])
Linker = Annotated[Credential, Depends(needs("preferences:link"))]
_HOURS = int(LINK_LASTS.total_seconds()) // 3_600


class PreferenceLinkIn(Asked):
    """Whose link to sign, and for how long it holds."""

    identifier: IdentifierIn
    hours: int = Field(default=_HOURS, ge=1, le=24 * 31)


class PreferenceLinkOut(BaseModel):
    """A link: whoever holds it sees the person's data and answers for them, so it goes to the identifier alone."""

    path: str
    expires_at: str


@router.post(
    "/v1/preferences:link",
    status_code=201,
    response_model=PreferenceLinkOut,
    responses=problems(),
    summary="Sign a link to the preference centre",
)
async def link(
    asked: Annotated[PreferenceLinkIn, Body(openapi_examples=examples.PREFERENCES)], world: WorldDep, _caller: Linker
) -> Any:
    """Return the path that the person opens; send it to the identifier itself. An unknown identifier gets one alike."""
    known, now = world.tongue.known(asked.identifier.type, asked.identifier.value), world.clock()
    lasts = timedelta(hours=asked.hours)
    signed = Gate(world.tongue.key).link(known.type, known.token, now, lasts)
    return {"path": f"{HOME}/enter/{signed}", "expires_at": (now + lasts).isoformat(timespec="seconds")}
