"""What is open in the quarantine, read without a JVM: rejections that no replay has settled, one by one or grouped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from infra import shelf
from infra.tables import Table
from ingestion.quarantine.patch import Where
from ingestion.tables import QUARANTINE, RECOVERED

_PLACES: Final = 3
_TOLD: Final = ("source", "file", "position", "field", "rule", "value_class", "reason", "received_at", "batch")
_KEY: Final = ("source", "content_hash", "field", "rule")
Key = tuple[str, str, str | None, str]
# The versions of tables that a run builds on; None is the newest of all.
Base = Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """One rejected row and what is wrong with it; `payload` and `content_hash` are personal."""

    source: str
    file: str
    position: int
    field: str | None
    rule: str
    value_class: str
    reason: str
    received_at: datetime
    batch: int
    content_hash: str
    payload: str

    @property
    def place(self) -> str:
        """Where the row stands, as commands name it."""
        return f"{self.source}:{self.file}:{self.position}"


@dataclass(frozen=True, slots=True)
class Group:
    """Rejections of one source for one reason."""

    source: str
    field: str | None
    rule: str
    reason: str
    rows: int
    value_classes: Mapping[str, int]
    places: tuple[str, ...]


def open_rejections(
    lake: Path, source: str | None = None, base: Base = None, *, payloads: bool = True
) -> Iterator[Rejection]:
    """Yield the rejections that are open, in no order; of one source, or of all; the rows themselves if wanted."""
    settled = _settled(lake, base)
    columns = (*_TOLD, "content_hash", *(("payload",) if payloads else ()))
    for row in _rows(lake, QUARANTINE, base, columns):
        if source in (None, row["source"]) and settled.get(_key(row), -1) < row["batch"]:
            yield Rejection(**{"payload": "", **row})


def named(rejections: Iterable[Rejection], where: Where) -> Iterator[Rejection]:
    """Yield the rejections that a fix speaks of, as far as it can be told without their rows."""
    return (one for one in rejections if where.names(one.source, one.field, one.rule))


def groups(rejections: Iterable[Rejection]) -> tuple[Group, ...]:
    """Return the rejections counted by source, field and rule, the most frequent of a source first."""
    found: dict[tuple[str, str, str, str], list[tuple[str, str, int]]] = {}
    for one in rejections:
        group = found.setdefault((one.source, one.field or "", one.rule, one.reason), [])
        group.append((one.value_class, one.file, one.position))
    made = [_group(*told, rows) for told, rows in found.items()]
    return tuple(sorted(made, key=lambda g: (g.source, -g.rows, g.field or "", g.rule, g.reason)))


def _group(source: str, field: str, rule: str, reason: str, rows: list[tuple[str, str, int]]) -> Group:
    first = sorted((file, position) for _, file, position in rows)[:_PLACES]
    classes = dict(Counter(value_class for value_class, _, _ in rows).most_common(_PLACES))
    places = tuple(f"{source}:{file}:{position}" for file, position in first)
    return Group(source, field or None, rule, reason, len(rows), classes, places)


def recoveries(lake: Path, source: str | None = None, key: str | None = None) -> list[dict[str, Any]]:
    """Return what replays did, oldest first, without digests: all of it, of one source, or of one key of a source."""
    columns = ("source", "key", "field", "rule", "fix", "verdict", "replayed_at", "batch")
    rows = [
        row
        for row in _rows(lake, RECOVERED, None, columns)
        if source in (None, row["source"]) and key in (None, row["key"])
    ]
    return sorted(
        rows, key=lambda row: (row["batch"], row["source"], row["key"] or "", row["field"] or "", row["rule"])
    )


def _settled(lake: Path, base: Base) -> dict[Key, int]:
    """Return the rejections that a replay has settled, with the last batch that did."""
    found: dict[Key, int] = {}
    for row in _rows(lake, RECOVERED, base, (*_KEY, "batch")):
        found[_key(row)] = max(found.get(_key(row), -1), row["batch"])
    return found


def _rows(lake: Path, table: Table, base: Base, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    at = None if base is None else base.get(table.name)
    if (base is not None and at is None) or not shelf.exists(lake, table):
        return
    for batch in shelf.batches(lake, table, at, columns):
        yield from batch.to_pylist()


def _key(row: Mapping[str, Any]) -> Key:
    return row["source"], row["content_hash"], row["field"], row["rule"]
