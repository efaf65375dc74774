"""Counts in, counts out: how a source's rows went through a run, step by step, and whether the tables agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ingestion.config import RecordKind
from ingestion.model import COUNTS, Account

# The table of each kind's facts, by name: consent's inbox is not ours, but we fill it.
FACTS: Final[Mapping[RecordKind, str]] = {
    "person": "records",
    "event": "events",
    "catalogue": "catalogue",
    "consent": "consent_inbox",
}
# Records that were made of events, beside those that a source told: no row of an account stands for one.
SUBJECTS: Final = "records (subjects)"
# What is seen of a file's rows beside their verdicts, and counted with them.
SEEN: Final = ("rejected", "untold", "arrived", "told")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a source's rows: how many go to quarantine, and into `verdicts`; the newest moments.

    `arrived` is when the last row came, `told` the newest moment up to now that an accepted row tells of itself; both
    in microseconds, where there is one.
    """

    rejected: int = 0
    untold: int = 0
    arrived: int | None = None
    told: int | None = None

    def __add__(self, other: "Seen") -> "Seen":
        """Return both as one."""
        return Seen(
            self.rejected + other.rejected,
            self.untold + other.untold,
            _later(self.arrived, other.arrived),
            _later(self.told, other.told),
        )


def _later(left: int | None, right: int | None) -> int | None:
    return max((one for one in (left, right) if one is not None), default=None)


@dataclass(frozen=True, slots=True)
class Flow:
    """One source in one run: lines and rows of its fresh files, rows that each table gained, the newest moments."""

    source: str
    surveyed: int = 0
    read: int = 0
    written: Mapping[str, int] = field(default_factory=dict)
    arrived_at: datetime | None = None
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A table that gained other rows than the accounts say."""

    source: str
    table: str
    owed: int
    gained: int


def owed(kind: RecordKind, account: Account, seen: Seen) -> dict[str, int]:
    """Return how many rows of a source each table has to gain by a run: one place for each that is stored."""
    return {FACTS[kind]: account.accepted, "quarantine": seen.rejected, "verdicts": seen.untold}


def gaps(source: str, due: Mapping[str, int], gained: Mapping[str, int]) -> Iterator[Gap]:
    """Yield the tables whose gain is not what was due; nothing was due of a table that is not named."""
    for table in sorted({*due, *gained} - {SUBJECTS}):
        if due.get(table, 0) != gained.get(table, 0):
            yield Gap(source, table, due.get(table, 0), gained.get(table, 0))


def moment(micros: int | None) -> datetime | None:
    """Return a moment that Spark counted, or None where there is none that a calendar has."""
    try:
        return None if micros is None else _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None


def told(account: Account, flow: Flow | None) -> dict[str, Any]:
    """Return one source's way through a run as data, counts in and counts out.

    `received` = `as_they_were` + `read`, where `read` are the rows that fresh files' `surveyed` lines hold; it is also
    the sum of the verdicts. `written` is what the tables gained of them.
    """
    found = Flow(account.source) if flow is None else flow
    verdicts = {name: getattr(account, name) for name in COUNTS[1:]}
    return {
        "received": account.read,
        "as_they_were": account.read - found.read,
        "surveyed": found.surveyed,
        "read": found.read,
        **verdicts,
        "written": {table: rows for table, rows in sorted(found.written.items()) if rows},
    }
