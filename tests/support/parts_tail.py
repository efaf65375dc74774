"""A log in parts that lies in memory, for workers that share one: it hands out pieces as it is told."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from infra.log.port import Entry
from infra.log.tail import Place, Read
from profiles.online.tails import Part, Places


@dataclass
class PartsTail:
    """A `Tail`; `next` says of which part how many entries the next look finds."""

    held: dict[Part, list[bytes]]
    next: tuple[Part, int] = ("", 0)
    handed: list[tuple[Part, int]] = field(default_factory=list)

    @classmethod
    def of(cls, source: str, count: int) -> "PartsTail":
        return cls({f"{source}/{number}": [] for number in range(count)})

    def append(self, source: str, entries: Sequence[Entry]) -> None:
        """Put entries where the log in Kafka would: those of one key into one part."""
        for entry in entries:
            self.held[f"{source}/{zlib.crc32(entry.key.encode()) % len(self.held)}"].append(entry.body)

    def parts(self) -> tuple[Part, ...]:
        return tuple(sorted(self.held))

    def look(self) -> None:
        return

    def follow(self, places: Places) -> None:  # noqa: ARG002 - the protocol's
        return

    def wait(self, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        return

    def read(self, part: Part, place: Place | None) -> Iterator[Read]:
        at = 0 if place is None else place.at
        wanted, count = self.next
        if part == wanted and at < len(self.held[part]):
            until = min(at + count, len(self.held[part]))
            self.next = ("", 0)
            self.handed.append((part, until - at))
            yield self.between(part, place, Place("topic", until))

    def between(self, part: Part, place: Place | None, until: Place) -> Read:
        at = 0 if place is None else place.at
        bodies = self.held[part][at : until.at]
        return Read(tuple(enumerate(bodies, at + 1)), until)

    def close(self) -> None:
        return

    def ends(self) -> Mapping[Part, int]:
        return {part: len(bodies) for part, bodies in self.held.items() if bodies}

    def taken(self) -> Mapping[Part, Place]:
        return {}

    def behind(self, places: Places) -> Mapping[Part, int]:
        return {part: len(self.held[part]) - (place.at if place else 0) for part, place in places.items()}
