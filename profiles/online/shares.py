"""Which worker reads which part of the log: locks of the system, which end with their process and with nothing else.

Partitions of one number go together. Each has a worker at home; another one reads it only while that one is away.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from infra.errors import Held
from infra.locks import taken
from profiles.online.tails import Part, number_of

# More would be more files than a process may have open; beyond it, partitions go together.
_SHARES: Final = 64
# Somebody who looks whether a worker lives has its lock for a moment.
_TRIES, _PAUSE = 20, 0.05


class Shares:
    """The parts of the log that one of several workers reads, as long as the `with` lasts."""

    def __init__(self, folder: Path, worker: int = 0, workers: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._worker, self._workers = folder, worker, workers
        self._alive: int | None = None
        self._held: dict[int, int] = {}

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            self._alive = taken(self._folder / _worker(self._worker))
            if self._alive is not None:
                return self
            time.sleep(_PAUSE)
        raise Held("another process of this workspace keeps served profiles up to date; end it first")

    def __exit__(self, *_: object) -> None:
        for handle in (*self._held.values(), *([] if self._alive is None else [self._alive])):
            os.close(handle)
        self._held, self._alive = {}, None

    def look(self, parts: Iterable[Part]) -> None:
        """Take what is free and has nobody at home, and give back what belongs to a worker who has come home."""
        for share in sorted({number_of(part) % _SHARES for part in parts}):
            home = share % self._workers
            mine = home == self._worker or not self._lives(home)
            if share in self._held and not mine:
                os.close(self._held.pop(share))
            elif share not in self._held and mine:
                found = taken(self._folder / f"share-{share}.lock")
                if found is not None:
                    self._held[share] = found

    def owns(self, part: Part) -> bool:
        """Say whether a part is read here, and nowhere else."""
        return number_of(part) % _SHARES in self._held

    def _lives(self, worker: int) -> bool:
        found = taken(self._folder / _worker(worker))
        if found is not None:
            os.close(found)
        return found is None


def _worker(number: int) -> str:
    return f"worker-{number}.lock"
