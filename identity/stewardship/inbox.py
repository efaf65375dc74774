"""The review queue in the database: questions as the last resolution left them, answers for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, Select, delete, func, insert, select

from identity.errors import UnknownTask
from identity.stewardship.review import Answer, Task
from identity.stewardship.store import REVIEW_DECISION, REVIEW_TASK
from infra.database import writing
from infra.ids import ProfileId, RecordKey


@dataclass(frozen=True, slots=True)
class Decided:
    """A steward's answer to a question: who, why, when, until when."""

    task_id: str
    answer: Answer
    actor: str
    reason: str
    decided_at: datetime
    expires_at: datetime | None = None


def refresh(engine: Engine, tasks: Sequence[Task], at: datetime) -> int:
    """Make these the questions there are, in this order; one that stood before keeps its date. Return how many."""
    with writing(engine) as connection:
        opened = {r.id: r.opened_at for r in connection.execute(select(REVIEW_TASK.c.id, REVIEW_TASK.c.opened_at))}
        connection.execute(delete(REVIEW_TASK))
        rows = [
            {
                "id": t.id, "kind": t.kind, "reason": t.reason, "profile_id": t.profile_id, "other_id": t.other_id,
                "left_key": t.left, "right_key": t.right, "weight_micro": t.weight_micro, "place": place,
                "opened_at": opened.get(t.id, at),
            }
            for place, t in enumerate(tasks)
        ]  # fmt: skip
        if rows:
            connection.execute(insert(REVIEW_TASK), rows)
    return len(tasks)


def waiting(engine: Engine, at: datetime, *, kind: str | None = None, limit: int | None = None) -> list[Task]:
    """Return the questions that nobody has answered, or whose answer has run out, the most urgent first."""
    query = select(REVIEW_TASK).where(REVIEW_TASK.c.id.not_in(_answered(at))).order_by(REVIEW_TASK.c.place)
    if kind:
        query = query.where(REVIEW_TASK.c.kind == kind)
    with engine.connect() as connection:
        return [_task(row) for row in connection.execute(query.limit(limit) if limit else query)]


def counts(engine: Engine, at: datetime) -> dict[str, int]:
    """Return how many questions of each kind wait."""
    query = select(REVIEW_TASK.c.kind, func.count()).where(REVIEW_TASK.c.id.not_in(_answered(at)))
    with engine.connect() as connection:
        return {str(row[0]): int(row[1]) for row in connection.execute(query.group_by(REVIEW_TASK.c.kind))}


def task(engine: Engine, task_id: str) -> Task:
    """Return one question, answered or not; raise `UnknownTask` where there is none of that id."""
    with engine.connect() as connection:
        row = connection.execute(select(REVIEW_TASK).where(REVIEW_TASK.c.id == task_id)).first()
    if row is None:
        raise UnknownTask(task_id)
    return _task(row)


def record(engine: Engine, decided: Decided) -> None:
    """Keep an answer."""
    with writing(engine) as connection:
        connection.execute(
            insert(REVIEW_DECISION).values(
                task_id=decided.task_id,
                answer=decided.answer,
                actor=decided.actor,
                reason=decided.reason,
                decided_at=decided.decided_at,
                expires_at=decided.expires_at,
            )
        )


def history(engine: Engine, task_id: str | None = None) -> list[Decided]:
    """Return the answers to a question, or all answers, the oldest first."""
    query = select(REVIEW_DECISION).order_by(REVIEW_DECISION.c.number)
    if task_id is not None:
        query = query.where(REVIEW_DECISION.c.task_id == task_id)
    with engine.connect() as connection:
        return [
            Decided(r.task_id, r.answer, r.actor, r.reason, r.decided_at, r.expires_at)
            for r in connection.execute(query)
        ]


def _answered(at: datetime) -> Select[tuple[str]]:
    table = REVIEW_DECISION.c
    return select(table.task_id).where((table.expires_at.is_(None)) | (table.expires_at > at))


def _task(row: Row[Any]) -> Task:
    return Task(
        row.id,
        row.kind,
        row.reason,
        ProfileId(row.profile_id),
        ProfileId(row.other_id) if row.other_id else None,
        RecordKey(row.left_key) if row.left_key else None,
        RecordKey(row.right_key) if row.right_key else None,
        row.weight_micro,
    )
