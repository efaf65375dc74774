"""The one page of configuration: `kindred.yaml`, and what the environment holds: secrets, and this machine's ways."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from infra.errors import ConfigurationError
from infra.phones import known_region

_OVERRIDE = re.compile(r"KINDRED_([A-Z]+)__([A-Z_]+)")
# What a machine may say otherwise than the page. The rest decides what becomes of people and stands in the page alone,
# where its change is seen: a run compares the files, not the environment.
_OF_THE_MACHINE = ("engine", "serving", "stores")


class Section(BaseModel):
    """A part of the page: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class ServingSettings(Section):
    """Where the API listens. Loopback unless said otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8460, ge=0, le=65535)


class StoresSettings(Section):
    """Where data lie, relative to the workspace."""

    lake: str = "state/lake"
    serving: str = "state/serving"
    database: str = "state/kindred.db"


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
    changes = {section: _changed(getattr(settings, section), values) for section, values in sections.items()}
    return settings.model_copy(update=changes)


def _changed(section: Section, values: Mapping[str, Any]) -> Section:
    try:
        return type(section).model_validate({**section.model_dump(), **values})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = f"KINDRED_{type(section).__name__.removesuffix('Settings').upper()}__{str(first['loc'][0]).upper()}"
        raise _wrong(name, first["msg"], "mend the variable, or remove it") from None


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
