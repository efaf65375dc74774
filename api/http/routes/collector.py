"""The collector's addresses for the OpenAPI document; `api.http.collector` answers them, before the framework does."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBasic
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from api.http import examples
from api.http.asgi import Receive, Scope, Send
from api.http.collector.paths import PATHS, SETTINGS, Path
from api.http.errors import BackendMissing
from api.http.problems import foreseen
from api.http.world import World
from ingestion.collector.forms import MAPPED
from ingestion.collector.wire import BATCH_EVENTS


class _WriteKey(HTTPBasic):
    """Shown in the document; who holds a key is the collector's to find out, for the body may carry it too."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Look at nothing."""
        del request


_KEY = _WriteKey(
    scheme_name="WriteKey", description="A write key as user, made by `kindred keys create`.", auto_error=False
)
router = APIRouter(tags=["collector"], dependencies=[Security(_KEY)])


class Because(BaseModel):
    """The rule that an event breaks, and where."""

    field: str = Field(description="Empty where it is the event as a whole.")
    rule: str
    message: str


class Verdict(BaseModel):
    """What became of one event."""

    messageId: str = Field(description="The event's own, or the one that it was given.")  # noqa: N815 - the wire's names
    verdict: Literal["accepted", "quarantined"]
    because: Because | None = None


class Taken(BaseModel):
    """Every event of a request with its verdict, in the order sent; all of them are durable."""

    success: Literal[True]
    events: list[Verdict]


class Counted(BaseModel):
    """Metrics were counted and are not stored."""

    success: Literal[True]


class Refusal(BaseModel):
    """Why nothing of a request was taken, and what would be right."""

    success: Literal[False]
    code: str
    message: str


# What can only be wrong with a body, and what with events; whoever asks for settings sends neither.
_OF_BODIES, _OF_EVENTS = frozenset({408, 413, 415}), frozenset({400, 429})
_REFUSED = {
    400: "The request cannot be read as events",
    401: "No write key, or one that opens nothing",
    405: "Not with this method",
    408: "The body did not come to its end",
    413: "More bytes than one request may carry",
    415: "A compression that is not understood",
    429: "This key sends too fast, or the event log is nearly full; see Retry-After",
    500: "Our fault",
    503: "The event log takes nothing in now; see Retry-After",
}


class _Handed(Response):
    """Not an answer but who gives it: the same collector that stands before the framework."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the collector."""
        collector = self._world.collector
        await (foreseen(BackendMissing("a collector")) if collector is None else collector)(scope, receive, send)


def _body(path: Path) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if path.form in ("events", "beacon") and path.kind is None:
        schema |= {
            "required": ["batch"],
            "properties": {
                "batch": {"type": "array", "items": {"type": "object"}, "maxItems": BATCH_EVENTS},
                "writeKey": {"type": "string"},
                "sentAt": {"type": "string"},
                "context": {"type": "object"},
                "integrations": {"type": "object"},
            },
        }
    shown = examples.COLLECTED.get(path.kind or path.form, examples.COLLECTED["events"])
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": shown}}}


def _parameters(path: Path) -> list[dict[str, Any]]:
    def parameter(name: str, place: str, said: str) -> dict[str, Any]:
        required = place == "path"
        return {"name": name, "in": place, "required": required, "description": said, "schema": {"type": "string"}}

    if path.form == "settings":
        return [parameter("key", "path", "The write key.")]
    if path.form == "pixel":
        said = "The event as JSON in base64; or its fields as parameters: userId, event, properties.price."
        return [parameter("data", "query", said)]
    if path.form == "beacon":
        return [parameter("writeKey", "query", "The write key, as a beacon can set no header.")]
    if path.form == "webhook":
        told = {"event": "The name of the events.", "writeKey": "The write key, where no header can be set."}
        paths = dict.fromkeys(MAPPED, "A dotted path into each object.")
        return [parameter(name, "query", said) for name, said in {**told, **paths}.items()]
    return []


def _answers(path: Path) -> dict[int | str, dict[str, Any]]:
    absent = frozenset() if path.method == "POST" else _OF_BODIES
    absent |= _OF_EVENTS if path.form == "settings" else frozenset()
    refused: dict[int | str, dict[str, Any]] = {
        status: {"description": said, "model": Refusal} for status, said in _REFUSED.items() if status not in absent
    }
    model = {"events": Taken, "beacon": Taken, "webhook": Taken, "metrics": Counted}.get(path.form)
    if path.form == "pixel":
        good: dict[str, Any] = {"description": "A picture of one pixel", "content": {"image/gif": {}}}
    else:
        good = {"description": "Done", "model": model} if model else {"description": "The SDK's settings"}
    return {200: good, **refused}


def _declare(path: Path, summary: str) -> None:
    async def endpoint(request: Request) -> Response:
        return _Handed(request.app.state.world)

    extra: dict[str, Any] = {"parameters": _parameters(path)}
    if path.method == "POST":
        extra["requestBody"] = _body(path)
    verb = "send" if path.method == "POST" or path.form == "pixel" else "get"
    name = "_".join((verb, *(part.strip("{}") for part in path.template.removeprefix("/v1/").split("/") if part)))
    router.add_api_route(
        path.template,
        endpoint,
        methods=[path.method],
        summary=summary,
        name=name,
        responses=_answers(path),
        response_class=Response if path.form == "pixel" else JSONResponse,
        response_model=None,
        openapi_extra=extra,
    )


_SUMMARIES: dict[str, str] = {
    "events": "Take events in",
    "beacon": "Take events in that a browser sends when its page is left",
    "pixel": "Take one event in, by the address of a picture",
    "webhook": "Take a stranger's objects in, as track events",
    "metrics": "Count what an SDK measured of itself",
    "settings": "What an SDK asks before it sends",
}
for _path in (*PATHS.values(), *SETTINGS):
    _declare(_path, _SUMMARIES[_path.form])
