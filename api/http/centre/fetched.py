"""What a person takes home from their page: the copy of their data, and signed receipts of what they said."""

from datetime import datetime, timedelta
from typing import Final

import orjson
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.http.centre import rights
from api.http.centre.doors import Doors, Unclear
from api.http.centre.link import Bearer
from api.http.errors import BackendMissing
from api.http.ports import Known
from consent.errors import NotSealed
from consent.requests.desk import Desk, steps
from consent.requests.model import Request as Asked

READ: Final = frozenset({"access", "portability"})
READY: Final = "notifying"


class Fetched:
    """Files for the person alone: put together when they are asked for, and kept nowhere here."""

    def __init__(self, doors: Doors) -> None:
        self._doors, self._world = doors, doors.world

    async def answer(self, request: Request) -> Response:
        """Hand out the copy that was asked for; that it was is a step of the request before anybody has it."""
        bearer, form = await self._doors.posted(request)
        packed = form.get("as") == "zip"
        content = await run_in_threadpool(self._answer, bearer, form.get("request", ""), packed=packed)
        kind, end = ("application/zip", "zip") if packed else ("application/json", "json")
        return self._doors.file(content, kind, f"my-data.{end}")

    async def receipts(self, request: Request) -> Response:
        """Hand out the receipt of one entry, or of everything that was said under the identifier."""
        bearer, form = await self._doors.posted(request)
        content = await run_in_threadpool(self._receipts, bearer, form.get("entry", ""))
        return self._doors.file(content, "application/json", "receipts.json")

    def _answer(self, bearer: Bearer, request_id: str, *, packed: bool) -> bytes:
        office = self._world.privacy
        if office is None:
            raise BackendMissing("a desk for privacy requests")
        asked = rights.mine(office.desk, bearer, request_id)
        if asked.right not in READ:
            raise Unclear("incomplete")
        if asked.status != READY:
            raise Unclear("not_ready")
        office.slowly(f"subject {office.desk.mark(bearer.token)}")
        return office.answers.handed_out(asked.id, at=self._world.clock(), actor=rights.ACTOR, packed=packed)

    def _receipts(self, bearer: Bearer, entry: str) -> bytes:
        world = self._world
        if world.notary is None or world.consents is None:
            raise BackendMissing("a sealed ledger")
        known = Known(bearer.kind, "", bearer.token)
        found = world.notary.receipts(known)
        if len(found) < len(world.consents.said(bearer.token)) and world.sealing is not None:
            # What was said a moment ago awaits the sealer, which comes every other second: nobody need wait for it.
            world.sealing.look(world.clock)
            found = world.notary.receipts(known)
        if entry:
            found = [one for one in found if one.get("receipt_id") == entry]
        if not found:
            raise NotSealed
        return orjson.dumps(found, option=orjson.OPT_INDENT_2)


def ready_until(desk: Desk, request: Asked) -> datetime | None:
    """Return until when the answer to a request can be fetched, or None where there is none to fetch."""
    if request.right not in READ or request.status != READY:
        return None
    ready = [step.at for step in steps(desk, request.id) if step.step == READY]
    return ready[-1] + timedelta(days=desk.config.answer_days) if ready else None
