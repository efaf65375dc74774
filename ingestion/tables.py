"""The Delta tables that ingestion owns; it also fills consent's inbox.

Facts are appended and never edited; `ingestion.transforms` tells the newest.

`content_hash` and tokens are marked personal: a digest of a person's row could be guessed, so the log keeps no
statistics of them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from infra.tables import PERSONAL, Table


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier in its one spelling, with the token that stands for it."""

    type: str
    value: str
    token: str


@dataclass(frozen=True, slots=True)
class Record:
    """One version of what a source says of one of its people (`person`), or of a known subject of its events."""

    record_key: str
    source: str
    key: Annotated[str, PERSONAL]
    kind: str
    known: bool
    attributes: Annotated[dict[str, str], PERSONAL]
    identifiers: Annotated[list[Identifier], PERSONAL]
    observed_at: datetime
    received_at: datetime
    content_hash: Annotated[str, PERSONAL]
    sequence: int
    trust: float
    jurisdiction: str | None
    deleted: bool
    batch: int


@dataclass(frozen=True, slots=True)
class Event:
    """One version of something that happened; `version` above 0 is a correction of an event taken in before."""

    source: str
    message_id: Annotated[str, PERSONAL]
    type: str
    name: str | None
    occurred_at: datetime
    received_at: datetime
    subject: Annotated[str | None, PERSONAL]
    subject_token: Annotated[str | None, PERSONAL]
    record_key: str | None
    anonymous_id: Annotated[str | None, PERSONAL]
    identifiers: Annotated[list[Identifier], PERSONAL]
    properties: Annotated[dict[str, str], PERSONAL]
    order_id: Annotated[str | None, PERSONAL]
    product_id: str | None
    quantity: float | None
    amount: float | None
    campaign: str | None
    coupon: str | None
    channel: str | None
    content_hash: Annotated[str, PERSONAL]
    version: int
    batch: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a thing that is no person: a product, a campaign."""

    source: str
    key: str
    attributes: dict[str, str]
    content_hash: str
    observed_at: datetime
    received_at: datetime
    sequence: int
    batch: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not taken in: where it stands, what is wrong with which field, and the row itself to mend."""

    source: str
    file: str
    position: int
    field: str | None
    rule: str
    value_class: str
    reason: str
    payload: Annotated[str, PERSONAL]
    content_hash: Annotated[str, PERSONAL]
    received_at: datetime
    batch: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a row that no other table tells of, under the token of its source and key."""

    source: str
    token: Annotated[str, PERSONAL]
    verdict: str
    received_at: datetime
    batch: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of a rejection that was replayed: by which fix, and whether its row is now taken in.

    `field` and `rule` are the rejection's, which has left the quarantine unless a later batch rejected the same row
    again. `verdict` is accepted, duplicate, consent_filtered, or quarantined where the mended row is rejected for
    something else: `became` is then the content hash of the new rejection. `key` is the source's own, of what was
    taken in; `arrived_at` says when the row had come.
    """

    source: str
    content_hash: Annotated[str, PERSONAL]
    field: str | None
    rule: str
    fix: str
    verdict: str
    key: Annotated[str | None, PERSONAL]
    became: Annotated[str | None, PERSONAL]
    arrived_at: datetime
    replayed_at: datetime
    batch: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """An event that said within a window what another one had said: which one, under the token of its own key."""

    source: str
    token: Annotated[str, PERSONAL]
    first: Annotated[str, PERSONAL]
    received_at: datetime
    batch: int


@dataclass(frozen=True, slots=True)
class Landed:
    """An entry of the event log as Kafka held it, on its way to be taken in; kept for a few days after that."""

    source: str
    epoch: int
    landing: int
    part: int
    place: int
    body: Annotated[str, PERSONAL]
    landed_at: datetime


@dataclass(frozen=True, slots=True)
class LetGo:
    """A row that was older than it may be kept and is known again by a keyed digest alone: of source, key and content.

    Only rows whose own words do not tell their age are remembered.
    """

    source: str
    token: Annotated[str, PERSONAL]
    let_go_at: datetime
    batch: int


RECORDS = Table("records", Record, keys=("record_key", "sequence"))
EVENTS = Table("events", Event, keys=("source", "message_id", "version"))
CATALOGUE = Table("catalogue", Entry, keys=("source", "key", "sequence"))
QUARANTINE = Table("quarantine", Rejected, keys=("source", "content_hash", "field", "rule", "batch"))
RECOVERED = Table("recovered", Recovered, keys=("source", "content_hash", "field", "rule", "batch"))
VERDICTS = Table("verdicts", Verdict, keys=("source", "token", "received_at"))
REPEATED = Table("repeated", Repeated, keys=("source", "token", "received_at"))
LANDED = Table("landed", Landed, keys=("source", "epoch", "part", "place"), merged=True)

LET_GO = Table("let_go", LetGo, keys=("source", "token"))

TABLES = (RECORDS, EVENTS, CATALOGUE, QUARANTINE, RECOVERED, VERDICTS, REPEATED, LANDED, LET_GO)
