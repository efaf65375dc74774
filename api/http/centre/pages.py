"""The preference centre's routes: come in by a link, see, choose, leave. Forms and pages; no script anywhere."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.http.centre import held, rights
from api.http.centre.link import COOKIE, HOME, VISIT_LASTS, Bearer, Gate
from api.http.centre.wording import Language, preferred
from api.http.console import words
from api.http.errors import AuditBehind, BackendMissing
from api.http.html import HEADERS, form_of, from_elsewhere, templates
from api.http.ports import Known, Statement
from api.http.problems import TITLE, status_of
from api.http.world import World
from consent.choices import Choice
from consent.model import GRANT_LINKS
from consent.requests.mine import of_person
from infra.errors import KindredError, Malformed, Refused
from infra.ids import ProfileId, Purpose

_HERE = Path(__file__).parent
_STYLE = _HERE.parent / "console" / "console.css"
_HEADERS: Final = {**HEADERS, "x-robots-tag": "noindex"}
_LARGEST_FORM: Final = 4_096

Handler = Callable[[Request], Awaitable[Response]]


class NotComeIn(Refused):
    """Somebody without a link or a visit that holds."""

    def __init__(self) -> None:
        super().__init__("the link is not valid or has run out; ask for a new one")


def centre_router(world: World) -> APIRouter:
    """Return the centre's routes, none of them in the OpenAPI document: they are for people."""
    centre = Centre(world)
    router = APIRouter(include_in_schema=False)
    for method, path, handler in (
        ("GET", f"{HOME}/enter/{{signed}}", centre.enter),
        ("GET", HOME, centre.home),
        ("POST", HOME, centre.choose),
        ("POST", f"{HOME}/ask", centre.ask),
        ("POST", f"{HOME}/leave", centre.leave),
        ("GET", f"{HOME}/style.css", centre.style),
    ):
        router.add_route(path, centre.guarded(handler), methods=[method])
    return router


class Centre:
    """The pages of one server for the people whose data it serves."""

    def __init__(self, world: World) -> None:
        self._world, self._gate, self._css = world, Gate(world.tongue.key), _STYLE.read_bytes()
        self._languages = world.languages
        everywhere = {"words": words, "shop": world.name, "zone": world.zone, "languages": self._languages}
        self._pages = templates(_HERE / "templates", **everywhere)

    def guarded(self, handler: Handler) -> Handler:
        """Return a handler whose failures are pages in the visitor's language."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except NotComeIn:
                return self._page(request, "gone.html", 403)
            except KindredError as error:
                status = status_of(error)
                if status == 500:
                    raise
                return self._page(request, "error.html", status, title=TITLE[status], detail=str(error))

        return answer

    async def enter(self, request: Request) -> Response:
        """Open a visit for whoever holds a link; the link itself leaves the address bar."""
        now = self._world.clock()
        bearer = self._gate.follow(request.path_params["signed"], now)
        if bearer is None:
            raise NotComeIn
        response = RedirectResponse(HOME, 303, headers=_HEADERS)
        # Lax: the link stands in a mail, and the browser must send the cookie along where it leads.
        response.set_cookie(
            COOKIE,
            self._gate.visit(bearer, now),
            max_age=int(VISIT_LASTS.total_seconds()),
            path=HOME,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    async def home(self, request: Request) -> Response:
        """Show a person their choices, their data, who read it and what they said."""
        bearer, cookie = self._visit(request)
        shown = await run_in_threadpool(self._shown, bearer)
        shown |= {name: request.query_params.get(name) for name in ("saved", "asked")}
        return self._page(request, "home.html", word=self._gate.word(cookie), **shown)

    async def choose(self, request: Request) -> Response:
        """Keep an answer; a no is obeyed by every reader before this returns."""
        bearer, form = await self._posted(request)
        answer = await run_in_threadpool(self._record, bearer, form)
        language = f"&lang={self._code(request)}" if "lang" in request.query_params else ""
        return RedirectResponse(f"{HOME}?saved={answer}{language}", 303, headers=_HEADERS)

    async def ask(self, request: Request) -> Response:
        """Take a request down: the link has proved whose it is."""
        bearer, form = await self._posted(request)
        asked = await run_in_threadpool(self._ask, bearer, form)
        language = f"&lang={self._code(request)}" if "lang" in request.query_params else ""
        return RedirectResponse(f"{HOME}?asked={asked}{language}#rights", 303, headers=_HEADERS)

    async def leave(self, request: Request) -> Response:
        """End the visit."""
        response = self._page(request, "left.html")
        response.delete_cookie(COOKIE, path=HOME, httponly=True, samesite="lax")
        return response

    async def style(self, _request: Request) -> Response:
        """Return the style sheet, the same as the console's."""
        return Response(self._css, media_type="text/css", headers={"cache-control": "no-cache"})

    async def _posted(self, request: Request) -> tuple[Bearer, dict[str, str]]:
        bearer, cookie = self._visit(request)
        form = await form_of(request, _LARGEST_FORM)
        if from_elsewhere(request) or not self._gate.same_word(cookie, form.get("word", "")):
            raise NotComeIn
        return bearer, form

    def _visit(self, request: Request) -> tuple[Bearer, str]:
        cookie = request.cookies.get(COOKIE, "")
        bearer = self._gate.visitor(cookie, self._world.clock())
        if bearer is None:
            raise NotComeIn
        return bearer, cookie

    def _shown(self, bearer: Bearer) -> dict[str, Any]:
        world = self._world
        if world.consents is None:
            raise BackendMissing("a consent ledger")
        choices = world.consents.choices(bearer.token, at=world.clock())
        entries = held.shown(world.consents.said(bearer.token))
        profile_id = world.profiles.find(bearer.token)
        known = profile_id is not None and self._is_theirs(bearer, profile_id)
        return {
            "kind": bearer.kind,
            "choices": choices,
            "described": {choice.purpose: choice.description for choice in choices},
            "entries": entries,
            "uncertain": profile_id is not None and not known,
            "data": self._data(profile_id, choices) if known and profile_id is not None else None,
            "rights": rights.OFFERED if world.requests is not None else (),
            "requests": of_person(world.requests, bearer.token) if world.requests is not None else (),
            "readers": held.readers(world.database, profile_id) if known and profile_id is not None else (),
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
        world = self._world
        if world.requests is None:
            raise BackendMissing("a desk for privacy requests")
        profile_id = world.profiles.find(bearer.token)
        value, fields = "", tuple[str, ...]()
        if profile_id is not None and self._is_theirs(bearer, profile_id) and world.consents is not None:
            data = held.held(world.profiles, profile_id, world.consents.purposes())
            value = held.value_of(data, world.tongue, bearer.kind, bearer.token)
            fields = data.fields
        made = rights.ask(world.requests, bearer, form, value=value, correctable=fields, at=world.clock())
        return made.right if made.open else "before"

    def _code(self, request: Request) -> str:
        asked = request.query_params.get("lang", "")
        return (
            asked
            if asked in self._languages
            else preferred(request.headers.get("accept-language", ""), self._languages)
        )

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        code = self._code(request)
        text: Language = self._languages[code]
        chosen = "lang" in request.query_params
        html = self._pages.get_template(template).render(text=text, code=code, chosen=chosen, **values)
        return Response(html, status, media_type="text/html", headers={**_HEADERS, "content-language": code})


@dataclass(frozen=True, slots=True)
class Word:
    """What an answer comes to in the ledger."""

    purpose: Purpose
    action: str
    notice: str | None = None


def _words(choices: Sequence[Choice], purpose: str, answer: str) -> list[Word]:
    """Return an answer's words; raise `Malformed` for what the page does not offer."""
    if answer == "stop":
        # One for each purpose, not one about all: a later yes lifts only a no of its own scope.
        return [Word(one.purpose, one.no) for one in choices if one.no is not None]
    for one in choices:
        if one.purpose == purpose and answer == "yes" and one.yes is not None:
            return [Word(one.purpose, one.yes, one.notice)]
        if one.purpose == purpose and answer == "no" and one.no is not None:
            return [Word(one.purpose, one.no)]
    raise Malformed("the form is not complete; choose a purpose and an answer that the page offers")
