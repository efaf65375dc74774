"""`consent/requests.yaml`: who approves, which days are off, how identities are proved, who may call and be called."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from consent.config import Place
from consent.requests.deadlines import Calendar
from consent.requests.model import Right
from infra.errors import ConfigurationError
from infra.identifiers import load_identifier_types
from infra.workspace import Workspace

FILE: Final = "consent/requests.yaml"
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOST: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
OPENDSR_TYPES: Final = (
    "controller_customer_id",
    "android_advertising_id",
    "android_id",
    "email",
    "fire_advertising_id",
    "ios_advertising_id",
    "ios_vendor_id",
    "microsoft_advertising_id",
    "microsoft_publisher_id",
    "roku_publisher_id",
    "roku_advertising_id",
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CalendarConfig(_Section):
    """The days of one place."""

    time_zone: str = "UTC"
    weekend: tuple[Weekday, ...] = ("sat", "sun")
    holidays: tuple[date, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not a time zone; use a name such as UTC or America/Los_Angeles") from None
        return value

    def calendar(self) -> Calendar:
        """Return the calendar that the rules ask."""
        weekend = frozenset(_WEEK.index(day) for day in self.weekend)
        return Calendar(ZoneInfo(self.time_zone), weekend, frozenset(self.holidays))


class ProofConfig(_Section):
    """How somebody proves that an identifier is theirs."""

    valid_hours: int = Field(default=72, ge=1, le=720)
    tries: int = Field(default=5, ge=1, le=20, description="wrong proofs of one identifier before it is closed")
    sent: int = Field(default=3, ge=1, le=20, description="proofs sent to one identifier for one request")
    deliver_to: str | None = Field(
        default=None,
        pattern=r"^https://[^/@\s]+(/\S*)?$",
        description="https address of the mailer that sends proofs on",
    )


class OpenDsrConfig(_Section):
    """This workspace as a processor by OpenDSR 2.0."""

    domain: str
    certificate: str = Field(description="PEM with the certificate and its chain, relative to the workspace")
    key: str = Field(description="PEM of its private key, relative to the workspace")
    trust: str | None = Field(default=None, description="PEM of the authorities whose callbacks are believed")
    processors: dict[str, str] = Field(default={}, description="domains that may call back: PEM of their certificate")
    callback_hosts: tuple[str, ...] = Field(default=(), description="hosts that may be called back")
    identities: dict[str, str] = Field(default={"email": "email"}, description="OpenDSR's type: ours")

    @field_validator("domain")
    @classmethod
    def _is_a_domain(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise ValueError("not the name of a host; use one such as privacy.example.com")
        return value

    @field_validator("identities")
    @classmethod
    def _known_types(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value) - set(OPENDSR_TYPES))
        if unknown:
            raise ValueError(f"OpenDSR has no identity type {', '.join(unknown)}; it has {', '.join(OPENDSR_TYPES)}")
        return value


class RequestsConfig(_Section):
    """`consent/requests.yaml`; a workspace without it has these defaults."""

    controller: str = "self"
    four_eyes: tuple[Right, ...] = Field(default=(), description="rights that another officer must approve")
    calendars: dict[Place, CalendarConfig] = Field(default={}, description="by jurisdiction; * for all others")
    proof: ProofConfig = ProofConfig()
    a_day: int = Field(
        default=10, ge=1, description="requests under one identifier within a day; beyond it no proof is sent"
    )
    answer_days: int = Field(default=30, ge=1, description="that an answer can be fetched")
    user_id: str | None = Field(default=None, description="the identifier type of Segment's userId")
    opendsr: OpenDsrConfig | None = None
    recipients: Annotated[dict[str, str], Field(description="who receives data, in words that people are told")] = {}
    retention: dict[str, str] = Field(default={}, description="by table: how long and why, as people are told")

    def calendar(self, jurisdiction: str | None, zone: str) -> Calendar:
        """Return the calendar of a place: its own, its country's, the one for all, else weekends in the zone."""
        known: Mapping[Any, CalendarConfig] = self.calendars
        country = None if jurisdiction is None else jurisdiction.partition("-")[0]
        found = next((known[place] for place in (jurisdiction, country, "*") if place in known), None)
        return (found or CalendarConfig(time_zone=zone)).calendar()


def load_requests(workspace: Workspace) -> RequestsConfig:
    """Return what the workspace says of privacy requests; raise `ConfigurationError` for undeclared types."""
    if not (workspace.root / FILE).is_file():
        return RequestsConfig()
    config = workspace.load(FILE, RequestsConfig)
    kinds = load_identifier_types(workspace)
    named = {"user_id": config.user_id} if config.user_id else {}
    named |= {f"opendsr.identities.{theirs}": ours for theirs, ours in _identities(config).items()}
    for where, kind in named.items():
        if kind not in kinds:
            wrong, right = "not a declared identifier type", f"identity.yaml declares {', '.join(kinds)}"
            raise ConfigurationError(FILE, None, where, wrong, right)
    return config


def _identities(config: RequestsConfig) -> Mapping[str, str]:
    return config.opendsr.identities if config.opendsr else {}
