"""A step of a run, watched: what it read and wrote is counted, written to the log and told as lineage."""

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from api.cli.tables import TABLES
from infra import gains, reads
from infra.errors import KindredError
from infra.gains import Wrote
from infra.lineage.model import Address, Field, Given, Made, Origin
from infra.runtime import Runtime
from infra.tables import Table
from ingestion import origins
from ingestion.config import Source, load_sources

_TABLES: Mapping[str, Table] = {table.name: table for table in TABLES}
INGEST = "ingest"


class Watched:
    """One step under way, as a context: what leaves it by an error is told as failed, and goes on."""

    def __init__(
        self, runtime: Runtime, step: str, arguments: Mapping[str, str], done: Iterable[Mapping[str, Any]]
    ) -> None:
        self._runtime, self._step, self._arguments = runtime, step, arguments
        # What steps before this one told of is theirs; what a former attempt of this step wrote is this step's.
        self._since = dict(runtime.run.base) | {t: w["version"] for s in done for t, w in s.get("wrote", {}).items()}
        self._stack, self._read, self._begun = ExitStack(), set[str](), 0.0
        self.outcome: dict[str, object] = {}

    def __enter__(self) -> Self:
        """Say that the step begins."""
        self._read = self._stack.enter_context(reads.noted())
        self._begun = time.monotonic()
        self._runtime.observer.step_began(self._step, self._given({}))
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Say how the step ended, and add to its outcome what it wrote."""
        self._stack.close()
        wrote = gains.writes(self._runtime.workspace.lake_path, self._since)
        self.outcome["wrote"] = {name: asdict(one) for name, one in wrote.items()}
        self._note(error, wrote)
        observer = self._runtime.observer
        if observer.teller is None:
            return
        flows = self._flows()
        lake = tuple(_given(self._runtime, name) for name in sorted(self._read - set(wrote)) if name in _TABLES)
        made = tuple(self._made(name, one) for name, one in sorted(wrote.items()) if name in _TABLES)
        observer.step_ended(self._step, (*self._given(flows), *lake), made, sentence(error))

    @property
    def seconds(self) -> float:
        """How long the step has taken until now."""
        return time.monotonic() - self._begun

    def _flows(self) -> Mapping[str, Any]:
        flows = self.outcome.get("flow")
        return flows if isinstance(flows, dict) else {}

    def _note(self, error: BaseException | None, wrote: Mapping[str, Wrote]) -> None:
        note, seconds = self._runtime.observer.note, round(self.seconds, 3)
        if error is not None:
            note("step failed", step=self._step, seconds=seconds, error=type(error).__name__, because=sentence(error))
            return
        for source, flow in self._flows().items():
            note("source taken in", step=self._step, source=source, **flow)
        rows = {name: one.rows for name, one in wrote.items() if one.rows}
        note("step ended", step=self._step, seconds=seconds, wrote=rows or None)

    def _sources(self) -> tuple[Source, ...]:
        """Return the sources whose own rows the step takes in."""
        if self._step != INGEST or "replay" in self._arguments:
            return ()
        try:
            found = load_sources(self._runtime.workspace)
        except KindredError:  # the step itself says what is wrong with them
            return ()
        wanted = {name.strip() for name in self._arguments.get("source", "").split(",") if name.strip()}
        return tuple(one for one in found if not wanted or one.source in wanted)

    def _given(self, flows: Mapping[str, Any]) -> tuple[Given, ...]:
        if self._runtime.observer.teller is None:
            return ()
        return tuple(
            given
            for source in self._sources()
            for given in origins.given(source, self._runtime.workspace, flows.get(source.source, {}).get("received"))
        )

    def _made(self, name: str, wrote: Wrote) -> Made:
        fields: dict[str, tuple[Origin, ...]] = {}
        conditions: tuple[Origin, ...] = ()
        for source in self._sources():
            of = origins.addresses(source, self._runtime.workspace)
            fed = origins.fed(source, of).get(name, origins.Fed())
            conditions += fed.conditions
            for field, found in fed.fields.items():
                fields[field] = fields.get(field, ()) + found
        address = _address(self._runtime, name)
        counts = {"rows": wrote.rows, "files": wrote.files, "size": wrote.size}
        return Made(address, _fields(name), wrote.version, **counts, origins=fields, conditions=conditions)


def sentence(error: BaseException | None) -> str | None:
    """Return what may be told of an error: our own sentences are free of personal data, of others only the class is."""
    if error is None:
        return None
    return str(error) if isinstance(error, KindredError) else type(error).__name__


def _address(runtime: Runtime, table: str) -> Address:
    return Address("file", (runtime.workspace.lake_path / table).as_posix())


def _given(runtime: Runtime, table: str) -> Given:
    return Given(_address(runtime, table), _fields(table))


def _fields(table: str) -> tuple[Field, ...]:
    return tuple(Field(column.name, column.sql) for column in _TABLES[table].columns())
