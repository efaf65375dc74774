"""The receipt that a person is handed: what was recorded, by the fields of ISO/IEC TS 27560, with proof that it stands.

It is signed whole and checked without us (`consent.ledger.verify`). It keeps verifying when others are erased.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import Engine, select

from consent.errors import UnknownEntry
from consent.ledger import vault
from consent.ledger.documents import PROMISE, RECEIPT, signed
from consent.ledger.leaf import CONSENT, written
from consent.ledger.proofs import Proven, proven
from consent.ledger.schema import CONSENT_EVENT
from consent.model import Policy
from infra.ids import Sid
from infra.signing import Signer, encoded

SCHEMA: Final = "ISO/IEC TS 27560:2023"
# The outer bound of a promise. A running server seals within seconds; without one the next command does.
SEALED_WITHIN: Final = timedelta(days=1)
_STATES: Final = {
    "given": "consent given",
    "refused": "consent refused",
    "withdrawn": "consent withdrawn",
    "objected": "objection made",
    "restricted": "processing restricted",
    "unrestricted": "restriction lifted",
    "expired": "consent expired",
    "invalidated": "consent invalidated",
    "acknowledged": "notice acknowledged",
}


def promise(database: Engine, entry_id: str, signer: Signer, received_at: datetime) -> dict[str, Any] | None:
    """Return our signed word that an entry, which is on disk, will stand in the ledger exactly as it is.

    None for one from before there was a sealer that was not sealed yet: it has no leaf that could be promised.
    """
    with database.connect() as connection:
        row = connection.execute(select(CONSENT_EVENT.c.leaf).where(CONSENT_EVENT.c.id == entry_id)).first()
    if row is None:
        raise UnknownEntry
    if row.leaf is None:
        return None
    facts = {"entry": entry_id, "leaf": row.leaf.hex(), "received_at": written(received_at)}
    return signed(PROMISE, {**facts, "sealed_by": written(received_at + SEALED_WITHIN)}, signer)


def receipt(database: Engine, entry_id: str, policy: Policy, signer: Signer) -> dict[str, Any]:
    """Return the receipt of an entry; raise `UnknownEntry`, or `NotSealed` where it awaits the sealer.

    With the evidence goes its salt, so that the person can show what was said, and nobody else can find it out.
    """
    found = proven(database, entry_id)
    if found.fields["kind"] != CONSENT:
        raise UnknownEntry
    record = _record(found.fields, policy, found.head.ledger)
    facts = {
        "receipt_id": entry_id,
        "schema_version": SCHEMA,
        "record": record,
        **found.document(),
        "opening": _opening(database, found),
        "public_key": encoded(signer.public),
    }
    return signed(RECEIPT, facts, signer)


def _opening(database: Engine, found: Proven) -> dict[str, Any] | None:
    if found.private is None or (keys := vault.keys_of(database)) is None:
        return None
    (opened,) = keys.open_all([(Sid(found.fields["sid"]), found.private)])
    if opened is None:
        return None
    told = orjson.loads(opened.payload) if opened.payload else None
    return {"salt": encoded(opened.salt), "payload": told}


def _record(fields: Mapping[str, Any], policy: Policy, ledger: str) -> dict[str, Any]:
    """Return the sections of TS 27560; what the entry does not say is named as not stated, never made up."""
    terms = policy.purposes.get(fields["purpose"])
    purpose = {
        "purpose": fields["purpose"],
        "description": terms.description if terms and terms.description else None,
        "lawful_basis": fields.get("basis"),
        "pii_type": fields["identifier_kind"],
        "channel": fields.get("channel"),
        "jurisdiction": fields.get("jurisdiction"),
        "recipient_third_parties": fields.get("recipient"),
        "collection_method": fields["mechanism"],
        "withdrawal_method": "say so to the controller, as easily as it was given; it counts as soon as it is recorded",
        "retention_period": None,
        "storage_location": None,
    }
    notice = {
        "id": fields.get("notice_id"),
        "version": fields.get("notice_version"),
        "sha256": fields.get("notice_hash"),
        "language": fields.get("notice_language"),
    }
    event = {
        "event_time": fields["occurred_at"],
        "received_time": fields["received_at"],
        "valid_from": fields.get("effective_from"),
        "valid_until": fields.get("expires_at"),
        "event_type": fields["action"],
        "event_state": _STATES.get(fields["action"], fields["action"]),
        "asserted_by": fields["asserted_by"],
        "supersedes": fields.get("supersedes"),
    }
    sections = {
        "metadata": {"record_id": fields["id"], "pii_principal_id": fields["sid"], "ledger": ledger},
        "privacy_notice": notice,
        "pii_processing": purpose,
        "party": {"party_id": fields["controller"], "party_type": "pii_controller"},
        "event": event,
    }
    told = {name: {k: v for k, v in one.items() if v is not None} for name, one in sections.items()}
    missing = [f"{name}.{k}" for name, one in sections.items() for k, v in one.items() if v is None]
    return {**told, "not_stated": missing}
