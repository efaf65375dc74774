"""What is sealed, to the byte: a leaf is the hash of an entry's public fields, spelled in one way, and its commitment.

A leaf is known as soon as its entry is, so it can be promised at once; its number in the ledger is its place in the
tree, which every proof shows. The public fields name the subject by a random number alone. What else there is to tell,
the evidence, is only committed to: its salted hash stands in the leaf, and says nothing without the salt.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import RowMapping

from consent.ledger.merkle import leaf_hash
from consent.ledger.schema import CONSENT_EVENT
from infra.errors import Malformed

VERSION: Final = 1
CONSENT: Final = "consent"
NOTE: Final = "note"
_KEPT_BACK: Final = ("sequence", "evidence", "commitment", "private", "leaf")
PUBLIC: Final = tuple(str(column.name) for column in CONSENT_EVENT.columns if column.name not in _KEPT_BACK)


def entry_fields(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    """Return the public fields of an entry; what it does not say is left out."""
    told = {name: row[name] for name in PUBLIC if row[name] is not None}
    told = {name: written(value) if isinstance(value, datetime) else value for name, value in told.items()}
    return {"kind": CONSENT, "v": VERSION, **told}


def note_fields(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    """Return the public fields of a note."""
    facts = orjson.loads(row["facts"])
    return {"kind": NOTE, "v": VERSION, "id": row["id"], "note": row["kind"], "at": written(row["at"]), "facts": facts}


def written(moment: datetime) -> str:
    """Return a moment as leaves, heads and receipts spell it: UTC, to the microsecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def spelled(fields: Mapping[str, Any]) -> bytes:
    """Return the one spelling (RFC 8785) of fields of text, whole numbers, lists and mappings.

    `infra.signing.canonical` says the same of any document, and takes twenty times as long.
    """
    try:
        return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, TypeError):
        raise Malformed("an entry has no canonical form; use text, whole numbers, lists and mappings") from None


def leaf_of(fields: Mapping[str, Any], commitment: bytes | None) -> bytes:
    """Return the hash of a leaf: of an entry's public fields and its commitment, if it has one."""
    return leaf_hash(spelled(fields) + (commitment or b""))
