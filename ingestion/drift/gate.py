"""What a run's loads are held to: what stops a source, what is only told, and what is written down of each load."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from infra.runtime import RunInfo
from ingestion.drift.evolution import grown
from ingestion.drift.loads import Breach, volume
from ingestion.drift.look import Look, too_old
from ingestion.drift.store import Load, write
from ingestion.model import LOADED, Account, Note
from ingestion.report import by_source


class Gate:
    """The expectations of a run's sources. A source that is stopped is left as it is; all others go on."""

    def __init__(self, run: RunInfo, looks: Sequence[Look]) -> None:
        self._run = run
        self._looks = {one.source.source: one for one in looks}
        self._breaches: dict[str, list[Breach]] = {name: list(one.breaches()) for name, one in self._looks.items()}
        self._rows: dict[str, int] = {}
        self._newest = {name: one.history.newest for name, one in self._looks.items()}
        for name, one in self._looks.items():
            if not one.loads:
                self._is_fresh(name, one)

    @property
    def stopped(self) -> frozenset[str]:
        """The sources of which nothing is taken in."""
        return frozenset(
            name
            for name, found in self._breaches.items()
            if self._looks[name].loads and not self._looks[name].anyway and any(b.severity == "error" for b in found)
        )

    def judge(self, accounts: Sequence[Account], newest: Mapping[str, datetime]) -> frozenset[str]:
        """Take note of what came, before any of it is written, and return the sources that are stopped."""
        for account in by_source(accounts):
            name, one = account.source, self._looks[account.source]
            self._rows[name] = account.read
            came = newest.get(name)
            was = self._newest[name]
            self._newest[name] = max(came, was) if came and was else came or was
            rule = one.source.expect.volume
            if rule is not None:
                found = volume(rule, account.read, [load.rows for load in one.history.taken])
                self._breaches[name] += [found] if found else []
            self._is_fresh(name, one)
        return self.stopped

    def _is_fresh(self, name: str, one: Look) -> None:
        arrived = self._run.started_at if one.loads else one.history.arrived
        found = too_old(one.source, self._newest[name], arrived, self._run.started_at)
        self._breaches[name] += [found] if found else []

    def notes(self) -> tuple[Note, ...]:
        """Return what the run tells of its loads and their columns."""
        return tuple(note for name, one in self._looks.items() for note in (*self._told(name), *one.notes()))

    def _told(self, name: str) -> list[Note]:
        stopped, rows = name in self.stopped, self._rows.get(name, 0)
        end = "; nothing of the source is taken in" if stopped else ""
        return [
            Note(name, LOADED, f"{one.rule} {one.severity}: {one.sentence}{end}", rows) for one in self._breaches[name]
        ]

    def write(self, connection: sa.Connection) -> None:
        """Write every load down, in the transaction that closes the run's books."""
        for name, one in self._looks.items():
            if one.loads:
                self._write(connection, name, one, stopped=name in self.stopped)

    def _write(self, connection: sa.Connection, name: str, one: Look, *, stopped: bool) -> None:
        run = self._run
        load = Load(
            *(name, run.id, run.number, run.started_at, self._rows.get(name, 0), stopped, one.drawn),
            tuple(asdict(moved) for moved in one.moved),
            tuple(asdict(breach) for breach in self._breaches[name]),
        )
        columns = grown(
            one.history.columns,
            one.drawn.columns,
            run.number,
            refused=one.refused,
            proposals=one.proposals,
            strict=one.source.evolution.changed_types == "quarantine" and not one.anyway,
        )
        # Of a load that was not taken in, only what it was refused for is worth keeping.
        write(connection, load, [column for column in columns if column.name in one.refused or not stopped])
