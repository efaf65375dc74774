"""The Delta tables of consent: what ingestion hands over, and the ledger's mirror that jobs read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from infra.tables import PERSONAL, Table


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One word about consent as a source told it: checked by ingestion, not yet in the ledger.

    `notice` is `id` or `id@version`; a channel that is null means any.
    """

    source: str
    event_id: Annotated[str, PERSONAL]
    kind: str
    token: Annotated[str, PERSONAL]
    purpose: str
    action: str
    mechanism: str | None
    jurisdiction: str | None
    notice: str | None
    channel: str | None
    occurred_at: datetime
    expires_at: datetime | None
    received_at: datetime
    batch: int


@dataclass(frozen=True, slots=True)
class MirrorRow:
    """One ledger entry as jobs see it; the evidence stays in the database, where no job needs it."""

    id: str
    sid: Annotated[str, PERSONAL]
    token: Annotated[str | None, PERSONAL]
    identifier_kind: str
    controller: str
    purpose: str
    channel: str | None
    recipient: str | None
    basis: str | None
    action: str
    jurisdiction: str | None
    notice_id: str | None
    notice_version: str | None
    notice_hash: str | None
    notice_language: str | None
    mechanism: str
    asserted_by: str
    age_band: str | None
    occurred_at: datetime
    received_at: datetime
    effective_from: datetime | None
    expires_at: datetime | None
    supersedes: str | None


CONSENT_INBOX: Final = Table("consent_inbox", InboxRow, keys=("source", "event_id"))
CONSENT_EVENT: Final = Table("consent_event", MirrorRow, keys=("id",))
TABLES: Final = (CONSENT_INBOX, CONSENT_EVENT)
