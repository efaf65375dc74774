"""What is to be told to others: written first, sent until it arrived or nobody can hope any more.

What a message says follows from the steps of its request, whoever took them; put in twice, it is there once.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk, get, steps
from consent.requests.errors import Shredded
from consent.requests.model import Request, opendsr
from consent.requests.post import Post
from consent.requests.prove import Proof
from consent.requests.store import PRIVACY_OUTBOX as OUTBOX
from consent.requests.store import PRIVACY_REQUEST as REQUEST
from infra.database import writing

Send = Callable[[str, bytes, Mapping[str, str]], str]
Sign = Callable[[bytes], Mapping[str, str]]
Body = Callable[[Request, str], Mapping[str, Any]]
# After each try that failed; when all are spent somebody has to look.
WAITS: Final = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 360, 720, 1440, 1440))
_LEASE: Final = timedelta(minutes=5)
_MANY: Final = 200
# `pending` is what the answer to the request itself said.
_LATER: Final = frozenset({"results_url", "extensions"})
_TOLD: Final = ("in_progress", "completed", "cancelled")


@dataclass(frozen=True, slots=True)
class Sent:
    """What one round brought."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0


def call_back(desk: Desk, body: Body, at: datetime) -> int:
    """Put in a callback for every change of status that a controller wants to hear of; return how many were new."""
    told = select(OUTBOX.c.request_id).where(OUTBOX.c.about.in_(("callback:completed", "callback:cancelled")))
    wanted = REQUEST.c.details.like('%"callbacks": ["%')
    with desk.database.connect() as connection:
        query = select(REQUEST.c.id).where(REQUEST.c.channel == "opendsr", wanted, REQUEST.c.id.not_in(told))
        found = connection.execute(query.order_by(REQUEST.c.opened_at)).scalars().all()
    return sum(_call_back(desk, request_id, body, at) for request_id in found)


def _call_back(desk: Desk, request_id: str, body: Body, at: datetime) -> int:
    request = get(desk, request_id)
    changes = {opendsr(request.right, step.status) for step in steps(desk, request_id)}
    # What was passed through between two looks is told as well, and the newest with all that it says now.
    about: list[str] = [one for one in _TOLD if one in changes]
    if request.extended_at is not None and request.open:
        about.append("extended")
    rows = []
    for one in about:
        for url in request.details["callbacks"]:
            said = dict(body(request, url))
            if one not in {"extended", said.get("request_status")}:
                # Of a status that was passed through: what came of it later is the next message's.
                said = {name: value for name, value in said.items() if name not in _LATER} | {"request_status": one}
            rows.append(_row(request_id, f"callback:{one}", url, json.dumps(said).encode(), at))
    return _put(desk, rows)


def put_proof(desk: Desk, proof: Proof, at: datetime) -> bool:
    """Put in a proof for the mailer, sealed until it is sent; return whether there is a mailer."""
    url = desk.config.proof.deliver_to
    if url is None:
        return False
    told = {
        "request_id": proof.request_id,
        "identifier": {"type": proof.holder.kind, "value": proof.holder.value},
        "proof": proof.word,
        "expires_at": proof.expires_at.isoformat(),
    }
    # The number of the proof: a second one is a message of its own.
    with desk.database.connect() as connection:
        before = select(func.count()).where(OUTBOX.c.request_id == proof.request_id)
        number = int(connection.execute(before).scalar_one())
    about = f"proof:{proof.position}:{number}"
    box = desk.vault.seal(proof.request_id, json.dumps(told).encode(), about)
    return bool(_put(desk, [_row(proof.request_id, about, url, box, at) | {"sealed": 1}]))


def _row(request_id: str, about: str, url: str, body: bytes, at: datetime) -> dict[str, Any]:
    told = {"request_id": request_id, "about": about, "url": url, "body": body}
    return told | {"sealed": 0, "made_at": at, "next_at": at, "tries": 0}


def _put(desk: Desk, rows: list[dict[str, Any]]) -> int:
    """Put in all of them or none, and return how many were new."""
    new = 0
    with writing(desk.database) as connection:
        build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        for row in rows:
            put = build(OUTBOX).values(**row).on_conflict_do_nothing(index_elements=["request_id", "about", "url"])
            new += connection.execute(put).rowcount
    return new


def deliver(desk: Desk, send: Send, sign: Sign, at: datetime) -> Sent:
    """Send what is due and return what became of it. Who dies in between sends again: receivers count once."""
    delivered = failed = given_up = 0
    with desk.database.connect() as connection:
        query = select(OUTBOX).where(OUTBOX.c.next_at <= at).order_by(OUTBOX.c.next_at, OUTBOX.c.number).limit(_MANY)
        rows = connection.execute(query).mappings().all()
    for row in rows:
        mine = (OUTBOX.c.number == row["number"], OUTBOX.c.next_at == row["next_at"])
        with writing(desk.database) as connection:
            leased = {"next_at": at + _LEASE, "tries": row["tries"] + 1}
            if connection.execute(update(OUTBOX).where(*mine).values(**leased)).rowcount == 0:
                continue  # another process has it
        outcome = _sent(desk, row, send, sign)
        done = outcome == "delivered"
        spent = outcome == "shredded" or row["tries"] >= len(WAITS)
        after: dict[str, Any] = {"outcome": outcome}
        if done or spent:
            after |= {"next_at": None, "body": None} | ({"delivered_at": at} if done else {})
        else:
            after |= {"next_at": at + WAITS[row["tries"]]}
        with writing(desk.database) as connection:
            connection.execute(update(OUTBOX).where(OUTBOX.c.number == row["number"]).values(**after))
        delivered, failed, given_up = delivered + done, failed + (not done), given_up + (spent and not done)
    return Sent(delivered, failed, given_up)


def _sent(desk: Desk, row: Any, send: Send, sign: Sign) -> str:
    body = row["body"]
    if row["sealed"]:
        try:
            body = desk.vault.unseal(row["request_id"], body, row["about"])
        except Shredded:
            return "shredded"
    return send(row["url"], body, sign(body))


def sender(config: RequestsConfig) -> Send:
    """Return what sends for a workspace: callbacks to agreed hosts in the open, proofs to its own mailer anywhere."""
    callbacks = Post(frozenset(config.opendsr.callback_hosts if config.opendsr else ()))
    mailer = config.proof.deliver_to
    proofs = Post(frozenset({urlsplit(mailer or "").hostname or ""}), acceptable=lambda _: True)

    def send(url: str, body: bytes, headers: Mapping[str, str]) -> str:
        return (proofs if url == mailer else callbacks)(url, body, headers)

    return send


def waiting(desk: Desk) -> Mapping[str, int]:
    """Return how many messages wait, and how many were given up."""
    with desk.database.connect() as connection:
        left = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.next_at.is_not(None))
        lost = (
            select(func.count()).select_from(OUTBOX).where(OUTBOX.c.next_at.is_(None), OUTBOX.c.delivered_at.is_(None))
        )
        return {
            "waiting": int(connection.execute(left).scalar_one()),
            "given_up": int(connection.execute(lost).scalar_one()),
        }
