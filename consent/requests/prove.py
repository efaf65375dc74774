"""Proving whose identifier it is: a signed, expiring word sent to it, which only its holder can bring back.

Wrong, late, used and surplus proofs are answered alike, and nothing is looked up of who is known.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import func, select, update

from consent.requests.desk import Desk, claimed, get, locked, settled, write
from consent.requests.errors import NotNow, NotProved, Unreadable
from consent.requests.judge import accept_if_clear
from consent.requests.model import Claimed, Request, Status, following
from consent.requests.store import PRIVACY_REQUEST as REQUEST
from consent.requests.store import PRIVACY_REQUEST_IDENTIFIER as IDENTIFIER
from infra.database import writing

_SALT: Final = "kindred privacy proof"
_LONGEST: Final = 500
_VERIFYING: Final = frozenset({"verifying", "waiting_subject"})


@dataclass(frozen=True, slots=True)
class Proof:
    """A word to be sent to an identifier, and to nobody else."""

    request_id: str
    position: int
    holder: Claimed
    word: str = field(repr=False)
    expires_at: datetime


def challenge(desk: Desk, request_id: str, position: int, *, at: datetime, actor: str) -> Proof:
    """Return a new proof for one identifier; the one before it no longer holds.

    A request has only so many; raise `NotProved` beyond them.
    """
    nonce = secrets.token_urlsafe(16)
    until = at + timedelta(hours=desk.config.proof.valid_hours)
    word = _signer(desk).dumps([request_id, position, nonce, int(until.timestamp())])
    with writing(desk.database) as connection:
        row = locked(connection, request_id)
        if row["status"] not in _VERIFYING:
            raise NotNow(row["status"], "verified", following(row["right"], row["status"], row["resumes"]))
        mine = (IDENTIFIER.c.request_id == request_id, IDENTIFIER.c.position == position)
        found = connection.execute(select(IDENTIFIER).where(*mine)).mappings().first()
        if found is None:
            raise Unreadable("the request has no such identifier", "`kindred privacy show` counts them from 0")
        if found["sent"] >= desk.config.proof.sent:
            raise NotProved
        changes = {"proof": _digest(word), "sent": found["sent"] + 1}
        connection.execute(update(IDENTIFIER).where(*mine).values(**changes))
        facts = {"identifier": position, "expires_at": until}
        write(connection, row, row["status"], at=at, actor=actor, facts=facts, step="proof_sent")
    settled(desk, request_id)
    return Proof(request_id, position, claimed(desk, found), word, until)


def answer(desk: Desk, request_id: str, word: str, *, at: datetime) -> Request:
    """Take a proof and return the request; raise `NotProved` for whatever does not hold, always the same.

    A wrong one counts against every identifier that still waits, so nobody tries for ever.
    """
    held = _read(desk, word)
    proved = False
    with writing(desk.database) as connection:
        query = select(REQUEST).where(REQUEST.c.id == request_id).with_for_update()
        row = connection.execute(query).mappings().first()
        waiting = (IDENTIFIER.c.request_id == request_id, IDENTIFIER.c.verified_at.is_(None))
        rows = connection.execute(select(IDENTIFIER).where(*waiting)).mappings().all()
        position, expires = (held[1], held[3]) if held is not None and held[0] == request_id else (-1, 0)
        mine = next((one for one in rows if one["position"] == position), None)
        same = hmac.compare_digest(_digest(word), (mine["proof"] if mine else None) or _digest(""))
        if row is not None and row["status"] in _VERIFYING:
            few = mine is not None and mine["tries"] < desk.config.proof.tries
            proved = mine is not None and same and few and at.timestamp() < expires
            if proved:
                only = (*waiting, IDENTIFIER.c.position == position)
                connection.execute(update(IDENTIFIER).where(*only).values(verified_at=at, proof=None))
                whole = len(rows) == 1
                more: dict[str, Any] = {"verified_at": at} if whole else {}
                facts = {"identifier": position}
                to: Status = "verifying" if row["resumes"] == "verifying" else row["status"]
                write(connection, row, to, at=at, actor="subject", facts=facts, step="proved", **more)
            elif any(one["tries"] < desk.config.proof.tries for one in rows):
                connection.execute(update(IDENTIFIER).where(*waiting).values(tries=IDENTIFIER.c.tries + 1))
                write(connection, row, row["status"], at=at, actor="subject", step="proof_refused")
    if not proved:
        if row is not None:
            settled(desk, request_id)
        raise NotProved
    settled(desk, request_id)
    return accept_if_clear(desk, request_id, at)


def attest(desk: Desk, request_id: str, seen: str, *, at: datetime, actor: str) -> Request:
    """Note that an officer made sure who asks (`seen`: passport, login, call_back …), for all identifiers at once."""
    if not seen.isidentifier() or len(seen) > 30:
        raise Unreadable("what was seen is one word", "write for example passport, login or call_back")
    with writing(desk.database) as connection:
        row = locked(connection, request_id)
        if row["status"] != "verifying":
            raise NotNow(row["status"], "verified", following(row["right"], row["status"], row["resumes"]))
        waiting = (IDENTIFIER.c.request_id == request_id, IDENTIFIER.c.verified_at.is_(None))
        connection.execute(update(IDENTIFIER).where(*waiting).values(verified_at=at, proof=None))
        write(connection, row, "verifying", at=at, actor=actor, facts={"seen": seen}, step="attested", verified_at=at)
    settled(desk, request_id)
    return accept_if_clear(desk, request_id, at)


def unproved(desk: Desk, request_id: str) -> int:
    """Return how many identifiers of a request still wait for a proof."""
    get(desk, request_id)
    waiting = (IDENTIFIER.c.request_id == request_id, IDENTIFIER.c.verified_at.is_(None))
    with desk.database.connect() as connection:
        query = select(func.count()).select_from(IDENTIFIER).where(*waiting)
        return int(connection.execute(query).scalar_one())


def _signer(desk: Desk) -> URLSafeSerializer:
    return URLSafeSerializer(desk.proofs, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})


def _read(desk: Desk, word: str) -> tuple[str, int, str, int] | None:
    if len(word) > _LONGEST:
        return None
    try:
        request_id, position, nonce, expires = _signer(desk).loads(word)
    except (BadData, ValueError, TypeError):
        return None
    return str(request_id), int(position), str(nonce), int(expires)


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()
