"""The preference centre's routes: come in by a link, see, choose, ask, leave. Forms and pages; no script anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.http.centre import held, rights
from api.http.centre.closed import close_links
from api.http.centre.doors import Doors, Unclear
from api.http.centre.fetched import Fetched, ready_until
from api.http.centre.followed import Followed
from api.http.centre.link import COOKIE, HOME, VISIT_LASTS, Bearer
from api.http.errors import AuditBehind, BackendMissing
from api.http.html import HEADERS
from api.http.ports import Known, Statement
from api.http.privacy.certified import public_key
from api.http.world import World
from consent.choices import Choice
from consent.model import GRANT_LINKS
from consent.requests.desk import Desk
from consent.requests.mine import of_person
from infra.ids import ProfileId, Purpose
from infra.signing import encoded

_HERE = Path(__file__).parent
_STYLE = _HERE.parent / "console" / "console.css"
_SAID: Final = ("saved", "asked")


def centre_router(world: World) -> APIRouter:
    """Return the centre's routes, none of them in the OpenAPI document: they are for people."""
    doors = Doors(world, _HERE / "templates")
    centre, fetched, followed = Centre(doors), Fetched(doors), Followed(doors)
    router = APIRouter(include_in_schema=False)
    for method, path, handler in (
        ("GET", f"{HOME}/enter/{{signed}}", centre.enter),
        ("GET", HOME, centre.home),
        ("POST", HOME, centre.choose),
        ("POST", f"{HOME}/ask", centre.ask),
        ("POST", f"{HOME}/take-back", centre.take_back),
        ("POST", f"{HOME}/answer", fetched.answer),
        ("POST", f"{HOME}/receipts", fetched.receipts),
        ("GET", f"{HOME}/request/{{signed}}", followed.page),
        ("GET", f"{HOME}/request/{{signed}}/certificate", followed.certificate),
        ("GET", f"{HOME}/request/{{signed}}/key", followed.nonce),
        ("POST", f"{HOME}/leave", centre.leave),
        ("POST", f"{HOME}/close", centre.close),
        ("GET", f"{HOME}/style.css", centre.style),
    ):
        router.add_route(path, doors.guarded(handler), methods=[method])
    return router


class Centre:
    """The page of a person: what is held of them, and what they say about it."""

    def __init__(self, doors: Doors) -> None:
        self._doors, self._world, self._css = doors, doors.world, _STYLE.read_bytes()

    async def enter(self, request: Request) -> Response:
        """Open a visit for whoever holds a link; the link itself leaves the address bar."""
        now = self._world.clock()
        bearer = await self._doors.let_in(self._doors.gate.follow(request.path_params["signed"], now))
        response = RedirectResponse(HOME, 303, headers=HEADERS)
        # Lax: the link stands in a mail, and the browser must send the cookie along where it leads.
        response.set_cookie(
            COOKIE,
            self._doors.gate.visit(bearer, now),
            max_age=int(VISIT_LASTS.total_seconds()),
            path=HOME,
            httponly=True,
            samesite="lax",
            secure=_encrypted(request),
        )
        return response

    async def home(self, request: Request) -> Response:
        """Show a person their choices, their data, who read it, what they asked for and what they said."""
        bearer, cookie = await self._doors.visit(request)
        shown = await run_in_threadpool(self._shown, bearer)
        shown |= {name: request.query_params.get(name) for name in _SAID}
        return self._doors.page(request, "home.html", word=self._doors.gate.word(cookie), **shown)

    async def choose(self, request: Request) -> Response:
        """Keep an answer; a no is obeyed by every reader before this returns."""
        bearer, form = await self._doors.posted(request)
        answer = await run_in_threadpool(self._record, bearer, form)
        return self._doors.home(request, f"saved={answer}")

    async def ask(self, request: Request) -> Response:
        """Take a request down, for the link has proved whose it is, and do at once what nobody has to judge."""
        bearer, form = await self._doors.posted(request)
        asked = await run_in_threadpool(self._ask, bearer, form)
        return self._doors.home(request, f"asked={asked}", "#rights")

    async def take_back(self, request: Request) -> Response:
        """Take a request back that is not carried out yet."""
        bearer, form = await self._doors.posted(request)
        await run_in_threadpool(rights.take_back, self._desk(), bearer, form, self._world.clock())
        return self._doors.home(request, "asked=back", "#rights")

    async def leave(self, request: Request) -> Response:
        """End the visit."""
        response = self._doors.page(request, "left.html")
        response.delete_cookie(COOKIE, path=HOME, httponly=True, samesite="lax")
        return response

    async def close(self, request: Request) -> Response:
        """End this visit and every link to this page that was ever sent, for one may have got into wrong hands."""
        bearer, _ = await self._doors.posted(request)
        gate, now = self._doors.gate, self._world.clock()
        await run_in_threadpool(close_links, self._world.database, gate, bearer.token, now)
        return await self.leave(request)

    async def style(self, _request: Request) -> Response:
        """Return the style sheet, the same as the console's."""
        return Response(self._css, media_type="text/css", headers={"cache-control": "no-cache"})

    def _shown(self, bearer: Bearer) -> dict[str, Any]:
        world, now = self._world, self._world.clock()
        if world.consents is None:
            raise BackendMissing("a consent ledger")
        choices = world.consents.choices(bearer.token, at=now)
        profile_id = world.profiles.find(bearer.token)
        known = profile_id is not None and self._is_theirs(bearer, profile_id)
        data = self._data(profile_id, choices) if known and profile_id is not None else None
        asked = of_person(world.requests, bearer.token) if world.requests is not None else ()
        none = rights.Open((), (), (), lift=False, erasing=False)
        return {
            "kind": bearer.kind,
            "choices": choices,
            "described": {choice.purpose: choice.description for choice in choices},
            "entries": held.shown(world.consents.said(bearer.token)),
            "receipts": world.notary is not None,
            "public_key": _told(public_key(world)),
            "uncertain": profile_id is not None and not known,
            "data": data,
            "may": rights.offered(choices, data.fields if data else (), asked) if world.requests is not None else none,
            "requests": [self._line(world.requests, one, now) for one in asked] if world.requests is not None else [],
            "readers": held.readers(world.database, profile_id) if known and profile_id is not None else (),
        }

    def _line(self, desk: Desk, request: Any, at: datetime) -> dict[str, Any]:
        until = ready_until(desk, request)
        return {
            "id": request.id,
            "right": request.right,
            "lifts": bool(request.details.get("lift")),
            "status": request.status,
            "received_at": request.received_at,
            "due_at": request.due_at - timedelta(seconds=1),  # the first moment that is too late is the day after
            "counterfoil": self._doors.gate.counterfoil(request.id, at),
            "ready_until": until if self._world.privacy is not None else None,
            "can_be_taken_back": rights.can_be_taken_back(request),
        }

    def _is_theirs(self, bearer: Bearer, profile_id: ProfileId) -> bool:
        """Say whether the identifier is surely this profile's: what hangs on a guess may be another person's data."""
        return self._world.profiles.links(profile_id).get(bearer.token) in GRANT_LINKS["person"]

    def _data(self, profile_id: ProfileId, choices: tuple[Choice, ...]) -> held.Held:
        if not self._world.audit.room():
            raise AuditBehind
        purposes = [choice.purpose for choice in choices]
        data = held.held(self._world.profiles, profile_id, purposes)
        self._world.audit.note(held.SUBJECT, Purpose("access"), profile_id, "centre")
        return data

    def _record(self, bearer: Bearer, form: dict[str, str]) -> str:
        consents, now = self._world.consents, self._world.clock()
        if consents is None:
            raise BackendMissing("a consent ledger")
        for word in _words(consents.choices(bearer.token, at=now), form.get("purpose", ""), form.get("answer", "")):
            consents.record(
                Statement(
                    identifier=Known(bearer.kind, "", bearer.token),  # the value itself is not known here
                    purpose=word.purpose,
                    action=word.action,
                    mechanism="centre",
                    occurred_at=now,
                    received_at=now,
                    actor="subject",
                    notice=word.notice,
                )
            )
        return "yes" if form.get("answer") == "yes" else "no"

    def _ask(self, bearer: Bearer, form: dict[str, str]) -> str:
        world, desk, now = self._world, self._desk(), self._world.clock()
        if world.consents is None:
            raise BackendMissing("a consent ledger")
        if world.privacy is not None:
            world.privacy.slowly(f"subject {desk.mark(bearer.token)}")
        profile_id = world.profiles.find(bearer.token)
        value, fields = "", tuple[str, ...]()
        if profile_id is not None and self._is_theirs(bearer, profile_id):
            data = held.held(world.profiles, profile_id, world.consents.purposes())
            value = held.value_of(data, world.tongue, bearer.kind, bearer.token)
            fields = data.fields
        choices = world.consents.choices(bearer.token, at=now)
        may = rights.offered(choices, fields, of_person(desk, bearer.token))
        made = rights.ask(desk, bearer, form, value=value, may=may, at=now)
        if not made.open:
            return "before"
        if world.privacy is not None:
            world.privacy.at_once(made, now)
        return made.right

    def _desk(self) -> Desk:
        if self._world.requests is None:
            raise BackendMissing("a desk for privacy requests")
        return self._world.requests


def _told(key: bytes | None) -> str | None:
    return None if key is None else encoded(key)


def _encrypted(request: Request) -> bool:
    # The proxy that ends TLS says so; whoever says it without one only keeps their own cookie from being sent.
    told = request.headers.get("x-forwarded-proto", request.url.scheme)
    return told.partition(",")[0].strip().lower() == "https"


@dataclass(frozen=True, slots=True)
class Word:
    """What an answer comes to in the ledger."""

    purpose: Purpose
    action: str
    notice: str | None = None


def _words(choices: Sequence[Choice], purpose: str, answer: str) -> list[Word]:
    """Return an answer's words; raise `Unclear` for what the page does not offer."""
    if answer == "stop":
        # One for each purpose, not one about all: a later yes lifts only a no of its own scope.
        return [Word(one.purpose, one.no) for one in choices if one.no is not None]
    for one in choices:
        if one.purpose == purpose and answer == "yes" and one.yes is not None:
            return [Word(one.purpose, one.yes, one.notice)]
        if one.purpose == purpose and answer == "no" and one.no is not None:
            return [Word(one.purpose, one.no)]
    raise Unclear("incomplete")
