"""A person as the serving store holds them, taken apart for a change and put together again."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from profiles import render
from profiles.changefeed.outbox import outbox_key
from profiles.serving import (
    alias_key,
    graph_key,
    header_key,
    holders_key,
    search_key,
    timeline_key,
    token_key,
    view_key,
)
from profiles.stored import ETAG_BYTES, answered, held_anew, packed

_OPTIONS: Final = orjson.OPT_SORT_KEYS
Get = Callable[[bytes], bytes | None]


class Change(Protocol):
    """A change of the served generation in the making."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key as the change leaves it, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""


@dataclass(slots=True)
class Person:
    """What is served of one person: who they are made of, what each purpose sees, what happened, why they are one."""

    profile_id: str
    header: dict[str, Any]
    views: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    timeline: list[dict[str, Any]] = field(default_factory=list, repr=False)
    graph: dict[str, Any] = field(default_factory=dict, repr=False)
    words: set[tuple[str, str]] = field(default_factory=set, repr=False)

    @classmethod
    def unknown(cls, profile_id: str, *, known: bool) -> "Person":
        """Return somebody of whom nothing is served yet."""
        header = {
            "profile_id": profile_id, "anchor": profile_id, "known": known, "size": 0, "confidence": 1.0,
            "tokens": {}, "records": {},
        }  # fmt: skip
        graph = {"profile_id": profile_id, "anchor": profile_id, "confidence": 1.0, "records": [], "edges": []}
        return cls(profile_id, header, graph=graph)

    @property
    def purposes(self) -> set[str]:
        """The purposes that a view of theirs may lie in the store for; the policy may have come to name others."""
        return {purpose for record in self.header["records"].values() for purpose in record["purposes"]}

    @property
    def orders(self) -> set[tuple[str, str]]:
        """The orders that their timeline knows, by source and id."""
        return {(e["source"], e["order_id"]) for e in self.timeline if e["order_id"] is not None}


def loaded(get: Get, profile_id: str, purposes: Collection[str]) -> Person | None:
    """Return a person as they are served, or None where nothing of them is."""
    header = get(header_key(profile_id))
    if header is None:
        return None
    views = {p: orjson.loads(answered(v)) for p in purposes if (v := get(view_key(p, profile_id))) is not None}
    timeline, graph = get(timeline_key(profile_id)), get(graph_key(profile_id))
    return Person(
        profile_id,
        orjson.loads(header),
        views,
        orjson.loads(timeline) if timeline else [],
        orjson.loads(graph) if graph else {},
    )


def stored(change: Change, person: Person, purposes: Collection[str]) -> None:
    """Put a person into the serving store, each view in its final bytes under a version of its content.

    A view for a purpose that is none of these stays as the build left it, held under the tokens of now.
    """
    name = person.profile_id
    change.put(header_key(name), _json(person.header))
    held = "\n".join(sorted(person.header["tokens"])).encode()
    change.put(holders_key(name), held)
    change.put(timeline_key(name), _json(person.timeline))
    if person.graph:
        change.put(graph_key(name), _json(person.graph))
    versions = []
    for purpose in purposes:
        view = person.views.get(purpose)
        if view is None:
            change.delete(view_key(purpose, name))
        else:
            tag, body = rendered(view)
            change.put(view_key(purpose, name), packed(tag, body, held))
            versions.append(tag[1 : ETAG_BYTES - 1])
    for purpose in sorted(person.purposes.difference(purposes)):
        was = change.get(view_key(purpose, name))
        if was is not None:
            change.put(view_key(purpose, name), held_anew(was, held))
    for purpose, word in person.words:
        change.put(search_key(purpose, word, name), b"")
    change.put(outbox_key(name), b",".join(sorted(versions)))


def rendered(view: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return ETag and bytes of a view; equal content, equal version, as `profiles.render.view` has it."""
    shown = {name: value for name, value in view.items() if name != "version"}
    version = render.digest(shown)
    return render.etag(version), _json({**shown, "version": version})


def removed(change: Change, person: Person, survivor: str, purposes: Collection[str]) -> None:
    """Take a profile out that became part of another, which answers for its id from now on."""
    profile_id = person.profile_id
    for purpose in person.purposes.union(purposes):
        change.delete(view_key(purpose, profile_id))
    for key in (header_key, holders_key, timeline_key, graph_key):
        change.delete(key(profile_id))
    change.put(alias_key(profile_id, survivor), b"")
    change.put(outbox_key(profile_id), survivor.encode())


def holders_of(get: Get, token: str) -> tuple[str, ...]:
    """Return the profiles that an identifier leads to."""
    value = get(token_key(token))
    return tuple(value.decode().partition("\n")[0].split(",")) if value else ()


def lead(change: Change, token: str, profile_ids: Collection[str], closed: Collection[str]) -> None:
    """Have an identifier lead to people; `closed` are the purposes that it is tied too loosely for."""
    ends = ",".join(sorted(profile_ids))
    change.put(token_key(token), (ends + ("\n" + " ".join(sorted(closed)) if closed else "")).encode())


def words_of(purpose: str, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the words of a purpose's view under which a person is found."""
    rows = [{"name": name, "value": value} for name, value in attributes.items()]
    yield from ((purpose, word) for word in render.search_words(rows))


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=_OPTIONS)
