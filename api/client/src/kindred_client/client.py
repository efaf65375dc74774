"""The two clients: thin shells that carry out what `exchange` says, one with threads, one with asyncio."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from kindred_client import calls
from kindred_client.answers import (
    Change,
    Decision,
    Event,
    FeatureRows,
    NextBest,
    People,
    PreferenceLink,
    Profile,
    Receipt,
)
from kindred_client.cache import EtagCache
from kindred_client.exchange import Manner, exchange
from kindred_client.patience import Budget, Patience
from kindred_client.wire import Answer, Call, Lost, Reply, Send, Wait

_PAGE = 100
_AGENT = "kindred-client/0.1.0"
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class _Client:
    def __init__(
        self, url: str, key: str, *, timeout: float, patience: Patience | None, cache: int, chance: Callable[[], float]
    ) -> None:
        self._settings: dict[str, Any] = {
            "base_url": _safe(url), "timeout": timeout, "headers": {"user-agent": _AGENT}, "follow_redirects": False,
        }  # fmt: skip
        self._manner = Manner(_whole(key), patience or Patience(), Budget(), EtagCache(cache), chance)

    def _waits(self, wait: float) -> float:
        # Less than the time that an answer may take at all.
        return min(wait, 0.8 * self._settings["timeout"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings['base_url']!r})"


class Kindred(_Client):
    """A client for threads. Use it as a context manager, or `close` it; share one among all threads."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 5.0,
        patience: Patience | None = None,
        cache: int = 1_000,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(url, key, timeout=timeout, patience=patience, cache=cache, chance=chance)
        self._http, self._sleep = httpx.Client(**self._settings, transport=transport), sleep

    def lookup(self, kind: str, value: str, *, purpose: str, fields: Sequence[str] | None = None) -> Profile:
        """Return the profile of an identifier as a purpose may see it; raise `NotFound` for a stranger."""
        return self._done(calls.lookup(kind, value, purpose, fields))

    def batch_lookup(
        self, identifiers: Sequence[tuple[str, str]], *, purpose: str, fields: Sequence[str] | None = None
    ) -> People:
        """Return the profiles of up to a thousand identifiers, in their order; None for each stranger."""
        return self._done(calls.batch(identifiers, purpose, fields))

    def features(self, name: str, identifiers: Sequence[tuple[str, str]], *, purpose: str) -> FeatureRows:
        """Return a row of a declared feature set for each of up to a thousand identifiers, in their order."""
        return self._done(calls.features(name, identifiers, purpose))

    def profile(
        self, profile_id: str, *, purpose: str, fields: Sequence[str] | None = None, as_of: datetime | None = None
    ) -> Profile:
        """Return the profile of an id, after a merge the survivor's; raise `NotFound`, or `Split`.

        With `as_of`, as the purpose saw it at that moment; `Gone` where that may not be shown any more.
        """
        return self._done(calls.by_id(profile_id, purpose, fields, as_of))

    def events(self, profile_id: str, *, purpose: str, page: int = _PAGE) -> Iterator[Event]:
        """Yield what happened, the newest first, and fetch page after page as far as it is read."""
        cursor: str | None = None
        while True:
            found = self._done(calls.events(profile_id, purpose, page, cursor))
            yield from found.events
            cursor = found.next
            if cursor is None:
                return

    def changes(self, *, purpose: str, since: str | None = None, wait: float = 0.0) -> Iterator[Change]:
        """Yield what changed behind a place, or everybody where none is named, to the end of what there is by now.

        Keep the last one's `id`, and begin there the next time. With `wait` it waits so many seconds for the first.
        """
        while True:
            page = self._done(calls.changes(purpose, since, self._waits(wait)))
            yield from page.changes
            since, wait = page.next, 0.0
            if not page.more:
                return

    def confirm(self, *, purpose: str, through: str) -> int:
        """Say that what was heard up to a change is done here too; return how many erasures that confirms."""
        return self._done(calls.confirm(purpose, through))

    def consent(
        self, kind: str, value: str, *, purpose: str, action: str, repeat_key: str | None = None, **more: str | None
    ) -> Receipt:
        """Record what somebody said (`given`, `withdrawn` …). When this returns, every read obeys what it denies."""
        return self._done(calls.consent(kind, value, purpose, action, repeat_key or uuid.uuid4().hex, **more))

    def may(self, kind: str, value: str, *, purpose: str, channel: str | None = None) -> Decision:
        """Return whether somebody may be used for a purpose, as the ledger stands now."""
        return self._done(calls.may(kind, value, purpose, channel))

    def preferences(self, kind: str, value: str, *, hours: int = 1) -> PreferenceLink:
        """Return a signed link to somebody's preference centre; send it to nobody but them."""
        return self._done(calls.preferences(kind, value, hours))

    def decide(
        self, kind: str | None = None, value: str | None = None, *, purpose: str = "personalization", **context: Any
    ) -> NextBest:
        """Return what to do next for somebody, for a stranger where nobody is named or they may not be used."""
        return self._done(calls.decide(_named(kind, value), purpose, **context))

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _done(self, call: Call[Answer]) -> Answer:
        steps, got = exchange(call, self._manner), None
        try:
            while True:
                match steps.send(got):
                    case Send() as send:
                        got = self._sent(send)
                    case Wait(seconds):
                        got = None
                        self._sleep(seconds)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def _sent(self, send: Send) -> Reply | Lost:
        try:
            return _reply(
                self._http.request(
                    send.method, send.path, params=list(send.query), content=send.body, headers=dict(send.headers)
                )
            )
        except httpx.RequestError as error:
            return _lost(error)


class AsyncKindred(_Client):
    """A client for asyncio. Use it as an async context manager, or `close` it; share one in the loop."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 5.0,
        patience: Patience | None = None,
        cache: int = 1_000,
        transport: httpx.AsyncBaseTransport | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(url, key, timeout=timeout, patience=patience, cache=cache, chance=chance)
        self._http = httpx.AsyncClient(**self._settings, transport=transport)

    async def lookup(self, kind: str, value: str, *, purpose: str, fields: Sequence[str] | None = None) -> Profile:
        """Return the profile of an identifier as a purpose may see it; raise `NotFound` for a stranger."""
        return await self._done(calls.lookup(kind, value, purpose, fields))

    async def batch_lookup(
        self, identifiers: Sequence[tuple[str, str]], *, purpose: str, fields: Sequence[str] | None = None
    ) -> People:
        """Return the profiles of up to a thousand identifiers, in their order; None for each stranger."""
        return await self._done(calls.batch(identifiers, purpose, fields))

    async def features(self, name: str, identifiers: Sequence[tuple[str, str]], *, purpose: str) -> FeatureRows:
        """Return a row of a declared feature set for each of up to a thousand identifiers, in their order."""
        return await self._done(calls.features(name, identifiers, purpose))

    async def profile(
        self, profile_id: str, *, purpose: str, fields: Sequence[str] | None = None, as_of: datetime | None = None
    ) -> Profile:
        """Return the profile of an id, after a merge the survivor's; raise `NotFound`, or `Split`.

        With `as_of`, as the purpose saw it at that moment; `Gone` where that may not be shown any more.
        """
        return await self._done(calls.by_id(profile_id, purpose, fields, as_of))

    async def events(self, profile_id: str, *, purpose: str, page: int = _PAGE) -> AsyncIterator[Event]:
        """Yield what happened, the newest first, and fetch page after page as far as it is read."""
        cursor: str | None = None
        while True:
            found = await self._done(calls.events(profile_id, purpose, page, cursor))
            for event in found.events:
                yield event
            cursor = found.next
            if cursor is None:
                return

    async def changes(self, *, purpose: str, since: str | None = None, wait: float = 0.0) -> AsyncIterator[Change]:
        """Yield what changed behind a place, as the client for threads does."""
        while True:
            page = await self._done(calls.changes(purpose, since, self._waits(wait)))
            for one in page.changes:
                yield one
            since, wait = page.next, 0.0
            if not page.more:
                return

    async def confirm(self, *, purpose: str, through: str) -> int:
        """Say that what was heard up to a change is done here too; return how many erasures that confirms."""
        return await self._done(calls.confirm(purpose, through))

    async def consent(
        self, kind: str, value: str, *, purpose: str, action: str, repeat_key: str | None = None, **more: str | None
    ) -> Receipt:
        """Record what somebody said (`given`, `withdrawn` …). When this returns, every read obeys what it denies."""
        return await self._done(calls.consent(kind, value, purpose, action, repeat_key or uuid.uuid4().hex, **more))

    async def may(self, kind: str, value: str, *, purpose: str, channel: str | None = None) -> Decision:
        """Return whether somebody may be used for a purpose, as the ledger stands now."""
        return await self._done(calls.may(kind, value, purpose, channel))

    async def preferences(self, kind: str, value: str, *, hours: int = 1) -> PreferenceLink:
        """Return a signed link to somebody's preference centre; send it to nobody but them."""
        return await self._done(calls.preferences(kind, value, hours))

    async def decide(
        self, kind: str | None = None, value: str | None = None, *, purpose: str = "personalization", **context: Any
    ) -> NextBest:
        """Return what to do next for somebody, for a stranger where nobody is named or they may not be used."""
        return await self._done(calls.decide(_named(kind, value), purpose, **context))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _done(self, call: Call[Answer]) -> Answer:
        steps, got = exchange(call, self._manner), None
        try:
            while True:
                match steps.send(got):
                    case Send() as send:
                        got = await self._sent(send)
                    case Wait(seconds):
                        got = None
                        await asyncio.sleep(seconds)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    async def _sent(self, send: Send) -> Reply | Lost:
        try:
            return _reply(
                await self._http.request(
                    send.method, send.path, params=list(send.query), content=send.body, headers=dict(send.headers)
                )
            )
        except httpx.RequestError as error:
            return _lost(error)


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)


def _lost(error: httpx.RequestError) -> Lost:
    # Only the kind: the error holds the request, and with it the identifier and the key.
    return Lost(type(error).__name__, sent=not isinstance(error, _UNSENT))


def _named(kind: str | None, value: str | None) -> tuple[str, str] | None:
    return None if kind is None or value is None else (kind, value)


def _safe(url: str) -> str:
    """Return the address; over http a key goes to this machine alone."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the server's address begins with https:// (or http:// on this machine)")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError("a key would travel in the open; use https:// for another machine")
    return url.rstrip("/")


def _whole(key: str) -> str:
    """Return the key where it can be sent: what comes from a file may have a line end, and what is not set nothing."""
    if not key or not all("!" <= letter <= "~" for letter in key):
        raise ValueError("the key is empty, or holds a blank, a line end or another character that no key has")
    return key


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
