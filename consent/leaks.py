"""The leak linter: no person's data in the logs, checkpoints, statistics and paths of the lake.

Data files may hold people, for a purge rewrites them; what stands around them outlives every erasure.
"""

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from consent.residue.kinds import DECODERS, EXPECTED
from consent.residue.model import PATH
from consent.residue.needles import Needles
from consent.residue.scan import Search
from consent.residue.source import Decoder
from infra.errors import Broken
from infra.tables import Table

LOG: Final = "_delta_log"
_STATISTICS: Final = ("minValues", "maxValues")
_COLUMN: Final = re.compile(r"[\w.`]+#\d+l?")
_WORD: Final = re.compile(r"[^\s()\[\]\"',=<>!&|]+")
_NO_VALUES: Final = frozenset(
    ("and", "or", "not", "is", "null", "isnull", "isnotnull", "cast", "as", "string", "int", "bigint", "true", "false")
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One leak: table, file and place, and which rule it breaks; the value itself is not repeated."""

    table: str
    file: str
    where: str
    problem: str


@dataclass(slots=True)
class Report:
    """What the linter read and found. `unscanned` files could not be read; too short needles were not looked for.

    `passed` names the files of the log with which nothing is wrong, read now or before.
    """

    findings: list[Finding] = field(default_factory=list)
    unscanned: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    too_short: int = 0
    passed: set[str] = field(default_factory=set)

    @property
    def clean(self) -> bool:
        """Whether everything could be read and nothing was found."""
        return not self.findings and not self.unscanned

    def lines(self) -> Iterator[str]:
        """Yield the report for people, worst first."""
        for finding in sorted(set(self.findings)):
            yield f"{finding.table}/{finding.file}: {finding.where}: {finding.problem}"
        for name in sorted(self.unscanned):
            yield f"not scanned: {name}"
        yield f"leak linter: {self.files:,} files, {self.bytes:,} bytes, {len(set(self.findings)):,} findings"


def lint(
    lake_root: Path,
    tables: Iterable[Table],
    needles: Iterable[str],
    *,
    passed: Container[str] = frozenset(),
    decoders: Sequence[Decoder] = DECODERS,
) -> Report:
    """Return every leak around the data files of a lake.

    `needles` are identifier values of people known to be in it; each is looked for in every common spelling. The
    declarations of `tables` say which columns are personal: no statistics, partitions, clustering or predicates
    may be on them, and no version checksum file, which repeats them all, may exist. Files of the log that `passed`
    names (`table/name`) are not read again: they never change. The decoders are tried on canaries first; one that is
    blind raises `Broken`.
    """
    declared = {table.name: table for table in tables}
    search = Search(Needles.of(needles), decoders)
    search.try_on_canaries(EXPECTED["delta"])
    _see_the_canary()
    report = Report(too_short=search.too_short)
    for folder in sorted(path for path in lake_root.iterdir() if path.is_dir()):
        if folder.name not in declared:
            report.findings.append(Finding(folder.name, ".", "table", "not declared: its personal columns are unknown"))
        personal = declared[folder.name].personal() if folder.name in declared else ()
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            _lint_file(report, folder, file, personal, search, passed)
    return report


def _lint_file(
    report: Report, folder: Path, file: Path, personal: Sequence[str], search: Search, passed: Container[str]
) -> None:
    name, table = file.relative_to(folder).as_posix(), folder.name
    key, before = f"{table}/{name}", len(report.findings) + len(report.unscanned)
    in_log = LOG in file.relative_to(folder).parts
    if in_log and key in passed:
        report.passed.add(key)
        return
    report.files += 1
    if kinds := search.named(name):
        report.findings.append(Finding(table, PATH, "path", f"holds a person's identifier ({kinds[0]})"))
        name = PATH
    if not in_log:
        partitions = _partition_leaks(file.relative_to(folder).as_posix(), personal)
        report.findings += [Finding(table, PATH, "path", problem) for problem in partitions]
        return
    found = search.file(file)
    report.bytes += found.bytes
    report.unscanned += [f"{table}/{name}: {why}" for why in found.unread]
    told = [(where, f"holds a person's identifier ({kind})") for where, kind in sorted(found.hits)]
    if file.suffix == ".crc" and not file.name.startswith("."):
        told.append(("file", "version checksum files repeat every statistic"))
    if not found.unread:
        told += _violations(file, file.read_bytes(), personal)
    report.findings += [Finding(table, name, where, problem) for where, problem in told]
    if len(report.findings) + len(report.unscanned) == before:
        report.passed.add(key)


def _partition_leaks(name: str, personal: Sequence[str]) -> list[str]:
    columns = [part.partition("=")[0] for part in name.split("/")[:-1] if "=" in part]
    return [f"partitioned by the personal column {column}" for column in columns if column in personal]


def _rows(raw: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(pa.BufferReader(raw)).to_pylist()
    return found


def _violations(file: Path, raw: bytes, personal: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what the actions of a log file break, whatever values they hold."""
    for action in _actions(file, raw):
        yield from _metadata_violations(action.get("metaData") or {}, personal)
        yield from _clustering_violations(action.get("domainMetadata") or {}, personal)
        yield from _statistics_violations(action.get("add") or action.get("remove") or {}, personal)
        yield from _commit_violations(action.get("commitInfo") or {}, personal)


def _actions(file: Path, raw: bytes) -> Iterator[dict[str, Any]]:
    if file.suffix == ".json":
        yield from (json.loads(line) for line in raw.splitlines() if line.strip())
    elif file.suffix == ".parquet":
        yield from _rows(raw)


def _metadata_violations(metadata: Mapping[str, Any], personal: Sequence[str]) -> Iterator[tuple[str, str]]:
    if not metadata:
        return
    configuration = dict(metadata.get("configuration") or {})
    chosen = configuration.get("delta.dataSkippingStatsColumns")
    if personal and chosen is None:
        yield "metaData", "delta.dataSkippingStatsColumns is not set: statistics would be kept of every column"
    for column in _named((chosen or "").split(","), personal):
        yield "metaData", f"statistics are kept of the personal column {column}"
    for column in _named(metadata.get("partitionColumns") or (), personal):
        yield "metaData", f"partitioned by the personal column {column}"


def _clustering_violations(domain: Mapping[str, Any], personal: Sequence[str]) -> Iterator[tuple[str, str]]:
    if domain.get("domain") == "delta.clustering":
        paths = json.loads(domain.get("configuration") or "{}").get("clusteringColumns", [])
        for column in _named((path[0] for path in paths), personal):
            yield "domainMetadata", f"clustered by the personal column {column}"


def _statistics_violations(file: Mapping[str, Any], personal: Sequence[str]) -> Iterator[tuple[str, str]]:
    if not file:
        return
    stats = json.loads(file.get("stats") or "{}")
    parsed = file.get("stats_parsed") or {}
    for kind in _STATISTICS:
        columns = set(stats.get(kind) or ()) | {c for c, v in (parsed.get(kind) or {}).items() if v is not None}
        for column in _named(columns, personal):
            yield f"stats.{kind}", f"a value of the personal column {column}"
    for column in _named(dict(file.get("partitionValues") or {}), personal):
        yield "partitionValues", f"a value of the personal column {column}"


def _commit_violations(commit: Mapping[str, Any], personal: Sequence[str]) -> Iterator[tuple[str, str]]:
    parameters = dict(commit.get("operationParameters") or {})
    for name, value in parameters.items():
        # A predicate on a personal column names its value; a join condition of a MERGE names only columns.
        if "redicate" in name and any(column in str(value) for column in personal) and _has_literal(str(value)):
            yield f"commitInfo.{name}", "a literal beside a personal column: erase by joining a work table"


def _has_literal(predicate: str) -> bool:
    """Say whether a predicate holds a value. Spark writes it without quotes, and each column with its number behind."""
    if "'" in predicate or " IN (" in predicate.upper():
        return True
    return "#" in predicate and bool(set(_WORD.findall(_COLUMN.sub("", predicate.lower()))) - _NO_VALUES)


def _named(columns: Iterable[str], personal: Sequence[str]) -> list[str]:
    return sorted(set(personal).intersection(column.split(".")[0].strip(" `") for column in columns))


def _see_the_canary() -> None:
    """Raise `Broken` unless each kind of log file shows a broken rule that is surely there."""
    action = {"add": {"stats": json.dumps({"minValues": {"email": "x@example.org"}})}}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"add": [action["add"]]}), sink, compression="zstd")
    planted = {"0.json": json.dumps(action).encode(), "0.checkpoint.parquet": sink.getvalue().to_pybytes()}
    for name, raw in planted.items():
        if not any(where == "stats.minValues" for where, _ in _violations(Path(name), raw, ("email",))):
            raise Broken(f"the leak linter does not see a planted value in {name}; its report would be void")
