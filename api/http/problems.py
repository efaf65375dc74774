"""From errors to RFC 9457 problem documents: one table, and no personal value in any of them."""

import logging
import math
import secrets
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.http import errors as asked
from infra import errors as house
from infra.serving.store import NothingPublished
from profiles.changefeed.errors import PlaceGone, PlaceUnknown
from profiles.history.errors import PastWithheld

LOG = logging.getLogger("kindred.http")
MEDIA_TYPE = "application/problem+json"
OUR_FAULT = "something failed that should not have; the operator finds it in the log under error_id"

# The one table. The nearest class in an error's line of descent counts.
STATUS: Mapping[type[house.KindredError], int] = {
    asked.Unauthenticated: 401,
    asked.CutShort: 400,
    asked.TooSlow: 408,
    asked.TooLarge: 413,
    asked.TooFast: 429,
    PlaceUnknown: 400,
    PlaceGone: 410,
    PastWithheld: 410,
    house.Malformed: 422,
    house.Missing: 404,
    NothingPublished: 503,  # nobody is unknown to a store that knows nothing
    house.Refused: 403,
    house.Held: 409,
    house.Unavailable: 503,
    house.KindredError: 500,
}
TITLE = {
    400: "The request cannot be read",
    401: "Who is asking?",
    403: "Not allowed",
    404: "Not here",
    405: "Not with this method",
    408: "Too slow",
    409: "Held by another",
    410: "Gone",
    413: "Too large",
    415: "Not in this media type",
    422: "Not as declared",
    429: "Too fast",
    500: "Our fault",
    503: "Not available now",
}
_AS_WRITTEN = "as RFC 3339 writes it, for example 2026-11-22T09:30:00Z"
_WRONG = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "json_invalid": "is not valid JSON",
    "string_type": "is not text",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "does not have the declared form",
    "literal_error": "is not one of the declared values",
    "model_attributes_type": "is not an object",
    "dict_type": "is not an object",
    "list_type": "is not a list",
    "string_unicode": "is not text that Unicode has",
    "too_long": "has too many entries",
    "too_short": "has too few entries",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is too large",
    "float_parsing": "is not a number",
    "bool_parsing": "is neither true nor false",
    "timezone_aware": "has no time zone",
    "datetime_range": "is outside the calendar",
    "datetime_form": f"is not a moment {_AS_WRITTEN}",
    "datetime_parsing": f"is not a moment that we know, {_AS_WRITTEN}",
    "datetime_from_date_parsing": f"is not a moment that we know, {_AS_WRITTEN}",
}
EXAMPLE: dict[str, JsonValue] = {
    "type": "urn:kindred:problem:profile-hidden",
    "title": TITLE[404],
    "status": 404,
    "detail": "there is no profile here that this purpose may see",
}


class Wrong(BaseModel):
    """A place in a request that is not as declared; never the value that stood there."""

    pointer: str
    wrong: str


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    type: str
    title: str
    status: int
    detail: str
    error_id: str | None = Field(default=None, description="under which the operator finds our fault in the log")
    errors: list[Wrong] | None = Field(default=None, description="what is not as declared, and where")


def problem(
    status: int,
    detail: str,
    *,
    slug: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """Return a problem document with the title of its status."""
    title = TITLE.get(status, "Something is wrong")
    body = {
        "type": f"urn:kindred:problem:{slug or title.lower().strip('?').replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        **more,
    }
    return Response(
        orjson.dumps(body),
        status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})},
    )


def status_of(error: house.KindredError) -> int:
    """Return the HTTP status of an error of the house."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def foreseen(error: house.KindredError) -> Response:
    """Return the problem of an error of the house; what is our fault keeps its sentence to the log."""
    status = status_of(error)
    if status >= 500 and status != 503:
        return unforeseen(error)
    headers = {"www-authenticate": 'Bearer realm="kindred"'} if status == 401 else {}
    if isinstance(error, asked.TooFast):
        headers |= _paced(error)
    elif status == 503:
        headers["retry-after"] = "1"
    return problem(status, str(error), slug=_slug(error), headers=headers)


def _paced(error: asked.TooFast) -> dict[str, str]:
    # Retry-After as RFC 9110 has it; the other two as the IETF's draft on rate limits does.
    wait = str(max(1, math.ceil(error.wait)))
    if error.quota is None:
        return {"retry-after": wait}
    return {
        "retry-after": wait,
        "ratelimit-policy": f'"{error.policy}";q={error.quota:.0f};w={error.window}',
        "ratelimit": f'"{error.policy}";r=0;t={wait}',
    }


def unforeseen(error: BaseException) -> Response:
    """Return a bare 500; the log gets kind and place of the error, never its message, which may quote values."""
    return problem(500, OUR_FAULT, error_id=reported(error))


def reported(error: BaseException) -> str:
    """Return the id under which the log now has kind and place of an error that nobody foresaw."""
    error_id = secrets.token_hex(8)
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    LOG.error("error %s: %s at %s", error_id, type(error).__name__, places)
    return error_id


async def on_kindred_error(_request: Request, error: Exception) -> Response:
    """Answer an error of the house."""
    assert isinstance(error, house.KindredError)  # noqa: S101 - registered for this class alone
    return foreseen(error)


async def on_database_error(_request: Request, error: Exception) -> Response:
    """Answer while another process holds the database, or it is not there; the error's own words quote values."""
    LOG.warning("the database does not answer: %s", type(error).__name__)
    detail = "the database does not answer now; ask again, with the same Idempotency-Key where there was one"
    return problem(503, detail, headers={"retry-after": "1"})


async def on_any_error(_request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw."""
    return unforeseen(error)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: unknown paths and methods, unreadable bodies."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    detail = {
        400: "the body cannot be read; send JSON in UTF-8",
        404: "there is nothing at this address",
        405: "this address does not answer to this method",
    }.get(error.status_code, TITLE.get(error.status_code, "the request was refused"))
    return problem(error.status_code, detail, headers=error.headers)


def on_invalid(names: frozenset[str]) -> Any:
    """Return the answer to a request that does not fit its declaration, naming places and never values.

    The framework's own answer repeats the offending value, and a stray key may be an email: so only the
    names that we declared ourselves are repeated.
    """

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
        found = [{"pointer": _pointer(entry["loc"], names), "wrong": _wrong(entry["type"])} for entry in error.errors()]
        unread = request.method == "POST" and not _is_json(request.headers.get("content-type", ""))
        if unread and any(entry["loc"][0] == "body" for entry in error.errors()):
            # The framework then reads no JSON at all and would say that the body is no object.
            found = [{"pointer": "/header/content-type", "wrong": "is not application/json"}]
        return problem(422, "the request does not have the declared form", errors=found[:20])

    return answer


def _is_json(media_type: str) -> bool:
    name = media_type.partition(";")[0].strip().lower()
    return name == "application/json" or (name.startswith("application/") and name.endswith("+json"))


def _pointer(path: Sequence[str | int], names: frozenset[str]) -> str:
    return "/" + "/".join(str(step) if isinstance(step, int) or step in names else "*" for step in path)


def _wrong(kind: str) -> str:
    return _WRONG.get(kind, f"is not as declared ({kind.replace('_', ' ')})")


def _slug(error: house.KindredError) -> str:
    name = type(error).__name__
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).strip("-")
