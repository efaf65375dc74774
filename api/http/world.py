"""Everything a server is made of; tests and the composition root each build their own."""

from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from sqlalchemy import Engine

from api.http.audit import ReadAudit
from api.http.credentials import KeyRing
from api.http.expiry import Expiry
from api.http.metrics import Metrics
from api.http.ports import Consents, Decider, Profiles, Stewards
from api.http.reading import Tongue
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
    expiry: Expiry | None = None
    metrics: Metrics = field(default_factory=Metrics)
    name: str = "Kindred"
    zone: tzinfo = UTC
    body_limit: int = 64 * 1024
