"""What processors call back with: heeded once its signature is proved, noted once, and never taken back by a replay."""

from datetime import datetime
from typing import Final

from consent.requests.desk import Desk, by_external, get, locked, settled, steps, write
from consent.requests.errors import NoSuchRequest
from consent.requests.model import Request
from consent.requests.opendsr.signing import Forged, Trust
from consent.requests.opendsr.wire import Called, Unfit, called
from infra.database import writing

_ORDER: Final = ("pending", "in_progress", "cancelled", "completed")


def acknowledge(
    desk: Desk, trust: Trust, raw: bytes, *, domain: str | None, signature: str | None, own_url: str, at: datetime
) -> Request | None:
    """Note what a processor says of a request, and return the request; None where it is none of ours or has ended.

    The raw bytes are checked before anything reads them. Raise `Forged` for what nobody we believe has said here.
    """
    sender = trust.check(raw, domain, signature, at)
    try:
        said = called(raw)
    except Unfit:
        raise Forged from None
    if said.status_callback_url != own_url:
        raise Forged  # meant for somebody else, and replayed here
    return _note(desk, sender, said, at)


def _note(desk: Desk, sender: str, said: Called, at: datetime) -> Request | None:
    request = _meant(desk, said.subject_request_id)
    if request is None or not request.open:
        return None
    with writing(desk.database) as connection:
        row = locked(connection, request.id)
        before = [
            _ORDER.index(step.facts["request_status"])
            for step in steps(desk, request.id)
            if step.step == "acknowledged" and step.store == f"recipient.{sender}"
        ]
        if _ORDER.index(said.request_status) > max(before, default=-1):
            facts = {"recipient": sender, "request_status": said.request_status}
            store = f"recipient.{sender}"[:120]
            write(connection, row, row["status"], at=at, actor=store, facts=facts, store=store, step="acknowledged")
    return settled(desk, request.id)


def _meant(desk: Desk, subject_request_id: str) -> Request | None:
    # Ours, as we hand it on under its own id; or a controller's, whose id we keep.
    try:
        return get(desk, subject_request_id.replace("-", ""))
    except NoSuchRequest:
        pass
    try:
        return by_external(desk, None, subject_request_id)
    except NoSuchRequest:
        return None
