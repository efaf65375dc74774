"""How far into a topic the lake is: by partition, what its reader has landed less what is not taken in yet."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from infra import shelf
from infra.kafka.checkpoints import read_up_to
from infra.log.tail import Place
from ingestion.tables import LANDED

# Where the reader keeps its checkpoints, below the workspace's state.
CHECKPOINTS: Final = "topics"
_NOTE: Final = "topic"  # which topic a checkpoint is of, by its id (`infra.kafka.stream`)
_COLUMNS: Final = ("source", "epoch", "landing", "part", "place")


def landing_path(source: str, epoch: int, number: int) -> str:
    """Return what the books call a landed batch."""
    return f"topic/{source}/{epoch:04d}-{number:09d}"


def taken_up_to(lake: Path, checkpoints: Path, source: str, topic: str, taken: Collection[str]) -> dict[int, Place]:
    """Return for each partition that was ever read the place behind what the lake has taken in of it.

    Landed batches are taken in as they came, so that what waits of a partition comes after what does not.
    """
    newest = max((checkpoints / source).glob("*"), default=None)
    if newest is None or not (newest / _NOTE).is_file():
        return {}
    named = (newest / _NOTE).read_text(encoding="ascii")
    reached = read_up_to(newest, topic)
    if shelf.exists(lake, LANDED):
        for batch in shelf.batches(lake, LANDED, columns=_COLUMNS):
            for row in pa.Table.from_batches([batch]).filter(pc.field("source") == source).to_pylist():
                if landing_path(source, row["epoch"], row["landing"]) not in taken:
                    reached[row["part"]] = min(reached.get(row["part"], row["place"]), row["place"])
    return {part: Place(named, offset) for part, offset in reached.items()}
