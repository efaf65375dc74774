"""How profiles are served: addresses, processes, limits, who may ask, and what leaves beside the answers."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from infra.changes_settings import ChangesSettings, HistorySettings
from infra.section import Section, plain_address

_REDIS = ("redis://", "rediss://")


class SegmentSettings(Section):
    """Segment's Profile API at its own addresses."""

    space: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="the space's id in the addresses")
    types: dict[str, str] = Field(
        default={}, description="our identifier type for each of theirs that is called otherwise: user_id: customer"
    )


class OidcSettings(Section):
    """Whose bearer tokens the server takes beside its own keys, and what the names in them open."""

    issuer: str = Field(min_length=1, description="as tokens say it in iss")
    audience: str = Field(min_length=1, description="that tokens must be made out for")
    jwks: str = Field(description="the provider's keys: an https address, or a file of the workspace")
    claim: str = Field(default="scope", description="the claim that holds names: words, or a list")
    scopes: dict[str, list[str]] = Field(default={}, description="what each name may do")
    purposes: dict[str, list[str]] = Field(default={}, description="what for")
    leeway: int = Field(default=60, ge=0, le=300, description="seconds by which clocks may differ")

    @field_validator("jwks")
    @classmethod
    def _out_of_reach(cls, value: str) -> str:
        parts = urlsplit(value)
        if "://" not in value:
            return value
        if parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
            return value
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.password:
            raise ValueError("whoever can change these keys can let anybody in; use https://host/…, or a file")
        return value


class TracingSettings(Section):
    """Traces of requests, sent to a collector of OpenTelemetry's."""

    endpoint: str = Field(description="of the collector, for traces, e.g. http://127.0.0.1:4318/v1/traces")
    share: float = Field(default=1.0, ge=0, le=1, description="of the requests that no traced caller sends")

    @field_validator("endpoint")
    @classmethod
    def _of_a_collector(cls, value: str) -> str:
        return plain_address(
            value, "http://host:4318/v1/traces", "put a collector that needs none beside the server, and let it add one"
        )


class ServingSettings(Section):
    """Where the API listens. Loopback unless said otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8460, ge=0, le=65535)
    workers: int = Field(
        default=1, ge=1, le=64, description="processes that answer; more than one where no source writes to the spool"
    )
    stale_after: float | None = Field(
        default=None, gt=0, description="hours after which a generation is too old: /readyz says 503; never unless set"
    )
    online: bool = Field(
        default=True, description="whether what the collector takes in is seen in served profiles at once"
    )
    stream_workers: int = Field(
        default=1,
        ge=1,
        le=16,
        description="processes that do so; more than one needs a log in Kafka, with as many partitions",
    )
    erase: bool = Field(
        default=True, description="whether the server hands accepted erasures to the job runner, and starts one"
    )
    people_per_day: int = Field(
        default=100_000, ge=1, description="different people that a key may read in a day (UTC), unless it says its own"
    )
    changes: ChangesSettings = ChangesSettings()
    history: HistorySettings = HistorySettings()
    segment: SegmentSettings | None = Field(default=None, description="Segment's Profile API; off unless it is here")
    tracing: TracingSettings | None = Field(default=None, description="traces of requests; off unless it is here")
    oidc: OidcSettings | None = Field(default=None, description="bearer tokens of an identity provider")
    store: str = Field(
        default="lmdb", repr=False, description="what profiles are served from: lmdb, or redis://… as ${NAME}"
    )

    @field_validator("store")
    @classmethod
    def _lmdb_or_redis(cls, value: str) -> str:
        if value != "lmdb" and not (value.startswith(_REDIS) and urlsplit(value).hostname):
            raise ValueError(
                "not a store that profiles are served from; use lmdb, or redis://user:password@host:port/0"
            )
        return value

    @property
    def remote(self) -> bool:
        """Whether profiles are served from a server's memory and no files."""
        return self.store != "lmdb"
