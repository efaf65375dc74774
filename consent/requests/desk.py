"""The desk where privacy requests are opened and led to their end: every step is written before what it announces.

A step is durable here and in the ledger when a function returns. What was cut off in between is told to the ledger by
the next call; a step that is asked for twice is taken once.
"""

import hmac
import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, and_, func, insert, select, update

from consent.requests.config import RequestsConfig, load_requests
from consent.requests.errors import NoSuchRequest, NotNow
from consent.requests.model import ASIDE, ENDS, Claimed, Request, Status, Step, following
from consent.requests.noting import KIND, Note, ledger_note
from consent.requests.store import PRIVACY_REQUEST as REQUEST
from consent.requests.store import PRIVACY_REQUEST_IDENTIFIER as IDENTIFIER
from consent.requests.store import PRIVACY_REQUEST_STEP as STEP
from consent.requests.vault import Vault, wrapping_key
from infra.database import in_parts, writing
from infra.ids import Token
from infra.workspace import Workspace

_MANY: Final = 500
# What takes a judgement of its own, with its conditions: `consent.requests.judge`.
_JUDGED: Final = frozenset({"accepted", "refused"})


def _minted() -> str:
    # As a UUID of version 4 it is also the id by which other processors are told of it.
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Desk:
    """What requests are worked on with; `mint` draws ids that nobody can guess."""

    database: Engine
    vault: Vault
    note: Note
    config: RequestsConfig
    zone: str = "UTC"
    place: str | None = None
    proofs: bytes = field(repr=False, default=b"")
    mint: Callable[[], str] = _minted

    @classmethod
    def open(cls, workspace: Workspace, database: Engine) -> "Desk":
        """Return the desk of a workspace."""
        return cls(
            database=database,
            vault=Vault.open(workspace.state_path, wrapping_key(workspace)),
            note=ledger_note(database),
            config=load_requests(workspace),
            zone=workspace.settings.time_zone,
            place=workspace.settings.jurisdiction,
            proofs=hmac.digest(workspace.token_key(), b"privacy request proofs", "sha256"),
        )

    def mark(self, token: Token) -> str:
        """Return what finds requests of one identifier and nothing else: no token that any other table knows."""
        return hmac.digest(self.vault.wrapping, f"privacy_request|{token}".encode(), "sha256").hex()


def get(desk: Desk, request_id: str, *, opened_by: str | None = None) -> Request:
    """Return a request; raise `NoSuchRequest` for an unknown id and for one that others opened, alike."""
    with desk.database.connect() as connection:
        row = row_of(connection, request_id)
        if opened_by is not None and row["opened_by"] != opened_by:
            raise NoSuchRequest
        return _request(connection, row)


def by_external(desk: Desk, opened_by: str | None, external_id: str) -> Request:
    """Return the request that a caller knows under an id of its own; of any caller, where none is named."""
    with desk.database.connect() as connection:
        query = select(REQUEST).where(REQUEST.c.external_id == external_id).order_by(REQUEST.c.opened_at)
        if opened_by is not None:
            query = query.where(REQUEST.c.opened_by == opened_by)
        row = connection.execute(query).mappings().first()
        if row is None:
            raise NoSuchRequest
        return _request(connection, row)


def listed(desk: Desk, *, every: bool = False, limit: int = _MANY) -> tuple[Request, ...]:
    """Return the requests that are open, the most urgent first; with `every` those that have ended too."""
    query = select(REQUEST).order_by(REQUEST.c.due_at, REQUEST.c.id).limit(limit)
    if not every:
        query = query.where(REQUEST.c.status.not_in(ENDS))
    with desk.database.connect() as connection:
        rows = connection.execute(query).mappings().all()
        kinds = _kinds(connection, [row["id"] for row in rows])
        return tuple(_told(row, kinds[row["id"]]) for row in rows)


def standing(desk: Desk, statuses: Collection[Status], *, erasures: bool) -> list[Request]:
    """Return the requests that stand at one of these steps, the most urgent first: erasures alone, or all others."""
    about = REQUEST.c.right == "erasure" if erasures else REQUEST.c.right != "erasure"
    query = select(REQUEST).where(about, REQUEST.c.status.in_(statuses)).order_by(REQUEST.c.due_at, REQUEST.c.id)
    with desk.database.connect() as connection:
        return [_request(connection, row) for row in connection.execute(query).mappings().all()]


def steps(desk: Desk, request_id: str) -> tuple[Step, ...]:
    """Return every step of a request, the oldest first."""
    with desk.database.connect() as connection:
        query = select(STEP).where(STEP.c.request_id == request_id).order_by(STEP.c.sequence)
        return tuple(Step(**{**row, "facts": json.loads(row["facts"])}) for row in connection.execute(query).mappings())


def identifiers(desk: Desk, request_id: str) -> tuple[Claimed, ...]:
    """Return the identifiers that were proved to be the person's, unsealed; raise `Shredded` once it has ended."""
    with desk.database.connect() as connection:
        row_of(connection, request_id)
        query = select(IDENTIFIER).where(IDENTIFIER.c.request_id == request_id, IDENTIFIER.c.verified_at.is_not(None))
        rows = connection.execute(query.order_by(IDENTIFIER.c.position)).mappings().all()
    return tuple(claimed(desk, row) for row in rows)


def claimed(desk: Desk, row: RowMapping) -> Claimed:
    """Return a sealed identifier."""
    told = desk.vault.unseal(row["request_id"], row["sealed"] or b"", f"identifier|{row['position']}")
    token, value = json.loads(told)
    return Claimed(row["kind"], Token(token), value)


def told(desk: Desk, request_id: str) -> Mapping[str, Any]:
    """Return what else the person told us, unsealed: corrections, a mandate."""
    with desk.database.connect() as connection:
        sealed = row_of(connection, request_id)["sealed"]
    found: dict[str, Any] = json.loads(desk.vault.unseal(request_id, sealed or b"", "told"))
    return found


def move(
    desk: Desk,
    request_id: str,
    to: Status,
    *,
    at: datetime,
    actor: str,
    facts: Mapping[str, Any] | None = None,
    store: str | None = None,
) -> Request:
    """Take a step and return the request as it then stands; raise `NotNow` for one that cannot follow.

    When this returns the step is durable here and in the ledger, so do only then what it announces. Asked again for the
    status that it has, a request stays as it is; with `store` that is a note on the work in one store, taken once.
    """
    with writing(desk.database) as connection:
        row = locked(connection, request_id)
        if row["status"] != to:
            possible = following(row["right"], row["status"], row["resumes"])
            if to not in possible - _JUDGED:
                raise NotNow(row["status"], to, possible - _JUDGED)
            write(connection, row, to, at=at, actor=actor, facts=facts, store=store)
        elif store is not None and not _has(connection, request_id, to, store):
            write(connection, row, to, at=at, actor=actor, facts=facts, store=store)
    return settled(desk, request_id)


def write(
    connection: Connection,
    row: RowMapping,
    to: Status,
    *,
    at: datetime,
    actor: str,
    facts: Mapping[str, Any] | None = None,
    store: str | None = None,
    step: str | None = None,
    **changes: Any,
) -> None:
    """Write one step within a transaction that holds the lock; what has ended forgets at once what people told it."""
    newest = select(func.coalesce(func.max(STEP.c.sequence), 0)).where(STEP.c.request_id == row["id"])
    connection.execute(
        insert(STEP).values(
            request_id=row["id"],
            sequence=int(connection.execute(newest).scalar_one()) + 1,
            step=step or to,
            store=store,
            status=to,
            at=at,
            actor=actor,
            facts=json.dumps(dict(facts or {}), sort_keys=True, default=str),
        )
    )
    if to != row["status"]:
        changes |= {"status": to, "resumes": row["status"] if to in ASIDE else None}
    if to in ENDS:
        changes |= {"ended_at": at, "sealed": None}
        gone = {"mark": None, "sealed": None, "proof": None}
        connection.execute(update(IDENTIFIER).where(IDENTIFIER.c.request_id == row["id"]).values(**gone))
    if changes:
        connection.execute(update(REQUEST).where(REQUEST.c.id == row["id"]).values(**changes))


def settled(desk: Desk, request_id: str) -> Request:
    """Tell the ledger the steps that it does not have yet, destroy the key of what has ended, return the request."""
    with desk.database.connect() as connection:
        row = row_of(connection, request_id)
        query = select(STEP).where(STEP.c.request_id == request_id, STEP.c.sequence > row["noted"])
        rows = connection.execute(query.order_by(STEP.c.sequence)).mappings().all()
    for step in rows:
        facts = {
            "request_id": request_id,
            "sequence": step["sequence"],
            "right": row["right"],
            "regulation": row["regulation"],
            "step": step["step"],
            "status": step["status"],
            "store": step["store"],
            "actor": step["actor"],
            "facts": json.loads(step["facts"]),
        }
        desk.note(KIND, facts, step["at"])
    if rows:
        with writing(desk.database) as connection:
            reached = and_(REQUEST.c.id == request_id, REQUEST.c.noted < rows[-1]["sequence"])
            connection.execute(update(REQUEST).where(reached).values(noted=rows[-1]["sequence"]))
    if row["status"] in ENDS:
        desk.vault.shred([request_id])
    return get(desk, request_id)


def settle_all(desk: Desk) -> int:
    """Settle what a crash left between two writes, and return how many requests that were."""
    newest = select(STEP.c.request_id, func.max(STEP.c.sequence).label("sequence")).group_by(STEP.c.request_id)
    found = newest.subquery()
    with desk.database.connect() as connection:
        behind = select(REQUEST.c.id).join(found, found.c.request_id == REQUEST.c.id)
        left = set(connection.execute(behind.where(REQUEST.c.noted < found.c.sequence)).scalars())
        ended = set(connection.execute(select(REQUEST.c.id).where(REQUEST.c.status.in_(ENDS))).scalars())
    left |= ended & set(desk.vault.held())
    for request_id in sorted(left):
        settled(desk, request_id)
    desk.vault.forget_pages()
    return len(left)


def row_of(connection: Connection, request_id: str) -> RowMapping:
    """Return a request's row; raise `NoSuchRequest` where there is none."""
    row = connection.execute(select(REQUEST).where(REQUEST.c.id == request_id)).mappings().first()
    if row is None:
        raise NoSuchRequest
    return row


def locked(connection: Connection, request_id: str) -> RowMapping:
    """Return a request's row as nobody else can change it before this transaction ends."""
    query = select(REQUEST).where(REQUEST.c.id == request_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NoSuchRequest
    return row


def _has(connection: Connection, request_id: str, step: str, store: str) -> bool:
    # Since the request last came into this status: what was deleted once more is noted once more.
    entered = select(func.max(STEP.c.sequence)).where(
        STEP.c.request_id == request_id, STEP.c.status == step, STEP.c.store.is_(None)
    )
    since = connection.execute(entered).scalar_one_or_none() or 0
    query = select(STEP.c.sequence).where(
        STEP.c.request_id == request_id, STEP.c.step == step, STEP.c.store == store, STEP.c.sequence > since
    )
    return connection.execute(query).first() is not None


def _request(connection: Connection, row: RowMapping) -> Request:
    return _told(row, _kinds(connection, [row["id"]])[row["id"]])


def _told(row: RowMapping, kinds: Sequence[str]) -> Request:
    kept = {name: row[name] for name in row if name not in {"details", "sealed", "noted"}}
    return Request(**kept, kinds=tuple(kinds), details=json.loads(row["details"]))


def _kinds(connection: Connection, request_ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {one: [] for one in request_ids}
    for part in in_parts(request_ids):
        query = select(IDENTIFIER.c.request_id, IDENTIFIER.c.kind).where(IDENTIFIER.c.request_id.in_(part))
        for request_id, kind in connection.execute(query.order_by(IDENTIFIER.c.position)):
            found[request_id].append(kind)
    return found
