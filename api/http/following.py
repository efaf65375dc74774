"""How the stream workers are, as each says once a second in a file; one that says nothing any more has ended."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from api.http.ports import Json
from infra.clock import Clock

_SILENT: Final = timedelta(seconds=10)
_NOTHING: Final[Json] = {"generation": None, "applied": 0, "behind_seconds": 0.0, "waiting": {}}


def status_name(worker: int) -> str:
    """Return the name of the file in which a worker says how it is."""
    return f"status-{worker}.json"


@dataclass(frozen=True, slots=True)
class Following:
    """What the workers say, and whether they still say anything."""

    folder: Path
    clock: Clock
    workers: int = 1

    def told(self) -> Json:
        """Return generation, events applied, seconds behind, what waits by partition, and the trouble if any."""
        said = [self._said(number) for number in range(self.workers)]
        return {
            "generation": next((one["generation"] for one in said if one["generation"]), None),
            "applied": sum(one["applied"] for one in said),
            "behind_seconds": max(one["behind_seconds"] for one in said),
            "waiting": {part: count for one in said for part, count in one["waiting"].items()},
            "trouble": next((one["trouble"] for one in said if one["trouble"]), ""),
        }

    def _said(self, number: int) -> Json:
        path = self.folder / status_name(number)
        try:
            said: Json = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {**_NOTHING, "trouble": "no worker has said anything yet"}
        silent = self.clock() - datetime.fromisoformat(said["at"])
        return {**said, "waiting": {}, "trouble": "the worker is silent"} if silent > _SILENT else said
