"""The one page of configuration: `kindred.yaml`, and the secrets that only the environment holds."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the page: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineSettings(Section):
    """How Spark runs. The defaults are tuned for one machine with two cores."""

    master: str = "local[2]"
    driver_memory: str = "3g"
    shuffle_partitions: int = Field(default=4, ge=1)
    max_result_size: str = "256m"
    java_options: str = Field(
        default="-XX:+UseParallelGC", description="of the driver's JVM; short sessions gain by -XX:TieredStopAtLevel=1"
    )


class ServingSettings(Section):
    """Where the API listens. Loopback unless said otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8460, ge=0, le=65535)


class StoreSettings(Section):
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
    stores: StoreSettings = StoreSettings()


def environment(workspace: Path) -> dict[str, str]:
    """Return the process environment over the workspace's `.env`, read once at an entry point."""
    kept = {k: v for k, v in dotenv_values(workspace / ".env").items() if v is not None}
    return {**kept, **os.environ}  # noqa: TID251 - the one place that reads the environment


def secret(environ: Mapping[str, str], name: str) -> str | None:
    """Return a secret of the environment, or None where it is not set."""
    return environ.get(name) or None
