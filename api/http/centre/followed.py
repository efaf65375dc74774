"""The page of one request, for whoever holds its address: where it stands, how it ended, what proves an erasure.

It shows no data of the person, and it outlives the link: what has ended has forgotten whose it was.
"""

from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.http.centre.doors import Doors, NotComeIn, Unclear
from api.http.centre.fetched import READ, ready_until
from api.http.errors import BackendMissing
from api.http.privacy.certified import Certified, certified_of, erasure, public_key
from consent.erasure.asked import NOBODY
from consent.erasure.book import Book
from consent.erasure.followed import followed
from consent.requests.deadlines import law_of
from consent.requests.desk import Desk, get, steps
from consent.requests.grounds import GROUNDS
from consent.requests.model import Request as Asked
from consent.requests.model import Step
from consent.residue.certificate import written


class Followed:
    """Requests as their own bearers follow them."""

    def __init__(self, doors: Doors) -> None:
        self._doors, self._world = doors, doors.world

    async def page(self, request: Request) -> Response:
        """Show where a request stands."""
        return self._doors.page(request, "request.html", **await run_in_threadpool(self._shown, request))

    async def certificate(self, request: Request) -> Response:
        """Hand out the certificate of an erasure, to the byte as it was signed."""
        certified = await run_in_threadpool(self._certified, request)
        return self._doors.file(written(certified.certificate), "application/json", "certificate.json")

    async def nonce(self, request: Request) -> Response:
        """Hand out what opens the certificate's commitments; nobody but the person has a use for it."""
        certified = await run_in_threadpool(self._certified, request)
        return self._doors.file(f"{certified.nonce}\n".encode(), "text/plain", "key.txt")

    def _asked(self, request: Request) -> tuple[Desk, Asked]:
        desk = self._world.requests
        if desk is None:
            raise BackendMissing("a desk for privacy requests")
        found = self._doors.gate.followed(request.path_params["signed"], self._world.clock())
        if found is None:
            raise NotComeIn
        return desk, get(desk, found)

    def _certified(self, request: Request) -> Certified:
        desk, asked = self._asked(request)
        certified = certified_of(self._world, desk, asked)
        if certified is None:
            raise Unclear("not_ready")
        return certified

    def _expires_at(self, desk: Desk, asked: Asked) -> datetime | None:
        """Return until when files are kept that older versions need, where an erasure waits for that alone."""
        found = erasure(self._world, desk, asked) if asked.open else None
        if found is None:
            return None
        return followed(found, Book(desk.database, self._world.clock).steps(found.id)).expires_at

    def _shown(self, request: Request) -> dict[str, Any]:
        desk, asked = self._asked(request)
        taken = steps(desk, asked.id)
        way: dict[str, datetime] = {}
        for one in taken:
            way.setdefault(_step(asked, one), one.at)
        return {
            "asked": asked,
            "signed": request.path_params["signed"],
            "lifts": bool(asked.details.get("lift")),
            "due_at": asked.due_at - timedelta(seconds=1),
            "way": list(way.items()),
            "ground": GROUNDS.get(asked.ground or ""),
            "law_is_known": law_of(asked.jurisdiction or desk.place) is not None,
            "nobody": any(one.facts.get("outcome") == NOBODY for one in taken),
            "ready_until": ready_until(desk, asked),
            "expires_at": self._expires_at(desk, asked),
            "certified": certified_of(self._world, desk, asked),
            "public_key": key.hex() if (key := public_key(self._world)) is not None else None,
        }


def _step(asked: Asked, step: Step) -> str:
    """Return the name of the text that tells a step: what is not erased goes the same way by other words."""
    if asked.right == "erasure" or step.step not in {"planned", "notifying"}:
        return step.step
    if step.step == "planned":
        return "carried_out"
    return "ready" if asked.right in READ else "notifying"
