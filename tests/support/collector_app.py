"""The product over the workspace in the working folder, whose event log first refuses as often as it is told.

`FIRST=busy,unavailable` makes the first append fail as a log does that is nearly full, the second as one whose disk is.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recorded import Recorded

from api.http.app import create_app
from api.http.main import open_world
from api.http.rsgi import Rsgi
from infra.log.port import Entry, EventLog, LogBusy, LogState, LogUnavailable
from infra.workspace import Workspace

ERRORS = {
    "busy": lambda: LogBusy("the log is nearly full; wait", retry_after=1),
    "unavailable": lambda: LogUnavailable("the disk is full; make room", retry_after=1),
}


class FirstRefuses:
    """`EventLog` that raises the named errors before it does what the other does."""

    def __init__(self, log: EventLog, names: list[str]) -> None:
        self._log, self._names = log, names

    @property
    def keyed(self) -> bool:
        return self._log.keyed

    async def append(self, source: str, entries: Sequence[Entry]) -> None:
        if self._names:
            error = ERRORS[self._names.pop(0)]()
            raise error
        await self._log.append(source, entries)

    def state(self) -> LogState:
        return self._log.state()

    async def close(self) -> None:
        await self._log.close()


def application() -> Any:
    world = open_world(Workspace.open(Path.cwd()))
    assert world.collector is not None
    names = [name for name in os.environ.get("FIRST", "").split(",") if name]
    world.collector.log = FirstRefuses(world.collector.log, names)
    app = create_app(world)
    return Rsgi(Recorded(app, Path("requests.ndjson")) if os.environ.get("RECORD") else app, world)
