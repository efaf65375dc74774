"""Who watches a run: each run and step that begins or ends is written to the log, and told as lineage where wanted."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from infra.clock import Clock, system_clock
from infra.journal import JOBS, note
from infra.lineage.model import Given, Happened, Kind, Made, Teller
from infra.settings import FileLineage
from infra.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Observer:
    """The watcher of one run."""

    run_id: str = ""
    number: int = 0
    job: str = ""
    clock: Clock = system_clock
    teller: Teller | None = None
    logger: logging.Logger = JOBS

    def telling(self, workspace: Workspace, say: Callable[[str], None]) -> Self:
        """Return the same watcher, telling lineage too if the workspace declares where to."""
        settings = workspace.settings.lineage
        if settings is None:
            return self
        from infra.lineage import told  # noqa: PLC0415 - the library is loaded only where it is wanted

        if isinstance(settings, FileLineage):
            file = workspace.root / settings.path
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                told.mended(file)
            except OSError as error:
                say(f"lineage: the file cannot be written ({error.strerror}); mend `lineage.path` in kindred.yaml")
        namespace = settings.namespace or workspace.settings.name
        return replace(self, teller=told.Told(told.transport_of(settings, workspace.root), namespace, say))

    def note(self, event: str, level: int = logging.INFO, **facts: object) -> None:
        """Write a line of the log under the run's names."""
        note(self.logger, event, level, run=self.number, run_id=self.run_id, job=self.job, **facts)

    def run_began(self) -> None:
        """Say that the run begins, or goes on after an interruption."""
        self.note("run began")
        self._tell("START", None)

    def run_ended(self, error: str | None = None, *, kind: str | None = None, exit_code: int = 0) -> None:
        """Say that the run ended, well or with an error's sentence and class."""
        level = logging.INFO if error is None else logging.ERROR
        self.note("run ended", level, exit_code=exit_code, error=kind, because=error)
        self._tell("COMPLETE" if error is None else "FAIL", None, error=error)
        if self.teller is not None:
            self.teller.close()

    def step_began(self, step: str, given: tuple[Given, ...] = (), made: tuple[Made, ...] = ()) -> None:
        """Say that a step begins, and what it reads and writes as far as that is known."""
        self.note("step began", step=step)
        self._tell("START", step, given, made)

    def step_ended(
        self, step: str, given: tuple[Given, ...] = (), made: tuple[Made, ...] = (), error: str | None = None
    ) -> None:
        """Say that a step ended, with what it read and wrote."""
        self._tell("COMPLETE" if error is None else "FAIL", step, given, made, error=error)

    def _tell(
        self,
        kind: Kind,
        step: str | None,
        given: tuple[Given, ...] = (),
        made: tuple[Made, ...] = (),
        *,
        error: str | None = None,
    ) -> None:
        if self.teller is not None:
            self.teller.tell(Happened(kind, self.clock(), self.run_id, self.job, step, given, made, error))
