"""What writes did to tables, as Delta's own log has it: which rows came, by whose write; no JVM and no scan of a table.

The log is read as the protocol lays it down: a file of JSON lines for each version, kept for eight days.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow.parquet as pq

# What makes a table and brings no row.
_NO_WRITES: Final = ("CREATE TABLE", "SET TBLPROPERTIES")
_ROWS: Final = ("numOutputRows", "numTargetRowsInserted", "numTargetRowsUpdated")
_REMOVED: Final = ("numDeletedRows", "numTargetRowsDeleted")
_FILES: Final = ("numFiles", "numTargetFilesAdded", "numAddedFiles")
_BYTES: Final = ("numOutputBytes", "numTargetBytesAdded", "numAddedBytes")


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table: who made it and under which number, what Delta counted, which files it added."""

    version: int
    app: str | None
    number: int | None
    operation: str
    metrics: Mapping[str, int]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wrote:
    """What came to a table up to a version: rows and files written, rows taken out."""

    version: int
    rows: int = 0
    removed: int = 0
    files: int = 0
    size: int = 0


def heads(lake: Path) -> dict[str, int]:
    """Return the newest version of every table of a lake by the names of its log's files alone."""
    found = {}
    for folder in sorted(lake.glob("*/_delta_log")):
        versions = [int(file.stem) for file in folder.glob("*.json") if file.stem.isdigit()]
        if versions:
            found[folder.parent.name] = max(versions)
    return found


def commits(table: Path, since: int) -> Iterator[Commit]:
    """Yield the versions of a table after one, as its log tells them; -1 is before the first."""
    log = table / "_delta_log"
    for file in sorted(log.glob("*.json")) if log.is_dir() else ():
        if file.stem.isdigit() and int(file.stem) > since:
            with file.open(encoding="utf-8") as lines:
                yield _commit(int(file.stem), [json.loads(line) for line in lines if line.strip()])


def _commit(version: int, actions: Sequence[Mapping[str, Any]]) -> Commit:
    told: dict[str, Any] = {}
    for action in actions:
        for kind in ("commitInfo", "txn"):
            told[kind] = action.get(kind, told.get(kind))
    info, mark = told.get("commitInfo") or {}, told.get("txn") or {}
    counted = info.get("operationMetrics") or {}
    return Commit(
        version=version,
        app=mark.get("appId"),
        number=mark.get("version"),
        operation=str(info.get("operation", "")),
        metrics={name: int(value) for name, value in counted.items() if str(value).isdigit()},
        files=tuple(unquote(action["add"]["path"]) for action in actions if "add" in action),
    )


def rows_of(table: Path, app: str, number: int, since: int, by: Sequence[str]) -> dict[tuple[Any, ...], int]:
    """Return how many rows the writes of an application under a number added, by the values of a few columns.

    They are counted in the files that these writes added, and nowhere else; since when, bounds the log that is read.
    """
    found: Counter[tuple[Any, ...]] = Counter()
    for commit in commits(table, since):
        if (commit.app, commit.number) == (app, number):
            for file in commit.files:
                rows = pq.read_table(table / file, columns=list(by), partitioning=None, read_dictionary=list(by))
                for group in rows.group_by(list(by)).aggregate([([], "count_all")]).to_pylist():
                    found[tuple(group[name] for name in by)] += group["count_all"]
    return dict(found)


def writes(lake: Path, since: Mapping[str, int]) -> dict[str, Wrote]:
    """Return what came to each table after the versions given, of tables that anything came to."""
    found = {}
    for name, head in heads(lake).items():
        if head > since.get(name, -1):
            made = [one for one in commits(lake / name, since.get(name, -1)) if one.operation not in _NO_WRITES]
            if made:
                found[name] = Wrote(head, *(_sum(made, names) for names in (_ROWS, _REMOVED, _FILES, _BYTES)))
    return found


def _sum(made: Sequence[Commit], names: Sequence[str]) -> int:
    return sum(commit.metrics.get(name, 0) for commit in made for name in names)
