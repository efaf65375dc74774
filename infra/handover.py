"""Handing a job to the runner: started if none runs, followed to its end, restarted if it dies."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from infra import writer
from infra.errors import Broken
from infra.runs import Runs
from infra.workspace import Workspace

_POLL_SECONDS = 0.15
_RESTARTS = 3


class RunnerEnded(Broken):
    """Several runners died over one run: to start a further one at once would only repeat it."""

    def __init__(self, starts: int, run_id: str) -> None:
        super().__init__(
            f"the job runner ended {starts} times during run {run_id}; see state/runner.log. The run is kept: the next "
            "command that hands over the same job goes on with it"
        )


def start_runner(workspace: Workspace) -> subprocess.Popen[bytes]:
    """Start a runner of its own session, so that it outlives the command that asked; a second one ends itself."""
    state = workspace.state_path
    state.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(state / "runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own module, our own interpreter
            [sys.executable, "-m", "infra.runner", str(workspace.root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=descriptor,
            start_new_session=True,
            env=dict(workspace.environ),
            cwd=Path("/"),
        )
    finally:
        os.close(descriptor)


def follow(workspace: Workspace, runs: Runs, run_id: str, show: Callable[[Row[Any]], None]) -> Row[Any]:
    """Return the run's row once it has ended, showing each of its lines on the way.

    A runner that died is replaced, and the run goes on where it stopped; after a few deaths `RunnerEnded` says
    where to look.
    """
    seen, starts = 0, 0
    runner: subprocess.Popen[bytes] | None = None
    while True:
        for message in runs.messages(run_id, seen):
            show(message)
            seen = message.id
        row = runs.get(run_id)
        if row.status in {"succeeded", "failed"} and not runs.messages(run_id, seen):
            return row
        ended = runner is None or runner.poll() is not None
        if ended and not writer.is_held(workspace.state_path):
            if starts > _RESTARTS:
                raise RunnerEnded(starts, run_id)
            runner = start_runner(workspace)
            starts += 1
        time.sleep(_POLL_SECONDS)
