"""How the stream worker is, as it says once a second in a file; one that says nothing any more has ended."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from api.http.ports import Json
from infra.clock import Clock

STATUS: Final = "status.json"
_SILENT: Final = timedelta(seconds=10)
_NOTHING: Final = {"generation": None, "applied": 0, "behind_seconds": 0.0}


@dataclass(frozen=True, slots=True)
class Following:
    """What the worker says, and whether it still says anything."""

    path: Path
    clock: Clock

    def told(self) -> Json:
        """Return generation, events applied, seconds behind, and the trouble if there is any."""
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {**_NOTHING, "trouble": "no worker has said anything yet"}
        silent = self.clock() - datetime.fromisoformat(said["at"])
        return {**said, "trouble": "the worker is silent"} if silent > _SILENT else said
