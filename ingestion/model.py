"""The nouns of ingestion: a file as it was found, a stretch of it, and the account of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a file that one task reads: bytes from `start` to `end`, whose first line has number `line`."""

    file: str
    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was surveyed: `units` are its filled lines (Parquet: its rows), counted before Spark reads it.

    `passed_over` are lines that say nothing of any row and are no part of the account.
    """

    path: str
    size: int
    sha256: str
    units: int
    columns: tuple[str, ...] = ()
    shape: str = ""
    natives: Mapping[str, str] = field(default_factory=dict)
    stretches: tuple[Stretch, ...] = field(default=(), repr=False)
    passed_over: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """The fate of the rows of one file; `changed` is a part of `accepted`."""

    source: str
    file: str
    read: int = 0
    accepted: int = 0
    changed: int = 0
    duplicate: int = 0
    quarantined: int = 0
    suppressed: int = 0
    consent_filtered: int = 0
    expired: int = 0

    @property
    def judged(self) -> int:
        """How many rows have a verdict."""
        return sum(getattr(self, name) for name in COUNTS if name not in ("read", "changed"))

    def __add__(self, other: "Account") -> "Account":
        """Return both accounts as one, under this one's name."""
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in COUNTS})


# What a note ends with that a sample gave, not the whole run.
SAMPLED = "(by a sample)"
# ... and that is told of rejected rows.
REJECTED = "(quarantined)"
# What a note is about that is told of a load as a whole.
LOADED = "load"
COUNTS = ("read", "accepted", "changed", "duplicate", "quarantined", "suppressed", "consent_filtered", "expired")


@dataclass(frozen=True, slots=True)
class Note:
    """Something that befell values of accepted rows: an identifier that stands for nobody, a field left out."""

    source: str
    item: str
    note: str
    rows: int
