"""Everything a server is made of; tests and the composition root each build their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo

from sqlalchemy import Engine

from api.http.audit import ReadAudit
from api.http.centre.wording import Language, shipped
from api.http.collector.app import Collector
from api.http.credentials import KeyRing
from api.http.expiry import Expiry
from api.http.metrics import Metrics
from api.http.ports import Consents, Decider, Json, Notary, Profiles, Signalling, Stewards, Tended, Verdicts
from api.http.privacy.office import Office
from api.http.reading import Tongue
from api.http.sealing import Sealing
from consent.requests.desk import Desk as RequestDesk
from infra.clock import Clock


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
    languages: Mapping[str, Language] = field(default_factory=shipped)
    name: str = "Kindred"
    zone: tzinfo = UTC
    body_limit: int = 64 * 1024

    def moment(self) -> "World":
        """Return the world with its profiles as they are at this moment, for one answer made of several reads."""
        return replace(self, profiles=self.profiles.moment())
