"""Double opt-in: a yes that counts from the moment on at which whoever reads the mail confirms it.

A request is a signed slip and nothing else: what nobody confirms leaves no trace of whose address was typed. The caller
sends the slip by mail; it names an identifier by its keyed token alone.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from consent import officer, store
from consent.config import known_purposes
from consent.errors import UnknownPurpose
from consent.model import ALL, DOUBLE_OPT_IN, GIVEN, GPC, REFUSALS
from consent.officer import Desk, Statement
from infra.errors import Missing
from infra.ids import Token

LONGEST: Final = 2_048
_SALT: Final = "kindred.consent.confirm"


class SlipUnknown(Missing):
    """A slip that was never given out, has run out, or was overtaken by a no: they all look alike."""

    def __init__(self) -> None:
        super().__init__("this confirmation does not count, or not any more; request a new one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A yes that awaits its confirmation."""

    kind: str
    token: Token
    purpose: str
    at: datetime
    requested_by: str
    channel: str | None = None
    recipient: str | None = None
    jurisdiction: str | None = None
    notice: str | None = None


def request(desk: Desk, wish: Wish, lifetime: timedelta) -> dict[str, Any]:
    """Return the slip to be sent by mail, and when it runs out; the ledger knows nothing of it yet."""
    known = known_purposes(desk.policy)
    if wish.purpose not in known or wish.purpose == ALL:
        raise UnknownPurpose(name for name in known if name != ALL)
    expires_at = wish.at + lifetime
    told = {
        "n": desk.mint(),
        "k": wish.kind,
        "t": wish.token,
        "p": wish.purpose,
        "r": wish.at.isoformat(),
        "x": expires_at.isoformat(),
        "b": wish.requested_by,
        "c": wish.channel,
        "e": wish.recipient,
        "j": wish.jurisdiction,
        "v": wish.notice,
    }
    slip = _serializer(desk).dumps({name: value for name, value in told.items() if value is not None})
    return {"token": str(slip), "purpose": wish.purpose, "expires_at": expires_at.isoformat()}


def confirm(desk: Desk, slip: str, at: datetime) -> dict[str, Any]:
    """Record the yes of a slip, said now, and return its receipt; a slip that comes again does nothing new.

    Raise `SlipUnknown` for a slip that is forged, has run out, or was requested before a no about the same thing.
    """
    told = _read(desk, slip)
    requested_at = datetime.fromisoformat(told["r"])
    statement = Statement(
        kind=told["k"],
        token=Token(told["t"]),
        purpose=told["p"],
        action=GIVEN,
        occurred_at=at,
        received_at=at,
        mechanism=DOUBLE_OPT_IN,
        channel=told.get("c"),
        recipient=told.get("e"),
        jurisdiction=told.get("j"),
        notice=told.get("v"),
        evidence=json.dumps({"signal": DOUBLE_OPT_IN, "requested_at": told["r"], "requested_by": told["b"]}),
        request_id=told["n"],
    )
    said = store.history(desk.database, [statement.token])
    confirmed = any(entry.id == officer.entry_id(desk, statement) for entry in said)
    # The browser's wish is not: it gives way to one who is known and says yes (11 CCR 7025(c)(3)).
    noes = [e for e in said if e.action in REFUSALS and e.mechanism != GPC and e.purpose in {told["p"], ALL}]
    overtaken = any(e.told_at >= requested_at for e in noes)
    if not confirmed and (overtaken or at >= datetime.fromisoformat(told["x"])):
        raise SlipUnknown
    return officer.record(desk, statement)


def _read(desk: Desk, slip: str) -> dict[str, Any]:
    if len(slip) > LONGEST:
        raise SlipUnknown
    try:
        told: dict[str, Any] = _serializer(desk).loads(slip)
    except BadData:
        raise SlipUnknown from None
    # A purpose may have gone from the policy since.
    if told["p"] not in desk.policy.purposes:
        raise SlipUnknown
    return told


def _serializer(desk: Desk) -> URLSafeSerializer:
    keyed = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(desk.key, salt=_SALT, signer_kwargs=keyed)
