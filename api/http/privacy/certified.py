"""The certificate of an erasure that somebody asked for, checked each time before it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.http.world import World
from consent.erasure.asked import erasure_of
from consent.erasure.book import Book, Request
from consent.requests.desk import Desk
from consent.requests.model import Request as Asked
from consent.residue.certificate import Fault, check
from infra.errors import Unavailable
from infra.signing import decoded


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate, what opens it for the person, and what is wrong with it; nothing, where it holds."""

    certificate: Mapping[str, Any]
    nonce: str = field(repr=False)
    faults: tuple[Fault, ...]

    @property
    def before(self) -> int:
        """In how many places the person stood before."""
        return sum(int(one["hits_before"]) for one in self.certificate["stores"])

    @property
    def after(self) -> int:
        """In how many places they stand now."""
        return sum(int(one["hits_after"]) for one in self.certificate["stores"])


def erasure(world: World, desk: Desk, asked: Asked) -> Request | None:
    """Return the erasure that carries a request out, or None before the freeze and for every other right."""
    found = erasure_of(desk, asked) if asked.right == "erasure" else None
    return None if found is None else Book(desk.database, world.clock).get(found)


def certified_of(world: World, desk: Desk, asked: Asked) -> Certified | None:
    """Return the certificate of an erasure, held to this workspace's own key, or None before it is certified."""
    found = erasure(world, desk, asked)
    if found is None or found.certificate is None:
        return None
    return Certified(found.certificate, found.nonce or "", check(found.certificate, public_key(world), None, ()))


def public_key(world: World) -> bytes | None:
    """Return the key that this workspace signs with, or None where it has none."""
    if world.notary is None:
        return None
    try:
        return decoded(world.notary.public_key()) or None
    except Unavailable:
        return None
