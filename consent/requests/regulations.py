"""Segment's regulations in our words: one request for each user, one status for all of them.

SUPPRESS_ONLY restricts: nothing new is taken in and nobody reads. UNSUPPRESS lifts that. The kinds that delete are
erasures; DELETE_ONLY asks for new data to be taken in again afterwards (`mode` in the request's details).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select

from consent.requests.desk import Desk, by_external
from consent.requests.errors import NoSuchRequest, Unreadable
from consent.requests.model import Claimed, Request, Right, Wish, segment
from consent.requests.store import PRIVACY_REQUEST as REQUEST

KINDS: Final[dict[str, tuple[Right, dict[str, Any]]]] = {
    "SUPPRESS_ONLY": ("restriction", {}),
    "UNSUPPRESS": ("restriction", {"lift": True}),
    "SUPPRESS_WITH_DELETE": ("erasure", {}),
    "SUPPRESS_WITH_DELETE_INTERNAL": ("erasure", {}),
    "DELETE_ONLY": ("erasure", {}),
    "DELETE_INTERNAL": ("erasure", {}),
}
# Segment takes 5,000; each of ours is a request of its own with its steps in the ledger, and the caller waits.
MOST: Final = 100
Value = Annotated[str, Field(min_length=1, max_length=320)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Attributes(_Wire):
    name: Literal["userId"]
    values: tuple[Value, ...] = Field(min_length=1, max_length=MOST, repr=False)


class _Beta(_Wire):
    """The body of the Config API."""

    regulation_type: str = Field(max_length=40)
    attributes: _Attributes


class _Public(_Wire):
    """The body of the Public API."""

    regulation_type: str = Field(alias="regulationType", max_length=40)
    subject_type: Literal["USER_ID"] = Field(alias="subjectType")
    subject_ids: tuple[Value, ...] = Field(alias="subjectIds", min_length=1, max_length=MOST, repr=False)


def read(raw: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the kind of a regulation and its user ids, from either of Segment's bodies."""
    try:
        body = orjson.loads(raw)
        if isinstance(body, dict) and "regulationType" in body:
            public = _Public.model_validate(body)
            kind, ids = public.regulation_type, public.subject_ids
        else:
            beta = _Beta.model_validate(body)
            kind, ids = beta.regulation_type, beta.attributes.values
    except (orjson.JSONDecodeError, ValidationError, RecursionError):
        right = f"send regulationType, subjectType USER_ID and 1 to {MOST} subjectIds, or the Config API's names"
        raise Unreadable("the regulation cannot be read", right) from None
    if kind.upper() not in KINDS:
        raise Unreadable("the regulation is of no known type", f"use one of: {', '.join(KINDS)}")
    return kind.upper(), tuple(dict.fromkeys(ids))


def wishes(
    regulate_id: str, kind: str, people: Iterable[Claimed], *, actor: str, at: datetime, place: str | None
) -> list[Wish]:
    """Return a wish for each user; asked again under the same id it opens nothing new."""
    right, more = KINDS[kind]
    return [
        Wish(
            right=right,
            identifiers=(one,),
            received_at=at,
            actor=actor,
            channel="segment",
            jurisdiction=place,
            external_id=f"{regulate_id}-{number}",
            details={"regulation": regulate_id, "mode": kind} | more,
            vouched=actor,
        )
        for number, one in enumerate(people)
    ]


def of(desk: Desk, regulate_id: str, actor: str) -> tuple[Request, ...]:
    """Return the requests of a regulation that this caller made; raise `NoSuchRequest` where there are none."""
    with desk.database.connect() as connection:
        query = select(REQUEST.c.external_id).where(
            REQUEST.c.opened_by == actor, REQUEST.c.external_id.startswith(f"{regulate_id}-", autoescape=True)
        )
        found = sorted(connection.execute(query).scalars())
    if not found:
        raise NoSuchRequest
    return tuple(by_external(desk, actor, one) for one in found)


def regulations(desk: Desk, actor: str, limit: int) -> list[tuple[Request, ...]]:
    """Return the newest regulations that this caller made."""
    with desk.database.connect() as connection:
        query = select(REQUEST.c.external_id).where(REQUEST.c.opened_by == actor, REQUEST.c.channel == "segment")
        found = connection.execute(query.order_by(REQUEST.c.opened_at.desc(), REQUEST.c.external_id)).scalars()
        ids = list(dict.fromkeys(one.rpartition("-")[0] for one in found))
    return [of(desk, one, actor) for one in ids[:limit]]


def overall(requests: Sequence[Request]) -> str:
    """Return one status for all: what failed shows, what runs hides what is done, what differs is partial."""
    told = {segment(one.status, one.ground) for one in requests}
    if len(told) == 1:
        return told.pop()
    first: Callable[[str], bool] = told.__contains__
    waiting = next((one for one in ("FAILED", "RUNNING", "INITIALIZED") if first(one)), None)
    return waiting or "PARTIAL_SUCCESS"


def document(regulate_id: str, requests: Sequence[Request], workspace: str) -> dict[str, Any]:
    """Return a regulation as Segment's Public API tells it."""
    ended = [one.ended_at for one in requests if one.ended_at is not None]
    told: dict[str, Any] = {
        "id": regulate_id,
        "workspaceId": workspace,
        "overallStatus": overall(requests),
        "createdAt": min(one.opened_at for one in requests).isoformat(),
        "streamStatus": [],
    }
    if len(ended) == len(requests):
        told["finishedAt"] = max(ended).isoformat()
    return told
