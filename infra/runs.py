"""The queue of jobs and the book of runs, in the database: what was asked, how far it is, what came of it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Engine, Integer, MetaData, Row, String, Table, func, select, update

from infra.clock import Clock
from infra.database import UtcDateTime, writing
from infra.errors import Missing

METADATA = MetaData()

RUN = Table(
    "run",
    METADATA,
    Column("id", String, primary_key=True),
    Column("number", Integer, unique=True),
    Column("job", String, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("salt", String),
    Column("base", JSON),
    Column("steps", JSON, nullable=False),
    Column("manifest", JSON),
    Column("fingerprint", String),
    Column("error", String),
    Column("exit_code", Integer),
)
MESSAGE = Table(
    "run_message",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("text", String, nullable=False),
)

# Each time that a runner took a run up: more than once where runners die over it.
TAKEN_UP = Table(
    "run_taken_up",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
)

# A freeze or an erasure goes before everything else that waits.
ORDINARY, URGENT = 0, 10


@dataclass(frozen=True, slots=True)
class Step:
    """One finished step of a run and what it had to say."""

    name: str
    seconds: float
    summary: Mapping[str, object]


class Runs:
    """The queue and the book, over one database."""

    def __init__(self, database: Engine, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def submit(
        self,
        job: str,
        arguments: Mapping[str, str],
        priority: int = ORDINARY,
        *,
        anew: bool = False,
        orphaned: bool = False,
    ) -> str:
        """Ask for a job and return its run's id; an equal one that waits or was interrupted is joined instead.

        With `anew` none is joined that has begun: it passes over steps that have not heard what was said since.
        `orphaned` says that no runner lives, so that a run which still reads as running was interrupted.
        """
        joinable = ("queued", "running") if orphaned else ("queued",)
        with writing(self._database) as connection:
            same = (
                select(RUN.c.id)
                .where(RUN.c.job == job, RUN.c.arguments == dict(arguments))
                .where(RUN.c.status.in_(joinable))
                .order_by(RUN.c.submitted_at)
            )
            if anew:
                same = same.where(RUN.c.number.is_(None))
            waiting = connection.execute(same).scalar()
            if waiting:
                # Whoever asks more urgently makes it urgent for all who wait for it.
                sooner = update(RUN).where(RUN.c.id == waiting, RUN.c.priority < priority).values(priority=priority)
                connection.execute(sooner)
                return str(waiting)
            run_id = secrets.token_hex(8)
            connection.execute(
                RUN.insert().values(
                    id=run_id,
                    job=job,
                    arguments=dict(arguments),
                    priority=priority,
                    status="queued",
                    submitted_at=self._clock(),
                    steps=[],
                )
            )
            return run_id

    def requeue_interrupted(self) -> int:
        """Put runs whose runner died back into the queue, to go on where they stopped; return how many.

        Only the holder of the writer's lock may call it: nobody else knows that the runner is dead.
        """
        with writing(self._database) as connection:
            return connection.execute(update(RUN).where(RUN.c.status == "running").values(status="queued")).rowcount

    def begin_next(self, base: Mapping[str, int], salt: str | None) -> Row[Any] | None:
        """Take the most urgent, oldest run and return it, or None; number, salt and base are given once.

        A run that goes on after an interruption is taken first among its equals and keeps all three.
        """
        with writing(self._database) as connection:
            waiting = (
                select(RUN)
                .where(RUN.c.status == "queued")
                .order_by(RUN.c.priority.desc(), RUN.c.number.is_(None), RUN.c.submitted_at)
            )
            row = connection.execute(waiting).first()
            if row is None:
                return None
            changes: dict[str, Any] = {"status": "running"}
            if row.number is None:
                last = connection.execute(select(func.max(RUN.c.number))).scalar() or 0
                at = row.arguments.get("at")
                changes |= {
                    "number": last + 1,
                    "started_at": datetime.fromisoformat(at) if at else self._clock(),
                    "base": dict(base),
                    "salt": salt or secrets.token_hex(16),
                }
            connection.execute(update(RUN).where(RUN.c.id == row.id).values(**changes))
            connection.execute(TAKEN_UP.insert().values(run_id=row.id, at=self._clock()))
            return connection.execute(select(RUN).where(RUN.c.id == row.id)).one()

    def record_step(self, run_id: str, step: Step) -> None:
        """Note a finished step; a resumed run passes over it."""
        entry = {"name": step.name, "seconds": round(step.seconds, 3), "summary": dict(step.summary)}
        with writing(self._database) as connection:
            steps = connection.execute(select(RUN.c.steps).where(RUN.c.id == run_id)).scalar_one()
            connection.execute(update(RUN).where(RUN.c.id == run_id).values(steps=[*steps, entry]))

    def record_manifest(self, run_id: str, manifest: Mapping[str, Any], fingerprint: str) -> None:
        """Write the run's manifest: the version of every table that its readers are to see."""
        with writing(self._database) as connection:
            connection.execute(
                update(RUN).where(RUN.c.id == run_id).values(manifest=dict(manifest), fingerprint=fingerprint)
            )

    def finish(self, run_id: str, *, error: str | None = None, exit_code: int = 0) -> None:
        """Close a run and forget its salt: from now on nobody can compute its births' ids again."""
        status = "succeeded" if exit_code == 0 else "failed"
        with writing(self._database) as connection:
            connection.execute(
                update(RUN)
                .where(RUN.c.id == run_id)
                .values(status=status, finished_at=self._clock(), error=error, exit_code=exit_code, salt=None)
            )

    def say(self, run_id: str, text: str) -> None:
        """Add a line for whoever follows the run."""
        with writing(self._database) as connection:
            connection.execute(MESSAGE.insert().values(run_id=run_id, at=self._clock(), text=text))

    def messages(self, run_id: str, after: int = 0) -> list[Row[Any]]:
        """Return the run's lines that came after the given one."""
        with self._database.connect() as connection:
            query = select(MESSAGE).where(MESSAGE.c.run_id == run_id, MESSAGE.c.id > after).order_by(MESSAGE.c.id)
            return list(connection.execute(query))

    def get(self, run_id: str) -> Row[Any]:
        """Return a run's row."""
        with self._database.connect() as connection:
            row = connection.execute(select(RUN).where(RUN.c.id == run_id)).first()
        if row is None:
            raise Missing(f"there is no run {run_id}")
        return row

    def numbered(self, number: int) -> Row[Any]:
        """Return the row of the run with a number."""
        with self._database.connect() as connection:
            row = connection.execute(select(RUN).where(RUN.c.number == number)).first()
        if row is None:
            raise Missing(f"there is no run {number}; `kindred runs` lists those that there are")
        return row

    def taken_up(self, run_id: str) -> int:
        """Return how often a runner took a run up: once, and once more after each that died over it."""
        with self._database.connect() as connection:
            query = select(func.count()).select_from(TAKEN_UP).where(TAKEN_UP.c.run_id == run_id)
            return int(connection.execute(query).scalar_one())

    def latest(self, limit: int = 20) -> list[Row[Any]]:
        """Return the newest runs first."""
        with self._database.connect() as connection:
            return list(connection.execute(select(RUN).order_by(RUN.c.submitted_at.desc()).limit(limit)))

    def after(self, number: int) -> list[Row[Any]]:
        """Return the runs with a larger number, the oldest first."""
        with self._database.connect() as connection:
            return list(connection.execute(select(RUN).where(RUN.c.number > number).order_by(RUN.c.number)))

    def newest_manifest(self) -> Row[Any] | None:
        """Return the newest run that wrote a manifest, or None before the first."""
        with self._database.connect() as connection:
            query = select(RUN).where(RUN.c.manifest.isnot(None), RUN.c.status == "succeeded")
            return connection.execute(query.order_by(RUN.c.number.desc())).first()
