"""One read of one profile: identifiers to tokens, given-up ids to their successors, answers to bytes and headers."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import orjson

from api.http.errors import IdentifierUnreadable
from api.http.ports import Json, Known, Profiles
from infra.identifiers import IdentifierType, normalise, token
from infra.ids import ProfileId, Purpose, Token

_ID = re.compile(r"[0-9a-f]{32}")
Bytes = tuple[bytes, bytes]

# Prebuilt for the fast path; the slow one turns the same pairs into its response.
JSON_HEADER: Bytes = (b"content-type", b"application/json")
FRESHNESS: Bytes = (b"cache-control", b"private, no-cache")
GUARD: Bytes = (b"x-content-type-options", b"nosniff")
_ALWAYS = ("profile_id", "as_of", "version", "withheld")


@dataclass(frozen=True, slots=True)
class Found:
    """A profile that may be seen, as the bytes of its answer; `moved` where the id asked for was given up."""

    profile_id: ProfileId
    tag: bytes
    body: bytes = field(repr=False)
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """An id that several people answer for now."""

    successors: tuple[ProfileId, ...]


@dataclass(frozen=True, slots=True)
class Tongue:
    """How this workspace spells identifiers: its types, its region, the key of its tokens, and keys before it."""

    types: Mapping[str, IdentifierType]
    key: bytes = field(repr=False)
    region: str = "US"
    retired: tuple[bytes, ...] = field(default=(), repr=False)

    def known(self, kind: str, raw: str) -> Known:
        """Return an identifier in its one spelling; raise `IdentifierUnreadable` without repeating the value."""
        declared = self.types.get(kind)
        if declared is None:
            raise IdentifierUnreadable("the identifier's type is not declared", f"types: {', '.join(self.types)}")
        value = normalise(declared.normaliser, raw, self.region)
        if value is None:
            raise IdentifierUnreadable(
                f"the identifier's value is not a valid {declared.normaliser}", "send it as people write it"
            )
        return Known(kind, value, token(self.key, kind, value))

    def sought(self, kind: str, raw: str) -> Token | None:
        """Return the token of an identifier as people write it, or None where `known` would raise."""
        declared = self.types.get(kind)
        value = None if declared is None else normalise(declared.normaliser, raw, self.region)
        return None if value is None else token(self.key, kind, value)


def read(profiles: Profiles, profile_id: ProfileId, purpose: Purpose) -> Found | Split | None:
    """Return what a purpose may see under an id, following merges and splits; None hides why there is nothing."""
    profiles = profiles.moment()
    tagged = profiles.tagged(profile_id, purpose)
    if tagged is not None:
        return Found(profile_id, *tagged)
    successors = profiles.successors(profile_id)
    seen = [(i, t) for i in successors if (t := profiles.tagged(i, purpose)) is not None]
    if not seen:
        return None
    if len(successors) == 1:
        survivor, tagged = seen[0]
        return Found(survivor, *tagged, moved=True)
    return Split(tuple(i for i, _ in seen))


def graph_of(profiles: Profiles, profile_id: ProfileId, purpose: Purpose) -> Json | None:
    """Return a person's graph with the strangers in it whom the purpose may see; the others are unknown to it."""
    graph = profiles.graph(profile_id, purpose)
    if graph is None:
        return None
    strangers = {edge["elsewhere"] for edge in graph["edges"]} - {None}
    hidden = {one for one in strangers if profiles.tagged(one, purpose) is None}
    return {**graph, "edges": [edge for edge in graph["edges"] if edge["elsewhere"] not in hidden]}


def projected(body: bytes, fields: Sequence[str] | None) -> bytes:
    """Return the answer cut down to the wanted fields: `traits.*`, `attributes.email`, `identifiers`."""
    if not fields:
        return body
    answer: dict[str, Any] = orjson.loads(body)
    kept: dict[str, Any] = {}
    for name, value in answer.items():
        if name in _ALWAYS or any(fnmatchcase(name, wanted) for wanted in fields):
            kept[name] = value
        elif isinstance(value, dict):
            inner = {k: v for k, v in value.items() if any(fnmatchcase(f"{name}.{k}", w) for w in fields)}
            if inner:
                kept[name] = inner
    return orjson.dumps(kept)


def etag(body: bytes) -> bytes:
    """Return the strong validator of an answer: equal bytes, equal tag."""
    return b'"' + hashlib.sha1(body, usedforsecurity=False).hexdigest()[:24].encode() + b'"'


def matches(condition: bytes | None, tag: bytes) -> bool:
    """Say whether an If-None-Match header names this tag (RFC 9110: weak comparison, `*` matches all)."""
    if condition is None:
        return False
    if condition == tag:
        return True
    listed = [part.strip().removeprefix(b"W/") for part in condition.split(b",")]
    return tag in listed or b"*" in listed


def answer_headers(body: bytes, tag: bytes) -> list[Bytes]:
    """Return the headers of a 200 with this body."""
    length = b"%d" % len(body)
    return [JSON_HEADER, (b"content-length", length), (b"etag", tag), FRESHNESS, GUARD]


def unchanged_headers(tag: bytes) -> list[Bytes]:
    """Return the headers of a 304."""
    return [(b"etag", tag), FRESHNESS, GUARD]


def timing(seconds: float) -> Bytes:
    """Return the Server-Timing header for the time spent so far."""
    return (b"server-timing", b"app;dur=%.3f" % (seconds * 1000))


def readable_id(profile_id: str) -> bool:
    """Say whether this has the form of a profile id at all; what has not is unknown, and never looked up or noted.

    Somebody may put a phone or a card where an id belongs, and the audit must not keep it.
    """
    return _ID.fullmatch(profile_id) is not None
