"""The one page of configuration: `kindred.yaml`, and what the environment holds: secrets, and this machine's ways."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from infra.changes_settings import BROKERS
from infra.errors import ConfigurationError
from infra.phones import known_region
from infra.section import Section, plain_address
from infra.serving_settings import ServingSettings

_OVERRIDE = re.compile(r"KINDRED_([A-Z]+)__([A-Z_]+)")
# What a machine may say otherwise than the page. The rest decides what becomes of people and stands in the page alone,
# where its change is seen: a run compares the files, not the environment.
_OF_THE_MACHINE = ("engine", "serving", "stores", "log")
# Where the embedded database lies in a workspace.
EMBEDDED = "state/kindred.db"
_SERVED = ("postgresql://", "postgresql+psycopg://")
_KEY_BYTES = 32


class EngineSettings(Section):
    """How Spark runs. The defaults are tuned for one machine with two cores."""

    master: str = "local[2]"
    driver_memory: str = "3g"
    driver_host: str = Field(default="127.0.0.1", description="under which the workers of a cluster reach the driver")
    executor_memory: str = Field(default="1g", description="of each worker's JVM; its Python comes on top")
    resolve_with: Literal["auto", "duckdb", "spark"] = Field(
        default="auto", description="DuckDB on the driver's machine, or Spark: where the master is a cluster's, if auto"
    )
    shuffle_partitions: int = Field(default=4, ge=1)
    max_result_size: str = "256m"
    java_options: str = Field(
        default="-XX:+UseParallelGC", description="of the driver's JVM; short sessions gain by -XX:TieredStopAtLevel=1"
    )


class StoresSettings(Section):
    """Where data lie, relative to the workspace."""

    lake: str = "state/lake"
    serving: str = "state/serving"
    database: str = Field(
        default=EMBEDDED, repr=False, description="a file, or postgresql://… as ${NAME} of the environment"
    )

    @field_validator("database")
    @classmethod
    def _file_or_postgresql(cls, value: str) -> str:
        if "://" in value and not (value.startswith(_SERVED) and urlsplit(value).hostname):
            raise ValueError("not a database of ours; name a file, or a server as postgresql://user:password@host/name")
        return value

    @property
    def served(self) -> bool:
        """Whether the database is a server's and no file."""
        return "://" in self.database


class SpoolSettings(Section):
    """How the event log on this machine's disk is bounded; sizes are in bytes, times in seconds."""

    type: Literal["spool"] = "spool"
    quota: int = Field(default=4 << 30, ge=1 << 20, description="of what waits for the lake: 429 at 70 %, 503 at 90 %")
    segment: int = Field(default=64 << 20, ge=1 << 10, description="at which a segment is sealed")
    seal_after: float = Field(default=2.0, gt=0, le=3600, description="its first entry, however small it is")
    memory: int = Field(default=32 << 20, ge=1 << 16, description="of entries that wait for the disk; beyond it, 429")
    free: int = Field(default=256 << 20, ge=0, description="that the disk must have left; below it, 503")
    slow: float = Field(default=1.0, gt=0, description="an fsync that takes longer: 503 until one is quicker")


class KafkaSettings(Section):
    """The event log in Kafka: a topic for each source, made by Kindred; sizes are in bytes, times in seconds."""

    type: Literal["kafka"]
    bootstrap: str = Field(
        default="127.0.0.1:9092", description="brokers to begin with: host:port, several with commas"
    )
    topic_prefix: str = Field(
        default="kindred-", pattern=r"^[a-zA-Z0-9._-]{0,100}$", description="before the source's name"
    )
    partitions: int = Field(default=2, ge=1, le=1000, description="of a topic when it is made; never changed")
    replication: int = Field(default=1, ge=1, le=9, description="brokers that keep a copy; 3 in production")
    min_insync: int | None = Field(
        default=None, ge=1, description="copies before a sender hears yes; 2 where there are any"
    )
    acks: str = Field(default="all", description="all, and nothing else")
    retention_hours: int = Field(default=168, ge=1, description="after which Kafka deletes entries, read or not")
    deliver_within: float = Field(default=10.0, ge=1, le=120, description="or a sender is told to come again: 503")
    memory: int = Field(
        default=64 << 20, ge=1 << 16, description="of entries that wait for the brokers; beyond it, 429"
    )

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, value: str) -> str:
        if not BROKERS.fullmatch(value):
            raise ValueError("not the address of a broker; use host:port, and commas between several")
        return value

    @field_validator("acks")
    @classmethod
    def _all(cls, value: str) -> str:
        if value != "all":
            raise ValueError("a broker that acknowledges alone and dies takes accepted events with it; use acks: all")
        return value

    @model_validator(mode="after")
    def _survives_a_broker(self) -> Self:
        if self.replication > 1 and self.insync < 2:
            raise ValueError(
                f"with replication {self.replication} and min_insync {self.insync} one broker alone may acknowledge, "
                "and accepted events are lost with it; use min_insync: 2 or more"
            )
        if self.insync > self.replication:
            raise ValueError(
                f"min_insync {self.insync} is more than replication {self.replication}: nothing could be accepted; "
                "use as many at most"
            )
        return self

    @property
    def insync(self) -> int:
        """How many copies there are before a sender hears yes."""
        return min(2, self.replication) if self.min_insync is None else self.min_insync

    def topic(self, source: str) -> str:
        """Return the topic that keeps a source's entries."""
        return f"{self.topic_prefix}{source}"


class LogsSettings(Section):
    """How jobs and the server write down what happens."""

    format: Literal["human", "json"] = Field(default="human", description="lines for people, or JSON for machines")


class FileLineage(Section):
    """OpenLineage's events as lines of a file."""

    transport: Literal["file"]
    path: str = Field(default="state/lineage.ndjson", description="relative to the workspace")
    namespace: str | None = Field(default=None, min_length=1, description="of our jobs; the workspace's name without")


class HttpLineage(Section):
    """OpenLineage's events sent to whoever collects them, such as Marquez."""

    transport: Literal["http"]
    url: str = Field(description="of the server, e.g. http://127.0.0.1:5000")
    endpoint: str = Field(default="api/v1/lineage", description="where under it events are posted")
    api_key: SecretStr | None = Field(default=None, description="as ${NAME} of the environment")
    timeout: float = Field(default=2.0, gt=0, le=30, description="seconds that one event may take")
    namespace: str | None = Field(default=None, min_length=1, description="of our jobs; the workspace's name without")

    @field_validator("url")
    @classmethod
    def _of_a_server(cls, value: str) -> str:
        return plain_address(value, "http://host:port", "write the secret as api_key: ${NAME}")

    @property
    def loopback(self) -> bool:
        """Whether the server is on this machine."""
        return urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}

    @model_validator(mode="after")
    def _keeps_its_key(self) -> Self:
        if self.api_key and urlsplit(self.url).scheme == "http" and not self.loopback:
            raise ValueError("an api_key would go over the network in the clear; use https, or leave it out")
        return self


class KindredSettings(Section):
    """`kindred.yaml`: what is true for the whole workspace."""

    name: str
    time_zone: str = "UTC"
    region: str = Field(default="US", min_length=2, max_length=2, description="for national phone numbers")
    jurisdiction: str | None = Field(default=None, description="where a source names none, e.g. US-OH")
    seed: int | None = Field(default=None, description="repeatable ids for demos and tests; never in production")
    engine: EngineSettings = EngineSettings()
    serving: ServingSettings = ServingSettings()
    stores: StoresSettings = StoresSettings()
    log: SpoolSettings | KafkaSettings = Field(default=SpoolSettings(), discriminator="type")
    logs: LogsSettings = LogsSettings()
    lineage: Annotated[FileLineage | HttpLineage, Field(discriminator="transport")] | None = None

    @model_validator(mode="after")
    def _workers_have_work(self) -> Self:
        wrong = _idle_workers(self)
        if wrong is not None:
            raise ValueError(f"{wrong[0]}; {wrong[1]}")
        return self

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, such as America, is none
            raise ValueError("not a time zone; use a name such as UTC or America/New_York") from None
        return value

    @field_validator("region")
    @classmethod
    def _known_region(cls, value: str) -> str:
        return known_region(value)


def overridden(settings: KindredSettings, environ: Mapping[str, str]) -> KindredSettings:
    """Return the settings with what variables such as `KINDRED_ENGINE__DRIVER_MEMORY` say in place of the page."""
    sections: dict[str, dict[str, str]] = {}
    if environ.get("KINDRED_LOG"):
        sections["logs"] = {"format": environ["KINDRED_LOG"]}
    for name in sorted(environ):
        found = _OVERRIDE.fullmatch(name)
        if found is None or not environ[name]:
            continue
        section, key = found[1].lower(), found[2].lower()
        if section not in _OF_THE_MACHINE:
            raise _wrong(name, "no such section", f"use {_known(_OF_THE_MACHINE, 'KINDRED_', '__…')}")
        known = type(getattr(settings, section)).model_fields
        if key not in known:
            raise _wrong(name, "unknown key", f"use {_known(known, f'KINDRED_{found[1]}__', '')}")
        sections.setdefault(section, {})[key] = environ[name]
    changes = {section: _changed(section, getattr(settings, section), values) for section, values in sections.items()}
    changed = settings.model_copy(update=changes)
    wrong = _idle_workers(changed)
    if wrong is not None:
        raise _wrong("KINDRED_SERVING__STREAM_WORKERS", *wrong)
    return changed


def _idle_workers(settings: KindredSettings) -> tuple[str, str] | None:
    """Return what is wrong with more workers than the log has parts for and what would be right, or None."""
    workers, log, said = settings.serving.stream_workers, settings.log, "serving.stream_workers is"
    if workers > 1 and not isinstance(log, KafkaSettings):
        return (
            f"{said} {workers}, and a log on this machine's disk is one row that one worker reads",
            "leave it at 1, or keep the log in Kafka (log: {type: kafka})",
        )
    if isinstance(log, KafkaSettings) and workers > log.partitions:
        return (
            f"{said} {workers}, log.partitions {log.partitions}, and a partition is read by one worker",
            f"let serving.stream_workers be {log.partitions} at most",
        )
    return None


def _changed(name: str, section: Section, values: Mapping[str, Any]) -> Section:
    try:
        return type(section).model_validate({**section.model_dump(), **values})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = f"__{str(first['loc'][0]).upper()}" if first["loc"] else ""
        wrong = first["msg"].removeprefix("Value error, ")
        raise _wrong(
            "KINDRED_LOG" if name == "logs" else f"KINDRED_{name.upper()}{key}",
            wrong,
            "mend the variable, or remove it",
        ) from None


def _wrong(name: str, wrong: str, right: str) -> ConfigurationError:
    return ConfigurationError("environment", None, name, wrong, right)


def _known(names: Iterable[str], before: str, after: str) -> str:
    return ", ".join(f"{before}{name.upper()}{after}" for name in names)


def environment(workspace: Path) -> dict[str, str]:
    """Return the process environment over the workspace's `.env`, read once at an entry point."""
    try:
        kept = {k: v for k, v in dotenv_values(workspace / ".env").items() if v is not None}
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(".env", line, "", "not UTF-8", "save it as UTF-8") from None
    return {**kept, **os.environ}  # noqa: TID251 - the one place that reads the environment


def secret(environ: Mapping[str, str], name: str) -> str | None:
    """Return a secret of the environment, or None where it is not set."""
    return environ.get(name) or None


def secret_key(environ: Mapping[str, str], name: str) -> bytes | None:
    """Return a key of 32 bytes that stands in the environment as 64 hexadecimal digits, None where none is set.

    Raise `ValueError` for what can be none; it does not repeat the value.
    """
    value = secret(environ, name)
    if value is None:
        return None
    try:
        key = bytes.fromhex(value)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{name} is not 64 hexadecimal digits")
    return key
