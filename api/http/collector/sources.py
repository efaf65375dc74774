"""The collector sources that a workspace declares, as far as the door needs them: where their identifiers stand."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from infra.errors import ConfigurationError, Missing
from infra.workspace import Workspace

LOG = logging.getLogger("kindred.http")
COLLECTOR = "collector"


class _Source(BaseModel):
    """A source's file; what else it says is checked where it is used."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    connector: dict[str, Any] = {}
    identifiers: dict[str, Any] = {}
    consent_gate: str | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """A collector source: where its events have identifiers, and where they say yes or no to being kept."""

    identifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    consent_gate: tuple[str, ...] | None = None


def declared(workspace: Workspace) -> dict[str, Declared]:
    """Return each collector source by its name."""
    found = workspace.load_all("sources/*.yaml", _Source)
    return {
        one.source: Declared(
            {kind: _paths(said) for kind, said in one.identifiers.items()},
            None if one.consent_gate is None else tuple(one.consent_gate.split(".")),
        )
        for one in found
        if one.connector.get("type") == COLLECTOR
    }


def served(workspace: Workspace) -> dict[str, Declared]:
    """Return the declared sources, or none where a file is broken: serving goes on, by the usual places."""
    try:
        return declared(workspace)
    except ConfigurationError as error:
        LOG.warning("identifiers are looked for in the usual places: %s", error)
        return {}


def known_source(workspace: Workspace, name: str) -> None:
    """Raise `Missing` unless a collector source of this name is declared."""
    names = declared(workspace)
    if name not in names:
        listed = ", ".join(names) or "none"
        raise Missing(
            f"no collector source is called {name!r}; declared: {listed}; declare it in sources/{name}.yaml with "
            "connector: {type: collector}"
        )


def _paths(said: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in said) if isinstance(said, list | tuple) else (str(said),)
