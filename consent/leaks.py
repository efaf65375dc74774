"""The leak linter: no person's data in the logs, checkpoints, statistics and paths of the lake.

Data files may hold people, for a purge rewrites them; what stands around them outlives every erasure.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from consent.needles import Needles
from infra.errors import Broken
from infra.tables import Table

LOG: Final = "_delta_log"
_STATISTICS: Final = ("minValues", "maxValues")
_CANARY: Final = "canary-in-the-delta-log@example.org"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One leak: table, file and place, and which rule it breaks; the value itself is not repeated."""

    table: str
    file: str
    where: str
    problem: str


@dataclass(slots=True)
class Report:
    """What the linter read and found. `unscanned` files had no decoder; too short needles were not looked for."""

    findings: list[Finding] = field(default_factory=list)
    unscanned: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    too_short: int = 0

    @property
    def clean(self) -> bool:
        """Whether everything could be read and nothing was found."""
        return not self.findings and not self.unscanned

    def lines(self) -> Iterator[str]:
        """Yield the report for people, worst first."""
        for finding in sorted(set(self.findings)):
            yield f"{finding.table}/{finding.file}: {finding.where}: {finding.problem}"
        for name in sorted(self.unscanned):
            yield f"{name}: not scanned, no decoder for this kind of file"
        yield f"leak linter: {self.files:,} files, {self.bytes:,} bytes, {len(set(self.findings)):,} findings"


def lint(lake_root: Path, tables: Iterable[Table], needles: Iterable[str]) -> Report:
    """Return every leak around the data files of a lake.

    `needles` are identifier values of people known to be in it; each is looked for in every common spelling. The
    declarations of `tables` say which columns are personal: no statistics, partitions, clustering or predicates
    may be on them, and no version checksum file, which repeats them all, may exist. The decoders are tried on a
    canary first; one that is blind raises `Broken`.
    """
    declared = {table.name: table for table in tables}
    looked_for = Needles.of(needles)
    _see_the_canary()
    report = Report(too_short=looked_for.too_short)
    for folder in sorted(path for path in lake_root.iterdir() if path.is_dir()):
        if folder.name not in declared:
            report.findings.append(Finding(folder.name, ".", "table", "not declared: its personal columns are unknown"))
        personal = declared[folder.name].personal() if folder.name in declared else ()
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            _lint_file(report, folder, file, personal, looked_for)
    return report


def _lint_file(report: Report, folder: Path, file: Path, personal: Sequence[str], needles: Needles) -> None:
    name = file.relative_to(folder).as_posix()
    table = folder.name
    report.files += 1
    partitions = _partition_leaks(name, personal)
    if hit := needles.hit(unquote(name).encode()):
        report.findings.append(Finding(table, "(a file's path)", "path", f"holds a person's identifier ({hit})"))
        name = "(withheld)"
    if LOG not in file.relative_to(folder).parts:
        report.findings += [Finding(table, "(a file's path)", "path", problem) for problem in partitions]
        return
    raw = file.read_bytes()
    report.bytes += len(raw)
    if file.suffix == ".crc" and not file.name.startswith("."):
        report.findings.append(Finding(table, name, "file", "version checksum files repeat every statistic"))
    texts = decoded(file, raw)
    if texts is None:
        report.unscanned.append(f"{table}/{name}")
        texts = {"bytes": raw}
    for where, text in texts.items():
        if hit := needles.hit(text):
            report.findings.append(Finding(table, name, where, f"holds a person's identifier ({hit})"))
    for where, problem in _violations(file, raw, personal):
        report.findings.append(Finding(table, name, where, problem))


def _partition_leaks(name: str, personal: Sequence[str]) -> list[str]:
    columns = [part.partition("=")[0] for part in name.split("/")[:-1] if "=" in part]
    return [f"partitioned by the personal column {column}" for column in columns if column in personal]


def decoded(file: Path, raw: bytes) -> Mapping[str, bytes] | None:
    """Return what a file of a Delta log says, by place, or None where there is no decoder for it."""
    hidden_checksum = file.name.startswith(".") and file.suffix == ".crc"
    if file.suffix in {".json", ".crc"} or hidden_checksum or file.name == "_last_checkpoint":
        return {"text": raw, "unescaped": _unescaped(raw)}
    if file.suffix == ".parquet":
        rows = _rows(raw)
        return {"rows": json.dumps(rows, ensure_ascii=False, default=str).encode(), "footer": raw}
    return None


def _unescaped(raw: bytes) -> bytes:
    """Return JSON text with its nested JSON and its escapes opened, so that no quoting hides a value."""
    text = raw.decode("utf-8", errors="replace")
    return unquote(text.replace('\\"', '"').replace("\\\\", "\\")).encode()


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
    return "'" in predicate or " IN (" in predicate.upper()


def _named(columns: Iterable[str], personal: Sequence[str]) -> list[str]:
    return sorted(set(personal).intersection(column.split(".")[0].strip(" `") for column in columns))


def _see_the_canary() -> None:
    """Raise `Broken` unless each decoder finds a value that is surely there: a blind scan reports clean."""
    needles = Needles.of([_CANARY])
    commit = json.dumps({"add": {"path": "x", "stats": json.dumps({"minValues": {"email": _CANARY}})}})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"add": [{"stats": commit}]}), sink, compression="zstd")
    planted = {
        "0.json": commit.encode(),
        "0.checkpoint.parquet": sink.getvalue().to_pybytes(),
        "0.crc": commit.encode(),
    }
    for name, raw in planted.items():
        texts = decoded(Path(name), raw) or {}
        if not needles.hit(texts.get("rows", texts.get("text", b""))):
            raise Broken(f"the leak linter does not see a planted value in {name}; its report would be void")
