"""Erasures that people asked for: frozen as soon as they are accepted, and led by what the book of erasures says.

No Spark here: a server freezes within its next round, and the job runner erases when it is told to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from consent import kept
from consent.erasure.book import Book
from consent.erasure.freeze import REASON, freeze
from consent.overlay import DenyOverlay
from consent.requests.desk import Desk, identifiers, move, standing, steps
from consent.requests.model import FROZEN, Claimed, Request, Status, following
from consent.suppression import Cause, tokens_of
from infra.errors import KindredError
from infra.identifiers import IdentifierType
from infra.ids import Token

ACTOR: Final = "erasure"
# How a request ends under whose identifiers nothing is held.
NOBODY: Final = "nobody_held"
_BEGUN: Final = "frozen"
_PLACES: Final[Mapping[str, int]] = {status: place for place, status in enumerate(FROZEN)}


@dataclass(frozen=True, slots=True)
class Door:
    """What a freeze needs: the desk of requests, the ledger's database, the overlay, and how tokens are made.

    In the workspace's folder (`root`) lies the second copy of who is kept out, for a database that is restored.
    """

    desk: Desk
    database: Engine
    overlay: DenyOverlay
    controller: str
    kinds: Mapping[str, IdentifierType]
    keys: Mapping[int, bytes] = field(repr=False)
    root: Path | None = None


def freeze_accepted(door: Door, at: datetime) -> tuple[str, ...]:
    """Freeze everybody whose erasure was accepted and return the requests; done again it changes nothing.

    The step is written before the freeze: what was cut off in between is frozen by the next call. One that cannot be
    frozen keeps nobody else waiting; what is wrong with it is raised once all others are.
    """
    book, done, stuck = Book(door.database, lambda: at), [], list[KindredError]()
    for request in standing(door.desk, ("accepted", _BEGUN), erasures=True):
        try:
            frozen = _frozen(door, book, request, at)
        except KindredError as error:
            stuck.append(error)
            continue
        done += [request.id] if frozen else []
    if stuck:
        raise stuck[0]
    return tuple(done)


def _frozen(door: Door, book: Book, request: Request, at: datetime) -> bool:
    """Freeze one person, and say whether that was still to be done."""
    erasure = erasure_of(door.desk, request)
    if request.status == _BEGUN and erasure is not None and book.done(erasure, _BEGUN) is not None:
        return False
    tokens = _tokens(door, identifiers(door.desk, request.id))
    erasure = erasure or book.open(tokens, mint=partial(str, request.id))
    move(door.desk, request.id, _BEGUN, at=at, actor=ACTOR, facts={"erasure": erasure})
    book.begin(erasure, _BEGUN)
    cause = Cause(reason=REASON, request_id=erasure, at=at)
    if door.root is not None:
        kept.note(door.root, tokens, cause)
    freeze(door.database, door.overlay, tokens, cause, door.controller)
    book.finish(erasure, _BEGUN, "", {"tokens": len(tokens)})
    return True


def waiting(door: Door, at: datetime) -> tuple[str, ...]:
    """Return the erasures that people asked for and that are frozen and not certified, the most urgent first."""
    book = Book(door.database, lambda: at)
    found = [erasure_of(door.desk, request) for request in standing(door.desk, FROZEN, erasures=True)]
    return tuple(dict.fromkeys(one for one in found if one is not None and book.get(one).certificate is None))


def follow(door: Door, at: datetime) -> tuple[Request, ...]:
    """Take each request the steps that its erasure has taken, one after another, and return those that moved.

    What is certified is closed: the person's answer is the certificate.
    """
    book, moved = Book(door.database, lambda: at), []
    for request in standing(door.desk, FROZEN, erasures=True):
        erasure = erasure_of(door.desk, request)
        if erasure is None:
            continue
        told = book.get(erasure).status
        here = request
        while here.status != told and (step := _towards(here, told)) is not None:
            here = move(door.desk, request.id, step, at=at, actor=ACTOR)
        if here.status in {"certified", "certified_with_exceptions"}:
            here = move(door.desk, request.id, "closed", at=at, actor=ACTOR)
        if here.status != request.status:
            moved.append(here)
    return tuple(moved)


def close_empty(door: Door, erasure: str, at: datetime) -> tuple[Request, ...]:
    """Close the requests whose erasure found nobody, and return them.

    What they named is kept out for good; nothing was held under it, so there is nothing to certify.
    """
    closed = []
    for request in standing(door.desk, ("frozen", "planned"), erasures=True):
        if erasure_of(door.desk, request) == erasure:
            if request.status == _BEGUN:
                move(door.desk, request.id, "planned", at=at, actor=ACTOR)
            closed.append(move(door.desk, request.id, "closed", at=at, actor=ACTOR, facts={"outcome": NOBODY}))
    return tuple(closed)


def erasure_of(desk: Desk, request: Request) -> str | None:
    """Return the erasure in the book that carries a request out; one that was under way may carry two."""
    found = (step.facts.get("erasure") for step in steps(desk, request.id) if step.step == _BEGUN)
    return next((str(one) for one in found if one is not None), None)


def _tokens(door: Door, claimed: Sequence[Claimed]) -> tuple[tuple[int, Token], ...]:
    newest = max(door.keys)
    found = {(newest, one.token) for one in claimed}
    for one in claimed:
        if one.value and one.kind in door.kinds:
            found |= set(tokens_of(door.keys, door.kinds, one.kind, one.value))
    return tuple(sorted(found))


def _towards(request: Request, told: str) -> Status | None:
    """Return the next step on the way to where the erasure stands, or None where it is behind."""
    if told not in _PLACES or _PLACES[told] <= _PLACES.get(request.status, -1):
        return None
    here = _PLACES.get(request.status, -1)
    possible = following(request.right, request.status, request.resumes)
    ahead = sorted((one for one in possible if _PLACES.get(one, -1) > here), key=lambda one: _PLACES[one])
    # between two ways of being certified the erasure has the word
    return next(
        (one for one in ahead if one == told), next((one for one in ahead if _PLACES[one] <= _PLACES[told]), None)
    )
