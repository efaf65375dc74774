"""How every page of the centre is come to and answered: visits, forms, languages, and failures in plain words."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.http.centre import wording
from api.http.centre.closed import is_closed
from api.http.centre.link import COOKIE, HOME, Bearer, Gate
from api.http.centre.wording import Language, preferred
from api.http.console import words
from api.http.html import HEADERS, form_of, from_elsewhere, templates
from api.http.problems import status_of
from api.http.world import World
from consent.errors import NotSealed
from consent.requests.errors import NoSuchRequest, NotNow
from infra.errors import Held, KindredError, Malformed, Refused, Unavailable

_HEADERS: Final = {**HEADERS, "x-robots-tag": "noindex"}
_LARGEST_FORM: Final = 4_096

Handler = Callable[[Request], Awaitable[Response]]


class NotComeIn(Refused):
    """Somebody without a link or a visit that holds; forged, run out and withdrawn look alike."""

    def __init__(self) -> None:
        super().__init__("the link is not valid or has run out; ask for a new one")


class Stale(Refused):
    """A form that was made for another visit, or sent by another site's page."""

    def __init__(self) -> None:
        super().__init__("this form was not made for this visit; open the page again")


class Unclear(Malformed):
    """A form that does not say what the page needs; `code` names the text that tells what would be right."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"the form cannot be used: {code}")


class Doors:
    """What all pages of the centre are made with."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.gate = world, Gate(world.tongue.key)
        self._languages = world.languages
        everywhere = {
            "words": words,
            "shop": world.name,
            "languages": self._languages,
            "day": lambda text, moment: wording.day(text, moment, world.zone),
            "value": lambda text, told: wording.value(text, told, world.zone),
        }
        self._pages = templates(folder, **everywhere)

    def guarded(self, handler: Handler) -> Handler:
        """Return a handler whose failures are pages in the visitor's language, and say nothing of anybody's data."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except (NotComeIn, NoSuchRequest):
                return self.page(request, "gone.html", 403)
            except KindredError as error:
                status = status_of(error)
                if status == 500:
                    raise
                return self.page(request, "error.html", status, wrong=_wrong(error))

        return answer

    async def let_in(self, bearer: Bearer | None) -> Bearer:
        """Return who came by a link that still holds; raise `NotComeIn` for forged, run out and closed ones alike."""
        if bearer is None or await run_in_threadpool(is_closed, self.world.database, self.gate, bearer):
            raise NotComeIn
        return bearer

    async def visit(self, request: Request) -> tuple[Bearer, str]:
        """Return who is on a visit and its cookie; raise `NotComeIn` where nobody is."""
        cookie = request.cookies.get(COOKIE, "")
        return await self.let_in(self.gate.visitor(cookie, self.world.clock())), cookie

    async def posted(self, request: Request) -> tuple[Bearer, dict[str, str]]:
        """Return who is on a visit and the form that they sent; raise `Stale` for one of another visit."""
        bearer, cookie = await self.visit(request)
        if len(await request.body()) > _LARGEST_FORM:
            raise Unclear("too_large")
        form = await form_of(request)
        if from_elsewhere(request) or not self.gate.same_word(cookie, form.get("word", "")):
            raise Stale
        return bearer, form

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page in the visitor's language."""
        code = self._code(request)
        text: Language = self._languages[code]
        chosen = "lang" in request.query_params
        values |= {"text": text, "code": code, "chosen": chosen, "ask": f"?lang={code}" if chosen else ""}
        html = self._pages.get_template(template).render(**values)
        return Response(html, status, media_type="text/html", headers={**_HEADERS, "content-language": code})

    def home(self, request: Request, said: str = "", place: str = "") -> Response:
        """Return the way back to the page after a form, in the language in which it was sent."""
        asked = [said] if said else []
        asked += [f"lang={self._code(request)}"] if "lang" in request.query_params else []
        query = f"?{'&'.join(asked)}" if asked else ""
        return RedirectResponse(f"{HOME}{query}{place}", 303, headers=_HEADERS)

    def file(self, content: bytes, media_type: str, name: str) -> Response:
        """Return a file to keep; its name tells nothing of whose it is."""
        kept = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type=media_type, headers={**_HEADERS, **kept})

    def _code(self, request: Request) -> str:
        asked = request.query_params.get("lang", "")
        if asked in self._languages:
            return asked
        return preferred(request.headers.get("accept-language", ""), self._languages)


def _wrong(error: KindredError) -> str:
    """Return the name of the text that tells a person what went wrong; the error's own words are for programs."""
    if isinstance(error, Unclear):
        return error.code
    if isinstance(error, NotSealed):
        return "not_sealed"
    if isinstance(error, Stale):
        return "stale"
    if isinstance(error, NotNow | Held):
        return "not_ready"
    return "later" if isinstance(error, Unavailable) else "incomplete"
