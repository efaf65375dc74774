"""The book of erasures in the database: each step is written down before its act, and once more when it is done."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Engine, Integer, String, Table, Text, UniqueConstraint, insert, select, update

from consent.erasure.errors import UnknownErasure
from consent.requests.model import FROZEN, Status
from consent.store import METADATA
from infra.clock import Clock
from infra.database import UtcDateTime, writing
from infra.ids import Token

# The steps of a request once it is frozen, in their order, and the other way in which it may end.
*_STEPS, EXCEPTIONS = FROZEN
STEPS: Final[tuple[Status, ...]] = tuple(_STEPS)
RECEIVED: Final = "received"

ERASURE: Final = Table(
    "erasure",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("status", String(40), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("tokens", Text, nullable=False),
    Column("certificate", Text),
    Column("nonce", String(64)),
)
"""One erasure; its tokens go when it is certified, for from then on the suppression list alone keeps any."""

ERASURE_STEP: Final = Table(
    "erasure_step",
    METADATA,
    Column("request_id", String(64), nullable=False),
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("step", String(40), nullable=False),
    Column("store", String(60), nullable=False),
    Column("status", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("facts", Text, nullable=False),
    UniqueConstraint("request_id", "step", "store", "status"),
)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One line of the book: which step, in which store, begun or done, when, and what came of it (no person's data)."""

    step: str
    store: str
    status: str
    at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """An erasure as the book has it."""

    id: str
    status: str
    received_at: datetime
    tokens: tuple[tuple[int, Token], ...]
    certificate: Mapping[str, Any] | None
    nonce: str | None


class Book:
    """The erasures of one workspace."""

    def __init__(self, database: Engine, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def open(self, tokens: Sequence[tuple[int, Token]], mint: Callable[[], str] = lambda: secrets.token_hex(8)) -> str:
        """Write down that an erasure was asked for, and return its id; one that has not deleted yet is joined.

        One that has would pass over what came back since.
        """
        wanted = {token for _, token in tokens}
        for request in self.all():
            same = wanted & {token for _, token in request.tokens}
            if same and not request.certificate and self.done(request.id, "deleting") is None:
                return request.id
        request_id = mint()
        told = json.dumps([list(one) for one in tokens])
        with writing(self._database) as connection:
            row = {"id": request_id, "status": RECEIVED, "received_at": self._clock(), "tokens": told}
            connection.execute(insert(ERASURE).values(row))
        return request_id

    def all(self) -> tuple[Request, ...]:
        """Return every erasure, the newest first."""
        with self._database.connect() as connection:
            rows = connection.execute(select(ERASURE).order_by(ERASURE.c.received_at.desc(), ERASURE.c.id)).mappings()
            return tuple(_request(row) for row in rows)

    def get(self, request_id: str) -> Request:
        """Return an erasure; raise `UnknownErasure` where there is none of that id."""
        with self._database.connect() as connection:
            row = connection.execute(select(ERASURE).where(ERASURE.c.id == request_id)).mappings().first()
        if row is None:
            raise UnknownErasure(request_id)
        return _request(row)

    def steps(self, request_id: str) -> tuple[StepRow, ...]:
        """Return the lines of an erasure in the order in which they were written."""
        query = select(ERASURE_STEP).where(ERASURE_STEP.c.request_id == request_id).order_by(ERASURE_STEP.c.sequence)
        with self._database.connect() as connection:
            rows = connection.execute(query).mappings()
            return tuple(StepRow(r["step"], r["store"], r["status"], r["at"], json.loads(r["facts"])) for r in rows)

    def done(self, request_id: str, step: str, store: str = "") -> Mapping[str, Any] | None:
        """Return what came of a step in a store, or None where it is not done."""
        found = (s for s in self.steps(request_id) if (s.step, s.store, s.status) == (step, store, "done"))
        return next((step.facts for step in found), None)

    def begin(self, request_id: str, step: str, store: str = "") -> None:
        """Write down that a step begins; only then may it act. Begun before, it is begun still."""
        self._note(request_id, step, store, "begun", {})

    def finish(self, request_id: str, step: str, store: str, facts: Mapping[str, Any]) -> None:
        """Write down that a step is done, and what came of it."""
        self._note(request_id, step, store, "done", facts)

    def _note(self, request_id: str, step: str, store: str, status: str, facts: Mapping[str, Any]) -> None:
        mine = (ERASURE_STEP.c.request_id == request_id) & (ERASURE_STEP.c.step == step)
        same = mine & (ERASURE_STEP.c.store == store) & (ERASURE_STEP.c.status == status)
        row = {"request_id": request_id, "step": step, "store": store, "status": status, "at": self._clock()}
        with writing(self._database) as connection:
            if connection.execute(select(ERASURE_STEP.c.sequence).where(same)).first() is None:
                connection.execute(insert(ERASURE_STEP).values(row | {"facts": json.dumps(dict(facts))}))
            if not store:
                connection.execute(update(ERASURE).where(ERASURE.c.id == request_id).values(status=step))

    def certify(self, request_id: str, certificate: Mapping[str, Any], nonce: str, *, exceptions: bool) -> None:
        """Keep the certificate and what the person alone gets with it; the request's own tokens are forgotten."""
        kept = {"certificate": json.dumps(dict(certificate)), "nonce": nonce, "tokens": "[]"}
        status = EXCEPTIONS if exceptions else STEPS[-1]
        with writing(self._database) as connection:
            connection.execute(update(ERASURE).where(ERASURE.c.id == request_id).values(**kept, status=status))


def _request(row: Mapping[Any, Any]) -> Request:
    tokens = tuple((int(version), Token(token)) for version, token in json.loads(row["tokens"]))
    certificate = None if row["certificate"] is None else json.loads(row["certificate"])
    return Request(row["id"], row["status"], row["received_at"], tokens, certificate, row["nonce"])
