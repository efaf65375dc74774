"""The leak linter at the end of every run: only what the lake's log gained since the last one is read."""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import consent.leaks
import ingestion.tables
from consent.leaks import Report
from infra import shelf
from infra.runs import Runs, Step
from infra.runtime import Runtime
from infra.tables import Table

# People looked for after each run: a few, for the declared columns say more than any value.
_A_FEW = 40
_SHOWN = 5
STEP = "leaks"


def lint_new(runtime: Runtime, runs: Runs, tables: Sequence[Table]) -> Mapping[str, object]:
    """Look for people in the new files of the lake's log, tell the run what was found, and return the counts.

    It is an alarm and no error: what leaks is there already, and a run that fails would only hide it. A file that
    leaks is read, and told of, after every run until it is gone.
    """
    done = {step["name"]: step["summary"] for step in runs.get(runtime.run.id).steps}
    if STEP in done:
        found: Mapping[str, object] = done[STEP]
        return found
    begun, lake = time.monotonic(), runtime.workspace.lake_path
    kept = runtime.workspace.state_path / "linted.json"
    report = consent.leaks.lint(lake, tables, identifier_values(lake, _A_FEW), passed=_passed(kept))
    _keep(kept, report)
    _tell(runtime, report)
    counts = {"files": report.files, "findings": len(set(report.findings)), "unscanned": len(report.unscanned)}
    runs.record_step(runtime.run.id, Step(STEP, time.monotonic() - begun, counts))
    return counts


def identifier_values(lake: Path, limit: int) -> set[str]:
    """Return identifier values of people known to be in the lake, as needles for the linter."""
    found: set[str] = set()
    for values in _values(lake):
        found |= values
        if len(found) >= limit:
            break
    return set(sorted(found)[:limit])


def _values(lake: Path) -> Iterator[set[str]]:
    for batch in shelf.batches(lake, ingestion.tables.RECORDS, columns=["identifiers"]):
        yield {one["value"] for row in batch.to_pylist() for one in row["identifiers"]}


def _passed(kept: Path) -> frozenset[str]:
    """Return the files with which nothing was wrong; what cannot be read is read as none, and all is linted."""
    try:
        return frozenset(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return frozenset()


def _keep(kept: Path, report: Report) -> None:
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps(sorted(report.passed)), encoding="utf-8")
    draft.replace(kept)


def _tell(runtime: Runtime, report: Report) -> None:
    if report.clean:
        return
    lines = list(report.lines())
    for line in lines[:_SHOWN]:
        runtime.say(f"leak: {line}")
    runtime.say("the lake's log tells of people, or could not be read whole; `kindred leaks` shows all of it")
    runtime.observer.note(
        "lake leaks", logging.WARNING, findings=len(set(report.findings)), unscanned=len(report.unscanned)
    )
