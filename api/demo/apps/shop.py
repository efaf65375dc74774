"""A web shop's home page: who logs in sees what they like, who withdraws sees what everybody sees, at once.

export KINDRED_URL=… KINDRED_READ_KEY=… KINDRED_CONSENT_KEY=… KINDRED_WRITE_KEY=…
export KINDRED_SDK=node_modules/@segment/analytics-next/dist/umd   # or a few lines of its own tell the collector
python shop.py            # then open http://127.0.0.1:8480
"""

import os
import secrets
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from jinja2 import Environment, FileSystemLoader
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

from kindred_client import AsyncKindred, Invalid, KindredError, NextBest, NotFound, Profile

PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
Who = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Collector:
    """Where the browser sends its events, by which key and SDK, and where a console shows what becomes of them."""

    url: str
    key: str
    sdk: str | None = None
    console: str | None = None


def create_app(reader: AsyncKindred, writer: AsyncKindred, collector: Collector) -> FastAPI:
    """Return the shop over two keys: one that reads and decides, one that writes consent."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await reader.close()
        await writer.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_middleware(SessionMiddleware, secret_key=secrets.token_hex(32), same_site="strict")

    if collector.sdk:
        app.mount("/sdk", StaticFiles(directory=collector.sdk))

    @app.get("/")
    async def home(request: Request) -> HTMLResponse:
        who = _who(request)
        person, best = await _seen(reader, who)
        nonce, visitor = secrets.token_urlsafe(16), request.session["visitor"]
        page = PAGES.get_template("shop.html").render(
            who=who, person=person, best=best, nonce=nonce, visitor=visitor, collector=collector
        )
        scripts = f"'nonce-{nonce}' 'self'" if collector.sdk else f"'nonce-{nonce}'"
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src {scripts}; form-action 'self'"
        told = {"content-security-policy": f"{policy}; connect-src {collector.url}", "cache-control": "no-store"}
        return HTMLResponse(page, headers=told)

    @app.post("/login")
    async def login(request: Request, who: Annotated[str, Form(max_length=320)]) -> RedirectResponse:
        request.session["login"] = ["email" if "@" in who else "account", who.strip()]
        return RedirectResponse("/", 303)

    @app.post("/logout")
    async def logout(request: Request) -> RedirectResponse:
        request.session.clear()
        return RedirectResponse("/", 303)

    @app.post("/offers")
    async def offers(request: Request, wanted: Annotated[bool, Form()]) -> Response:
        action = "given" if wanted else "withdrawn"
        try:
            await writer.consent(*_who(request), purpose="personalization", action=action, mechanism="centre")
        except KindredError:
            return HTMLResponse("That could not be taken down just now. Please try again in a minute.", 503)
        return RedirectResponse("/", 303)

    return app


async def _seen(reader: AsyncKindred, who: Who) -> tuple[Profile | None, NextBest | None]:
    """Return who it is as personalization may see them, and what to show; a shop sells without either, too."""
    person, known = None, True
    try:
        person = await reader.lookup(*who, purpose="personalization", fields=["attributes.given_name", "traits.*"])
    except (NotFound, Invalid):
        known = False  # a stranger: unknown, or one who does not want this
    except KindredError:
        return None, None
    try:
        return person, await reader.decide(*(who if known else (None, None)), channel="web")
    except KindredError:
        return person, None


def _who(request: Request) -> Who:
    """Return who is at the shop: who logged in, else the cookie of this browser."""
    visitor = request.session.setdefault("visitor", str(uuid.uuid4()))
    kind, value = request.session.get("login") or ("cookie", visitor)
    return kind, value


def from_environment() -> FastAPI:
    """Return the shop over the server that the environment names."""
    names = ("URL", "READ_KEY", "CONSENT_KEY", "WRITE_KEY")
    url, read, write, events = (os.environ[f"KINDRED_{name}"] for name in names)
    collector = Collector(url, events, os.environ.get("KINDRED_SDK"), os.environ.get("KINDRED_CONSOLE"))
    return create_app(AsyncKindred(url, read), AsyncKindred(url, write), collector)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8480
    print(f"the shop is open at http://127.0.0.1:{port}", flush=True)
    Granian(
        "shop:from_environment", port=port, interface=Interfaces.ASGI, factory=True, log_level=LogLevels.warning
    ).serve()
