"""The job runner: the one process that writes a workspace's lake, with a Spark session that stays warm."""

import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import Any

from pyspark.sql import SparkSession
from sqlalchemy import Engine, Row

from infra import journal, runs, writer
from infra.clock import Clock, system_clock
from infra.database import open_database
from infra.errors import Held, KindredError
from infra.full import disk_failure
from infra.journal import places
from infra.lake import Lake
from infra.observer import Observer
from infra.runs import Runs
from infra.runtime import Job, RunInfo, Runtime
from infra.shelf import newest_versions
from infra.spark import is_alive, session
from infra.workspace import Workspace

_IDLE_SECONDS = 600.0
_POLL_SECONDS = 0.2
_LEFT = 70  # the exit code of a runner whose JVM died
# The JVM of a killed runner ends within a second (design, engines); on a loaded machine it takes longer. Only what a
# dead runner left behind is waited for; one that lives refuses at once.
_SUCCESSION_SECONDS = 20.0


class Runner:
    """Takes runs from the queue, one at a time, until nothing was asked for a while."""

    def __init__(
        self,
        workspace: Workspace,
        database: Engine,
        jobs: Mapping[str, Job],
        clock: Clock,
        spark: SparkSession | None = None,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._jobs = jobs
        self._clock = clock
        self._runs = Runs(database, clock)
        self._spark = spark

    def serve(self, idle_seconds: float) -> None:
        """Work until the queue has been empty for so long."""
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < idle_seconds:
            row = self._runs.begin_next(newest_versions(self._workspace.lake_path), self._seeded_salt())
            if row is None:
                time.sleep(_POLL_SECONDS)
                continue
            self._work(row)
            idle_since = time.monotonic()

    def _seeded_salt(self) -> str | None:
        seed = self._workspace.settings.seed
        return None if seed is None else hashlib.sha256(f"seed:{seed}".encode()).hexdigest()[:32]

    def _work(self, row: Row[Any]) -> None:
        observer = Observer(row.id, row.number, row.job, self._clock)
        try:
            # The configuration may have changed since the runner started.
            workspace = Workspace.open(self._workspace.root)
            observer = observer.telling(workspace, lambda text: self._say(observer, text))
            observer.run_began()
            self._jobs[row.job](self._runtime(workspace, row, observer), row.arguments)
        except KindredError as error:
            observer.run_ended(str(error), kind=type(error).__name__, exit_code=error.exit_code)
            self._runs.finish(row.id, error=str(error), exit_code=error.exit_code)
        except Exception as error:  # noqa: BLE001 - the runner outlives any job; what happened is recorded
            sentence = f"{row.job} failed with {type(error).__name__}; state/runner.log says where in the code"
            # The places name the code; the message may quote data and stays out.
            observer.note("unforeseen", logging.ERROR, error=type(error).__name__, condition=_condition(error),
                places=places(error))  # fmt: skip
            if self._spark is not None and not is_alive(self._spark):
                # Without its JVM this process can do nothing more: the next runner resumes the run, as after a kill.
                observer.note("left by its JVM", logging.ERROR)
                os._exit(_LEFT)
            full = disk_failure(error)
            told, exit_code = str(full or sentence), full.exit_code if full else 1
            observer.run_ended(told, kind=type(full or error).__name__, exit_code=exit_code)
            self._runs.finish(row.id, error=told, exit_code=exit_code)
        else:
            observer.run_ended()
            self._runs.finish(row.id)

    def _say(self, observer: Observer, text: str) -> None:
        """Tell whoever follows the run, and the log."""
        self._runs.say(observer.run_id, text)
        observer.note("said", text=text)

    def _runtime(self, workspace: Workspace, row: Row[Any], observer: Observer) -> Runtime:
        if self._spark is None:
            self._say(observer, "starting Spark")
            self._spark = session(workspace.settings.engine, workspace.state_path / "work")
        lake = Lake(self._spark, workspace.lake_path, row.number, row.base)
        info = RunInfo(row.id, row.number, row.started_at, row.salt, row.base)
        return Runtime(workspace, lake, self._database, info, lambda text: self._say(observer, text), observer)


def _condition(error: Exception) -> str | None:
    """Return the error class that Spark itself names; its message may quote data, its class cannot."""
    condition = getattr(error, "getCondition", None)
    return str(condition()) if callable(condition) else None


def jobs() -> dict[str, Job]:
    """Return the jobs that the installed packages announce, by name."""
    return {entry.name: entry.load() for entry in entry_points(group="kindred.jobs")}


def main(arguments: list[str]) -> int:
    """Run the queue of the workspace named by the only argument; return the exit code."""
    signal.signal(signal.SIGTERM, _leave)
    workspace = Workspace.open(Path(arguments[0]))
    # The JVM writes to the standard error, too: what machines read has a file of its own.
    machines = workspace.state_path / "jobs.ndjson" if workspace.settings.logs.format == "json" else None
    journal.configure("human", sys.stderr, "kindred", file=machines)
    try:
        writer.acquire(workspace.state_path, system_clock(), _SUCCESSION_SECONDS)
    except Held as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    database = open_database(workspace, runs.METADATA)
    Runs(database, system_clock).requeue_interrupted()
    Runner(workspace, database, jobs(), system_clock).serve(_IDLE_SECONDS)
    return 0


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # What was under way is resumed by the next runner; nothing needs tidying up that a kill would not leave.
    os._exit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
