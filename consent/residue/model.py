"""The nouns of the proof: which stores are searched, what was found where, never the value that was found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

PlaceKind = Literal["delta", "sqlite", "lmdb", "spool", "kafka", "files", "state", "logs"]

# Told in place of a file's name where the name itself holds what was looked for.
PATH: Final = "(a file's path)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A store to be searched: every byte below `root`, or `root` itself where it is a file.

    Kinds of needle that are `allowed` may stand here, such as tokens in the suppression list; the certificate tells
    them with their ground. What is `delivered` to must be there: a folder that is not mounted says nothing. A file that
    is to the byte one of the same name among the `programs` is a copy of it, nobody's data, and is only counted.
    """

    store: str
    kind: PlaceKind
    root: Path
    allowed: frozenset[str] = frozenset()
    delivered: bool = False
    programs: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Where something of the person stands and in which spelling; the value itself is not repeated."""

    store: str
    file: str
    where: str
    spelling: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReport:
    """What the search of one store came to.

    `unscanned` names what no decoder could read, and why; `programs` counts the copies of programs, beside `files`.
    """

    store: str
    kind: str
    files: int
    bytes: int
    decoders: tuple[str, ...]
    hits: tuple[Hit, ...]
    unscanned: tuple[str, ...]
    canary_found: bool
    programs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """What the search of all stores came to; too short needles were not looked for."""

    places: tuple[PlaceReport, ...]
    needles: int
    too_short: int
    seconds: float

    @property
    def hits(self) -> tuple[Hit, ...]:
        """Everything that was found, store by store."""
        return tuple(hit for place in self.places for hit in place.hits)

    @property
    def clean(self) -> bool:
        """Whether nothing was found, nothing was left unread, and every canary was found."""
        return all(not p.hits and not p.unscanned and p.canary_found for p in self.places)
