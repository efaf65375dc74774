"""Many people in one answer, joined from ready bytes: each as a read of its own would answer.

The fast path and the route both end here, so that what a batch may show is decided in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import orjson

from api.http.credentials import Holder
from api.http.errors import AuditBehind, TooFast
from api.http.reading import FRESHNESS, GUARD, JSON_HEADER, Bytes, Found, Split, projected, read, readable_id
from api.http.world import World
from infra.ids import ProfileId, Purpose, Token

MOST: Final = 1_000
_OPEN: Final = b'{"status":200,"profile":'
_CLOSE: Final = b"}"
_BETWEEN: Final = _CLOSE + b"," + _OPEN
_BEGIN: Final = b'{"results":['
_END: Final = b"]}"
_UNSEEN: Final = {"hidden": b'{"status":404}', "unreadable": b'{"status":422}'}

# An identifier as type and value, or a profile id.
Person = tuple[str, str] | str


@dataclass(frozen=True, slots=True)
class Parted:
    """Somebody asked for by an id that several people answer for now."""

    profile_id: ProfileId
    successors: tuple[ProfileId, ...]

    def told(self) -> bytes:
        """Return what a batch says of them."""
        return orjson.dumps({"status": 300, "profile_id": self.profile_id, "successors": self.successors})


# What a purpose sees of one person: the answer of a read, a split, or why there is nothing.
Met = bytes | Parted | Literal["hidden", "unreadable"]


def looked_up(
    world: World, holder: Holder, people: Sequence[Person], purpose: Purpose, fields: Sequence[str] | None = None
) -> bytes:
    """Return the answer about each person in the order asked; raise `DayFull` or `AuditBehind` for all of them.

    An identifier that cannot be read is told for itself: one typing error must not cost the other 999 their answer.
    """
    found = met(world, holder, people, purpose)
    if fields or set(map(type, found)) != {bytes}:
        return b"".join((_BEGIN, b",".join([_told(one, fields) for one in found]), _END))
    # Everybody whole: nobody is looked at one by one, and each profile is copied once, when all are joined.
    pieces = [piece for body in cast("list[bytes]", found) for piece in (_BETWEEN, body)]
    pieces[0] = _BEGIN + _OPEN
    pieces.append(_CLOSE + _END)
    return b"".join(pieces)


def _told(one: Met, fields: Sequence[str] | None) -> bytes:
    if isinstance(one, bytes):
        return _OPEN + projected(one, fields) + _CLOSE
    return one.told() if isinstance(one, Parted) else _UNSEEN[one]


def met(world: World, holder: Holder, people: Sequence[Person], purpose: Purpose) -> list[Met]:
    """Return what the purpose may see of each person: an answer's bytes, a split, or why nothing is shown.

    Whom the caller sees is admitted and audited here; raise `DayFull` or `AuditBehind` for all of them.
    """
    if not world.audit.room(len(people)):
        raise AuditBehind
    profiles = world.profiles.moment()
    ids, tokens, unreadable = _named(world, people)
    for place, profile_id in zip(tokens, profiles.find_all(list(tokens.values()), purpose), strict=True):
        ids[place] = profile_id
    wanted = cast("list[ProfileId]", [one or "" for one in ids])
    seen = profiles.tagged_all(wanted, purpose)
    found: list[Met] = []
    allowed: list[ProfileId] = []
    hidden: list[ProfileId] = []
    for place, (one, tagged) in enumerate(zip(wanted, seen, strict=True)):
        if tagged is not None:
            found.append(tagged[1])
            allowed.append(one)
            continue
        moved = read(profiles, one, purpose) if one else None
        if isinstance(moved, Found):
            found.append(moved.body)
            allowed.append(moved.profile_id)
        elif isinstance(moved, Split):
            found.append(Parted(one, moved.successors))
        elif place in unreadable:
            found.append("unreadable")
        else:
            found.append("hidden")
            hidden.append(one)
    world.audit.note_all(holder.key_id, purpose, hidden, "hidden")
    world.admitted(holder.credential, allowed, purpose, "allowed")
    return found


def paid(holder: Holder, people: int) -> None:
    """Take what a batch costs beyond the request itself, a person a request; raise `TooFast`."""
    wait = holder.bucket.wait(people - 1) if people > 1 else 0.0
    if wait:
        raise TooFast(wait, holder.bucket.rate)


def batch_headers(body: bytes) -> list[Bytes]:
    """Return the headers of a batch's answer."""
    return [JSON_HEADER, (b"content-length", b"%d" % len(body)), FRESHNESS, GUARD]


def _named(world: World, people: Sequence[Person]) -> tuple[list[str | None], dict[int, Token], set[int]]:
    """Return the ids that were named, the tokens by place of whom identifiers name, and what cannot be read."""
    ids: list[str | None] = [None] * len(people)
    tokens: dict[int, Token] = {}
    unreadable: set[int] = set()
    sought = world.tongue.sought
    for place, person in enumerate(people):
        if isinstance(person, str):
            ids[place] = person if readable_id(person) else None
            continue
        token = sought(*person)
        if token is None:
            unreadable.add(place)
        else:
            tokens[place] = token
    return ids, tokens, unreadable
