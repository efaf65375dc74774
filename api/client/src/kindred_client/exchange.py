"""The one rule set of a call: send, read, keep, wait, try again. It does no input or output itself.

`exchange` is a generator that yields what to do (`Send`, `Wait`) and is sent what came of it; the clients carry it out.
"""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from kindred_client.cache import EtagCache, cache_key
from kindred_client.errors import KINDS, KindredError, Problem, Split, TooFast, Unavailable, Unreachable, Unreadable
from kindred_client.patience import Budget, Patience, retry_after
from kindred_client.wire import Answer, Call, Json, Lost, Reply, Send, Wait

Steps = Generator[Send | Wait, Reply | Lost | None, Answer]
# The server has done nothing when it says these, so that asking again is right whatever was asked.
_UNDONE = frozenset({429})
_LATER = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client asks: its key, its patience, its budget, what it keeps, and where its chance comes from."""

    key: str = field(repr=False)
    patience: Patience
    budget: Budget
    cache: EtagCache
    chance: Callable[[], float]


def exchange(call: Call[Answer], manner: Manner) -> Steps[Answer]:
    """Return the answer to a call, after as many tries as patience and budget allow; raise `KindredError`."""
    place = cache_key(call) if call.cached else b""
    held = manner.cache.get(place) if call.cached else None
    send = _request(call, manner.key, None if held is None else held[0])
    tried, waited = 0, 0.0
    while True:
        got = yield send
        tried += 1
        if isinstance(got, Reply) and got.status == 304 and held is not None:
            manner.budget.earn()
            answer: Answer = held[1]
            return answer
        if isinstance(got, Reply) and got.status in {200, 201, 202}:
            manner.budget.earn()
            return _kept(call, manner.cache, place, got)
        error, after = _failure(got, tried), _after(got)
        if call.cached and isinstance(got, Reply) and got.status not in _LATER:
            manner.cache.drop(place)
        pause = manner.patience.pause(tried, manner.chance(), after)
        if not (_again(call, got) and manner.patience.lasts(tried, waited, pause) and manner.budget.spend()):
            raise error
        waited += pause
        yield Wait(pause)


def _request(call: Call[Any], key: str, etag: str | None) -> Send:
    headers = {"authorization": f"Bearer {key}", "accept": "application/json", **call.headers}
    if etag is not None:
        headers["if-none-match"] = etag
    body = None
    if call.body is not None:
        headers["content-type"] = "application/json"
        # In ASCII, which spells everything: half of a surrogate pair has no UTF-8, and that error would quote the body.
        body = json.dumps(call.body, separators=(",", ":")).encode()
    return Send(call.method, call.path, call.query, body, headers)


def _kept(call: Call[Answer], cache: EtagCache, place: bytes, got: Reply) -> Answer:
    answer = _read(call, got)
    etag = got.headers.get("etag")
    if call.cached and etag:
        cache.put(place, etag, answer)
    return answer


def _read(call: Call[Answer], got: Reply) -> Answer:
    document = _document(got.body)
    if document is None:
        raise Unreadable("it is no JSON object", got.status)
    wrong = None
    try:
        return call.read(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # The error itself may quote what stood there.
        wrong = f"a field is missing or of another kind ({type(error).__name__})"
    raise Unreadable(wrong, got.status)


def _document(body: bytes) -> Json | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _again(call: Call[Any], got: Reply | Lost | None) -> bool:
    """Say whether asking again can help and cannot do harm."""
    if isinstance(got, Reply):
        return got.status in _UNDONE or (got.status in _LATER and call.repeats == "safe")
    return call.repeats == "safe" or (isinstance(got, Lost) and not got.sent)


def _after(got: Reply | Lost | None) -> float | None:
    return retry_after(got.headers.get("retry-after")) if isinstance(got, Reply) else None


def _failure(got: Reply | Lost | None, tried: int) -> KindredError:
    if not isinstance(got, Reply):
        return Unreachable(got.kind if got else "nothing came", tried)
    told = _document(got.body) or {}
    if got.status == 300 and isinstance(told.get("successors"), list):
        return Split(tuple(str(one) for one in told["successors"]))
    if got.status < 400:
        return Unreadable("the status is not expected here", got.status)
    problem = _problem(got.status, told)
    if isinstance(problem, TooFast | Unavailable):
        problem.retry_after = _after(got)
    return problem


def _problem(status: int, told: Json) -> Problem:
    ours = str(told.get("type", "")).startswith("urn:kindred:problem:")
    # Whatever stands between us and the server may quote the request; only the server's own words are repeated.
    places = told.get("errors") if ours else None
    return KINDS.get(status, Problem)(
        status,
        str(told.get("title", "")) if ours else "no problem document",
        str(told.get("detail", "")) if ours else "the answer did not come from the server itself",
        kind=str(told.get("type", "")) if ours else "about:blank",
        error_id=str(told["error_id"]) if ours and told.get("error_id") else None,
        places={str(p["pointer"]): str(p["wrong"]) for p in places or () if {"pointer", "wrong"} <= p.keys()},
    )
