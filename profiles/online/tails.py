"""The event log as the online path follows it: its parts, what stands behind a place in each, how far the lake is.

A part is a row of entries that is read in order by one worker: a source of the spool, or a partition of a source's
topic, as `web/0`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.kafka.tail import TopicTail
from infra.log.tail import Place, Read, behind, read_on
from infra.settings import KafkaSettings
from ingestion.connectors.aside import KEPT
from ingestion.connectors.topics import taken_up_to

Part = str
Places = Mapping[Part, Place | None]
Taken = Callable[[str], frozenset[str]]


def source_of(part: Part) -> str:
    """Return the source whose entries a part holds."""
    return part.partition("/")[0]


def number_of(part: Part) -> int:
    """Return the number of a part among those of its source."""
    return int(part.partition("/")[2] or 0)


class Tail(Protocol):
    """A log that is followed; one thread uses it."""

    def parts(self) -> tuple[Part, ...]:
        """Return the parts there are."""

    def look(self) -> None:
        """Look for parts that were not there before."""

    def follow(self, places: Places) -> None:
        """Read these parts from now on, each from its place; without one, from its beginning."""

    def wait(self, seconds: float) -> None:
        """Return when there may be something to read, or nothing came for so long."""

    def read(self, part: Part, place: Place | None) -> Iterator[Read]:
        """Yield what is there of a part behind a place."""

    def between(self, part: Part, place: Place | None, until: Place) -> Read:
        """Return once more what was read between two places of a part, followed or not."""

    def ends(self) -> Mapping[Part, int]:
        """Return up to where parts have to be read to have all of now; none of those that one look reads to the end."""

    def taken(self) -> Mapping[Part, Place]:
        """Return the place behind what the lake has of each part."""

    def behind(self, places: Places) -> Mapping[Part, int]:
        """Return how many entries are to be read of each part that is followed; none where that is not counted."""

    def close(self) -> None:
        """Let go of connections; what is asked next makes new ones."""


@dataclass(frozen=True, slots=True)
class SpoolTail:
    """The spool: a row of segments for each source, and those that are put aside."""

    root: Path
    sources: Sequence[str]
    paths: Taken

    def parts(self) -> tuple[Part, ...]:
        """Return the sources."""
        return tuple(self.sources)

    def look(self) -> None:
        """Do nothing: a source without a segment has nothing to read."""

    def follow(self, places: Places) -> None:
        """Do nothing: a file is read where one asks."""

    def wait(self, seconds: float) -> None:
        """Do nothing: to look costs little."""

    def read(self, part: Part, place: Place | None) -> Iterator[Read]:
        """Yield what is written of a source behind a place."""
        return read_on((self.root / part, self.root / KEPT / part), place)

    def between(self, part: Part, place: Place | None, until: Place) -> Read:
        """Return once more what was read at once from a place on."""
        return next((read.before(until) for read in self.read(part, place)), Read((), until))

    def ends(self) -> Mapping[Part, int]:
        """Return nothing: one look reads to the end."""
        return {}

    def taken(self) -> Mapping[Part, Place]:
        """Return the place behind the newest segment that the lake has of each source."""
        found = {
            name: behind([*self.paths(name), *map(str, (self.root / KEPT / name).glob("*"))]) for name in self.sources
        }
        return {name: place for name, place in found.items() if place is not None}

    def behind(self, places: Places) -> Mapping[Part, int]:  # noqa: ARG002 - the protocol's
        """Return nothing: bytes are no entries, and to count them is to read them."""
        return {}

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""


class TopicsTail(TopicTail):
    """Topics: the partitions of each source's."""

    def __init__(
        self, settings: KafkaSettings, sources: Sequence[str], lake: Path, checkpoints: Path, paths: Taken
    ) -> None:
        super().__init__(settings, sources)
        self._sources, self._lake, self._checkpoints, self._paths = sources, lake, checkpoints, paths
        self._topic_of = settings.topic

    def taken(self) -> Mapping[Part, Place]:
        """Return the place behind what the lake has of each partition."""
        found: dict[Part, Place] = {}
        for source in self._sources:
            asked = (self._lake, self._checkpoints, source, self._topic_of(source), self._paths(source))
            found |= {f"{source}/{number}": place for number, place in taken_up_to(*asked).items()}
        return found
