"""The console's routes: sign in, search, one page per person, and a form for what the person said."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.http import reviewing
from api.http.console import asked, board, words
from api.http.console.doors import LoginNeeded, NotLocal, Visitor, local_only, same_site, visitor
from api.http.console.people import Desk
from api.http.console.session import COOKIE, LIFETIME, sealed, signing_key
from api.http.errors import ProfileHidden, Unauthenticated
from api.http.html import HEADERS, form_of, from_elsewhere, templates
from api.http.problems import TITLE, status_of
from api.http.reading import etag
from api.http.world import World
from consent.residue.certificate import written
from infra.errors import KindredError
from infra.ids import ProfileId

_HERE = Path(__file__).parent
_SHOWN = 30
# A page that is followed comes anew after so many seconds: the header does it, for our pages have no script.
_FOLLOWED = {"refresh": "2"}

Handler = Callable[..., Awaitable[Response]]


def console_router(world: World) -> APIRouter:
    """Return the console's routes, none of them in the OpenAPI document: they are for people."""
    console = Console(world)
    router = APIRouter(include_in_schema=False)
    for method, path, handler in (
        ("GET", "/login", console.login_form),
        ("POST", "/login", console.login),
        ("POST", "/logout", console.logout),
        ("GET", "/", console.home),
        ("POST", "/search", console.search),
        ("GET", "/people/{profile_id}", console.person),
        ("POST", "/people/{profile_id}/consent", console.say),
        ("GET", "/people/{profile_id}/consent", console.permissions),
        ("GET", "/requests", console.requests),
        ("POST", "/requests", console.take),
        ("GET", "/requests/{request_id}", console.request),
        ("POST", "/requests/{request_id}", console.act),
        ("POST", "/requests/{request_id}/answer", console.answer),
        ("GET", "/requests/{request_id}/certificate", console.certificate),
        ("GET", "/review", console.review),
        ("GET", "/review/{task_id}", console.question),
        ("POST", "/review/{task_id}", console.decide),
        ("GET", "/console.css", console.style),
    ):
        router.add_route(path, console.guarded(handler), methods=[method])
    return router


class Console:
    """The pages of one server."""

    def __init__(self, world: World) -> None:
        self._world, self._key, self._desk = world, signing_key(world.tongue.key), Desk(world)
        self._pages = templates(_HERE / "templates", words=words, shop=world.name)
        self._css = (_HERE / "console.css").read_bytes()

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler whose failures are pages too, and which sends strangers to the login."""

        async def answer(request: Request) -> Response:
            try:
                local_only(request)
                return await handler(request)
            except LoginNeeded:
                return RedirectResponse("/login", 303, headers=HEADERS)
            except KindredError as error:
                status = status_of(error)
                if status == 500:
                    raise
                shown = {"title": TITLE[status], "detail": str(error), "visitor": await self._whoever(request)}
                return self._page("error.html", status, **shown)

        return answer

    async def style(self, request: Request) -> Response:
        """Return the style sheet."""
        tag = etag(self._css).decode()
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers={"etag": tag})
        return Response(self._css, media_type="text/css", headers={"etag": tag, "cache-control": "no-cache"})

    async def login_form(self, _request: Request) -> Response:
        """Show the form that asks for a key."""
        return self._page("login.html", wrong=False, visitor=None)

    async def login(self, request: Request) -> Response:
        """Open a session for a key of the console, by cookie; a form posted from elsewhere opens nothing."""
        key = (await form_of(request)).get("key", "").strip()
        try:
            credential = await run_in_threadpool(self._world.ring.credential, key)
        except Unauthenticated:
            credential = None
        if credential is None or from_elsewhere(request) or not credential.may("console"):
            return self._page("login.html", 403, wrong=True, visitor=None)
        response = RedirectResponse("/", 303, headers=HEADERS)
        cookie = sealed(self._key, credential.key_id, self._world.clock())
        seconds = int(LIFETIME.total_seconds())
        response.set_cookie(COOKIE, cookie, max_age=seconds, path="/", httponly=True, samesite="strict")
        return response

    async def logout(self, request: Request) -> Response:
        """Forget the session."""
        await self._posted(request)
        response = RedirectResponse("/login", 303, headers=HEADERS)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    async def home(self, request: Request) -> Response:
        """Show the search box, which asks for what one looks."""
        return self._found(await self._visitor(request), 200)

    async def search(self, request: Request) -> Response:
        """Find a person by any identifier and go there, else people by name; what was typed is not repeated."""
        who, form = await self._posted(request)
        purpose, words_ = form.get("purpose", ""), form.get("q", "")
        if not purpose:
            return self._found(who, 422, unsaid=True)
        found = await run_in_threadpool(self._desk.find, who.credential, words_, purpose)
        if found is not None:
            return RedirectResponse(f"/people/{found}?purpose={quote(purpose)}", 303, headers=HEADERS)
        matches = await run_in_threadpool(self._desk.named, who.credential, words_, purpose)
        return self._found(who, 200 if matches else 404, nobody=not matches, matches=matches, purpose=purpose)

    def _found(self, who: Visitor, status: int, **shown: Any) -> Response:
        empty = {"nobody": False, "unsaid": False, "matches": [], "purpose": ""}
        return self._page("home.html", status, visitor=who, **{**empty, **shown})

    async def person(self, request: Request) -> Response:
        """Show one person."""
        who = await self._visitor(request)
        asked = ProfileId(request.path_params["profile_id"])
        wanted = request.query_params.get("purpose")
        try:
            shown = await run_in_threadpool(self._desk.page, who.credential, asked, wanted)
        except ProfileHidden:
            if not await run_in_threadpool(self._desk.hidden_but_known, who.credential, asked):
                raise
            return RedirectResponse(f"/people/{asked}/consent", 303, headers=HEADERS)
        if isinstance(shown, tuple):
            return self._page("split.html", 300, visitor=who, successors=shown)
        if shown.profile_id != asked:
            kept = {name: value for name, value in request.query_params.items() if name in {"purpose", "live"}}
            same = f"?{urlencode(kept)}" if kept else ""
            return RedirectResponse(f"/people/{shown.profile_id}{same}", 308, headers=HEADERS)
        consent = await run_in_threadpool(self._desk.consent, who.credential, shown.profile_id)
        every = request.query_params.get("events") == "all"
        followed = request.query_params.get("live") == "1"
        answer = self._page(
            "person.html",
            visitor=who,
            page=shown,
            consent=consent,
            months=shown.months if every else shown.newest(_SHOWN),
            recorded=request.query_params.get("recorded") == "1",
            followed=followed,
        )
        if followed:
            answer.headers.update(_FOLLOWED)
        return answer

    async def say(self, request: Request) -> Response:
        """Record what the person said about a purpose and show the page again, which obeys at once."""
        who, form = await self._posted(request)
        profile_id = ProfileId(request.path_params["profile_id"])
        await run_in_threadpool(self._desk.record, who.credential, profile_id, form)
        return RedirectResponse(f"/people/{profile_id}?recorded=1#consent", 303, headers=HEADERS)

    async def permissions(self, request: Request) -> Response:
        """Show what was allowed at a moment, why, and on which words it rested."""
        who = await self._visitor(request)
        profile_id = ProfileId(request.path_params["profile_id"])
        at = words.typed(request.query_params.get("at", ""), self._world.zone) or self._world.clock()
        shown = await run_in_threadpool(self._desk.permissions, who.credential, profile_id, at)
        local = at.astimezone(self._world.zone)
        return self._page("consent.html", visitor=who, profile_id=profile_id, at=local, zone=self._world.zone, **shown)

    async def requests(self, request: Request) -> Response:
        """List the privacy requests with their clocks."""
        who = await self._visitor(request)
        shown = await run_in_threadpool(board.board, self._world, who.credential)
        return self._page("requests.html", visitor=who, zone=self._world.zone, urgency=board.urgency, **shown)

    async def request(self, request: Request) -> Response:
        """Show one privacy request, every step of it, and what can be done."""
        who = await self._visitor(request)
        asked_id = request.path_params["request_id"]
        shown = await run_in_threadpool(board.sheet, self._world, who.credential, asked_id)
        return self._page("request.html", visitor=who, zone=self._world.zone, urgency=board.urgency, **shown)

    async def act(self, request: Request) -> Response:
        """Do what an officer's form says with a request, and show it again."""
        who, form = await self._posted(request)
        asked_id = request.path_params["request_id"]
        done = await run_in_threadpool(board.act, self._world, who.credential, asked_id, form)
        return RedirectResponse(f"/requests/{done.id}", 303, headers=HEADERS)

    async def take(self, request: Request) -> Response:
        """Take a request down and show it; whom it is about travels in the body alone."""
        who, form = await self._posted(request)
        made = await run_in_threadpool(board.take, self._world, who.credential, form)
        return RedirectResponse(f"/requests/{made.id}", 303, headers=HEADERS)

    async def answer(self, request: Request) -> Response:
        """Hand the copy out that a person asked for; that it was, and to whom, is a step of the request."""
        who, form = await self._posted(request)
        asked_id = request.path_params["request_id"]
        content, end = await run_in_threadpool(board.answer, self._world, who.credential, asked_id, form)
        return _file(content, "application/zip" if end == "zip" else "application/json", f"{asked_id}.{end}")

    async def certificate(self, request: Request) -> Response:
        """Hand out the certificate of an erasure, to the byte as it was signed."""
        who = await self._visitor(request)
        asked_id = request.path_params["request_id"]
        certified = await run_in_threadpool(board.certificate, self._world, who.credential, asked_id)
        return _file(written(certified.certificate), "application/json", f"certificate-{asked_id[:8]}.json")

    async def review(self, request: Request) -> Response:
        """List what waits for a steward."""
        who = await self._visitor(request)
        kind = request.query_params.get("kind")
        shown = await run_in_threadpool(asked.waiting, self._world, who.credential, kind)
        return self._page("review.html", visitor=who, decided=request.query_params.get("decided"), **shown)

    async def question(self, request: Request) -> Response:
        """Show one question with the two records side by side, and the three answers."""
        who = await self._visitor(request)
        task_id = request.path_params["task_id"]
        shown = await run_in_threadpool(asked.sheet, self._world, who.credential, task_id)
        return self._page("question.html", visitor=who, **shown)

    async def decide(self, request: Request) -> Response:
        """Keep a steward's answer and go on with the next question."""
        who, form = await self._posted(request)
        task_id = request.path_params["task_id"]
        said = asked.answer(form, self._world.zone)
        await run_in_threadpool(reviewing.answered, self._world, who.credential, task_id, said)
        return RedirectResponse(f"/review?decided={said['answer']}", 303, headers=HEADERS)

    async def _visitor(self, request: Request) -> Visitor:
        return await run_in_threadpool(visitor, request, self._world, self._key)

    async def _whoever(self, request: Request) -> Visitor | None:
        """Return who sits there, for a page that strangers see too."""
        try:
            return await self._visitor(request)
        except (LoginNeeded, NotLocal):
            return None

    async def _posted(self, request: Request) -> tuple[Visitor, dict[str, str]]:
        who, form = await self._visitor(request), await form_of(request)
        same_site(request, who.session, form.get("word", ""))
        return who, form

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        who = values.get("visitor")
        looks_for = self._desk.purposes(who.credential) if who is not None else ()
        html = self._pages.get_template(template).render(looks_for=looks_for, **values)
        return Response(html, status, media_type="text/html", headers=HEADERS)


def _file(content: bytes, media_type: str, name: str) -> Response:
    kept = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers={**HEADERS, **kept})
