"""What the change feed tells is what readers see: its teller over a workspace, with decisions current at the read."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from api.http.anew import opened_reader
from consent.overlay import DenyOverlay
from infra.clock import Clock
from infra.workspace import Workspace
from profiles.changefeed.teller import Teller
from profiles.history.keeping import Keeper
from profiles.serving import serving_store


def open_teller(
    workspace: Workspace, database: Engine, overlay: DenyOverlay, clock: Clock
) -> tuple[Teller, Callable[[datetime], None]]:
    """Return the teller of a workspace's feed, and the look that its decisions need now and then."""
    generations = serving_store(workspace)
    reader, look, purposes = opened_reader(workspace, (database, overlay), generations.current, clock)
    seen, keeper = lambda: reader.over(generations.current()).moment(), keeper_of(workspace)
    return Teller(database, generations, purposes, seen, clock, keeper), look


def keeper_of(workspace: Workspace) -> Keeper:
    """Return how long a workspace keeps what was seen."""
    return Keeper(timedelta(days=workspace.settings.serving.history.keep_days))
