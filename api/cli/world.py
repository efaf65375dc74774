"""What a command opens: the workspace, its database, its runs; nothing here starts Spark."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

import activation.store
import api.http.store
import consent.requests.store
import consent.store
import identity.stewardship.store
import ingestion.quarantine.store
import ingestion.store
import profiles.changefeed.store
import profiles.history.store
from infra import runs
from infra.clock import system_clock
from infra.database import open_database
from infra.runs import Runs
from infra.workspace import Workspace


@dataclass(frozen=True)
class World:
    """An opened workspace."""

    workspace: Workspace
    database: Engine
    runs: Runs


def open_world(root: Path) -> World:
    """Return the workspace in a folder with every package's database tables in place."""
    workspace = Workspace.open(root)
    database = open_database(
        workspace,
        runs.METADATA,
        consent.store.METADATA,
        consent.requests.store.METADATA,
        ingestion.store.METADATA,
        ingestion.quarantine.store.METADATA,
        identity.stewardship.store.METADATA,
        activation.store.METADATA,
        api.http.store.METADATA,
        profiles.changefeed.store.METADATA,
        profiles.history.store.METADATA,
    )
    return World(workspace, database, Runs(database, system_clock))
