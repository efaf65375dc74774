"""Everything a server is made of; tests and the composition root each build their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Engine

from api.http.audit import ReadAudit
from api.http.centre.wording import Language, Shipped
from api.http.changing import Changes
from api.http.collector.app import Collector
from api.http.credentials import KeyRing
from api.http.expiry import Expiry
from api.http.keys import Credential
from api.http.metrics import Metrics
from api.http.people import People
from api.http.ports import Consents, Decider, Json, Notary, Profiles, Signalling, Stewards, Tended, Verdicts
from api.http.privacy.office import Office
from api.http.reading import Tongue
from api.http.sealing import Sealing
from consent.requests.desk import Desk as RequestDesk
from infra.clock import Clock
from infra.ids import ProfileId, Purpose
from profiles.features.declared import FeatureSet
from profiles.history.reading import Past

BATCH: Final = "/v1/profiles:batchLookup"
FEATURES: Final = "/v1/features"


@dataclass(frozen=True, slots=True)
class Segment:
    """Segment's Profile API: the name of its one space, and our type of identifier for each of theirs."""

    space: str
    types: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class World:
    """One server's dependencies."""

    profiles: Profiles
    consents: Consents | None
    decider: Decider | None
    tongue: Tongue
    database: Engine
    ring: KeyRing
    audit: ReadAudit
    people: People
    clock: Clock
    stewards: Stewards | None = None
    signals: Signalling | None = None
    verdicts: Verdicts | None = None
    sources: Tended | None = None
    notary: Notary | None = None
    expiry: Expiry | None = None
    sealing: Sealing | None = None
    collector: Collector | None = None
    privacy: Office | None = None
    metrics: Metrics = field(default_factory=Metrics)
    requests: RequestDesk | None = None
    online: Callable[[], Json] | None = None
    changes: Changes | None = None
    past: Past | None = None
    languages: Mapping[str, Language] = field(default_factory=Shipped)
    name: str = "Kindred"
    zone: tzinfo = UTC
    body_limit: int = 64 * 1024
    batch_limit: int = 512 * 1024
    body_seconds: float = 10.0
    built: Callable[[], datetime | None] | None = None
    stale_after: timedelta | None = None
    segment: Segment | None = None
    features: Mapping[str, FeatureSet] = field(default_factory=dict)

    def limit_of(self, path: str) -> int:
        """Return how many bytes the body of a request to a path may have."""
        return self.batch_limit if path in (BATCH, FEATURES) else self.body_limit

    def admitted(self, caller: Credential, ids: Sequence[ProfileId], purpose: Purpose, decision: str) -> None:
        """Count people whom a caller is about to see; raise `DayFull`. The looks are in the audit either way.

        That the day is full says of somebody that they may be seen: nobody asks that of everybody without a trace.
        """
        told = "hidden"
        try:
            self.people.admit(caller, ids)
            told = decision
        finally:
            self.audit.note_all(caller.key_id, purpose, ids, told)

    def moment(self) -> "World":
        """Return the world with its profiles as they are at this moment, for one answer made of several reads."""
        return replace(self, profiles=self.profiles.moment())
