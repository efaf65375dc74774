"""Files that the lake has taken in: put aside for a replay, deleted when their time is over."""

import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Final

from infra.log.folder import sealed
from infra.log.segments import SEALED, moment_of

# Beside the folders of the sources, which have no dot in their names.
KEPT: Final = ".kept"


def waiting_files(root: Path, folder: Path) -> dict[str, Path]:
    """Return the files of a source that wait, in order, by the path under which the books know them."""
    return {os.path.relpath(folder / name, root): folder / name for name in sealed(folder)}


def put_aside(waiting: Path, source: str, names: Collection[str]) -> None:
    """Move files that the lake has out of the way of what waits, to where they are kept for a replay.

    What Spark has committed may still be in the system's memory only: it is brought to the disk first.
    """
    if names:
        os.sync()
        kept = waiting / KEPT / source
        kept.mkdir(parents=True, exist_ok=True)
        for name in names:
            (waiting / source / name).rename(kept / name)


def kept_files(root: Path, waiting: Path, source: str) -> dict[str, Path]:
    """Return the files of a source that were put aside, in order, by their paths from the root."""
    kept = waiting / KEPT / source
    return {os.path.relpath(path, root): path for path in sorted(kept.glob(f"*{SEALED}"))}


def prune(waiting: Path, source: str, before: datetime) -> None:
    """Delete the kept files that were begun before a moment."""
    for path in (waiting / KEPT / source).glob(f"*{SEALED}"):
        begun = moment_of(path.name)
        if begun is not None and begun < before.timestamp() * 1000:
            path.unlink(missing_ok=True)
