"""What the change feed tells is what readers see: its teller over a workspace, with decisions current at the read."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from api.http.anew import opened_reader
from consent.overlay import DenyOverlay
from infra.clock import Clock
from infra.errors import KindredError
from infra.workspace import Workspace
from profiles.changefeed.teller import Teller
from profiles.history.keeping import Keeper
from profiles.serving import serving_store

_LOOKED_EVERY: Final = timedelta(seconds=1)


@dataclass(slots=True)
class Lookout:
    """The look that decisions need now and then: once a second, and at once where another generation is served."""

    look: Callable[[datetime], None]
    clock: Clock
    _taken: tuple[str, datetime] | None = None

    def take(self, generation: str) -> None:
        """Look, if it is time to.

        Where that fails it is decided by what was seen before, which is on the safe side where it is old, and the next
        who asks looks again.
        """
        now = self.clock()
        if self._taken is not None and self._taken[0] == generation and now - self._taken[1] < _LOOKED_EVERY:
            return
        with suppress(KindredError):
            self.look(now)
            self._taken = generation, now


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
