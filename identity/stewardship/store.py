"""Stewards' decisions in the database, which is the truth; jobs read them and mirror them to Delta."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)

from identity.model import Constraint
from infra.database import UtcDateTime, writing
from infra.ids import RecordKey

METADATA = MetaData()

STEWARD_CONSTRAINT = Table(
    "steward_constraint",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("left_key", String(32), nullable=False),
    Column("right_key", String(32), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", String(2000), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Index("steward_constraint_pair", "left_key", "right_key"),
)

REVIEW_TASK = Table(
    "review_task",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("profile_id", String(32), nullable=False),
    Column("other_id", String(32)),
    Column("left_key", String(32)),
    Column("right_key", String(32)),
    Column("weight_micro", BigInteger),
    Column("place", Integer, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
)

REVIEW_DECISION = Table(
    "review_decision",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("task_id", String(16), nullable=False, index=True),
    Column("answer", String(16), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", String(2000), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
)

CLERICAL_PAIR = Table(
    "clerical_pair",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("left_key", String(32), nullable=False),
    Column("right_key", String(32), nullable=False),
    Column("stratum", String(40), nullable=False),
    Column("claimed", Boolean, nullable=False),
    Column("pairs", BigInteger, nullable=False),
    Column("place", Integer, nullable=False),
    Column("drawn_at", UtcDateTime, nullable=False),
)

CLERICAL_ANSWER = Table(
    "clerical_answer",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("pair_id", String(16), nullable=False, index=True),
    Column("same", Boolean),
    Column("actor", String(200), nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredConstraint:
    """A constraint with the id that it can be withdrawn by."""

    id: str
    constraint: Constraint


def standing(engine: Engine, at: datetime) -> tuple[StoredConstraint, ...]:
    """Return the constraints that count at a moment, in the order in which they were made."""
    with engine.connect() as connection:
        return _standing(connection, at)


def _standing(connection: Connection, at: datetime) -> tuple[StoredConstraint, ...]:
    table = STEWARD_CONSTRAINT.c
    rows = connection.execute(
        select(STEWARD_CONSTRAINT)
        .where((table.expires_at.is_(None)) | (table.expires_at > at))
        .order_by(table.created_at, table.id)
    )
    return tuple(
        StoredConstraint(
            r.id,
            Constraint(
                r.kind, RecordKey(r.left_key), RecordKey(r.right_key), r.actor, r.reason, r.created_at, r.expires_at
            ),
        )
        for r in rows
    )


def add(engine: Engine, constraints: Sequence[StoredConstraint], withdrawn: Iterable[str], at: datetime) -> None:
    """Store new constraints and end withdrawn ones in one transaction; a repeated id changes nothing."""
    with writing(engine) as connection:
        ids = [c.id for c in constraints]
        known = set(connection.scalars(select(STEWARD_CONSTRAINT.c.id).where(STEWARD_CONSTRAINT.c.id.in_(ids))))
        fresh = [_row(c) for c in constraints if c.id not in known]
        if fresh:
            connection.execute(insert(STEWARD_CONSTRAINT), fresh)
        for one in withdrawn:
            connection.execute(update(STEWARD_CONSTRAINT).where(STEWARD_CONSTRAINT.c.id == one).values(expires_at=at))


def _row(stored: StoredConstraint) -> dict[str, object]:
    wish = stored.constraint
    return {
        "id": stored.id, "kind": wish.kind, "left_key": wish.left, "right_key": wish.right, "actor": wish.actor,
        "reason": wish.reason, "created_at": wish.created_at, "expires_at": wish.expires_at,
    }  # fmt: skip
