"""Decisions in the database: written the moment they are made, counted for caps, mirrored for the jobs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Engine, Float, Index, Integer, MetaData, String, Table, Text, insert, select

from activation.model import NO_ACTION, DecisionEvent
from infra.database import UtcDateTime, writing

METADATA = MetaData()

DECISION_EVENT = Table(
    "decision_event",
    METADATA,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("profile_id", String(64), nullable=False),
    Column("decision", String(64), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("context", Text, nullable=False),
    Column("candidates", Text, nullable=False),
    Column("recommended", Text, nullable=False),
    Column("choice", String(64), nullable=False),
    Column("propensity", Float, nullable=False),
    Column("holdout", Boolean, nullable=False),
    Column("because", String(64), nullable=False),
    Column("consent", Text, nullable=False),
    Column("identity_version", Integer, nullable=False),
    Column("policy_version", String(64), nullable=False),
    Index("decision_event_person", "profile_id", "at"),
)
"""A decision's log. `profile_id` is empty for a stranger: nothing of them is kept."""

_MIRRORED = (
    "id", "at", "profile_id", "decision", "purpose", "choice", "propensity", "holdout", "identity_version",
    "policy_version",
)  # fmt: skip


def log_decision(database: Engine, event: DecisionEvent) -> None:
    """Write a decision down; when this returns it is durable. The same id a second time changes nothing."""
    choice, context = event.choice, event.context
    said = {
        "at": context.at.isoformat(),
        "channel": context.channel,
        "device": context.device,
        "basket": list(context.basket),
    }
    row = {
        "id": event.id,
        "at": context.now,
        "key_id": event.key_id,
        "profile_id": event.profile,
        "decision": choice.decision,
        "purpose": choice.purpose,
        "context": _json(said),
        "candidates": _json([asdict(candidate) for candidate in choice.candidates]),
        "recommended": _json(list(event.recommended)),
        "choice": choice.chosen,
        "propensity": choice.propensity,
        "holdout": choice.holdout,
        "because": choice.because,
        "consent": _json(asdict(event.consent)),
        "identity_version": event.identity_version,
        "policy_version": event.policy_version,
    }
    known = select(DECISION_EVENT.c.id).where(DECISION_EVENT.c.id == event.id)
    with writing(database) as connection:
        if connection.execute(known).first() is None:
            connection.execute(insert(DECISION_EVENT).values(row))


def contacts(database: Engine, profiles: Sequence[str], since: datetime) -> tuple[datetime, ...]:
    """Return when a person, under any of their ids, was contacted after a moment: decisions to do something."""
    query = (
        select(DECISION_EVENT.c.at)
        .where(DECISION_EVENT.c.profile_id.in_(profiles), DECISION_EVENT.c.at > since)
        .where(DECISION_EVENT.c.choice != NO_ACTION)
        .order_by(DECISION_EVENT.c.at)
    )
    with database.connect() as connection:
        return tuple(connection.execute(query).scalars())


def decisions(database: Engine, size: int = 5_000) -> Iterator[list[Mapping[str, Any]]]:
    """Yield every decision about a person in the order of the log, in lists of a bounded size."""
    columns = [DECISION_EVENT.c[name] for name in _MIRRORED]
    query = select(*columns).where(DECISION_EVENT.c.profile_id != "").order_by(DECISION_EVENT.c.sequence)
    with database.connect() as connection:
        result = connection.execution_options(yield_per=size).execute(query)
        for rows in result.mappings().partitions():
            yield [dict(row) for row in rows]


def logged(database: Engine, identifier: str) -> Mapping[str, Any] | None:
    """Return one decision as it was logged, or None."""
    with database.connect() as connection:
        row = connection.execute(select(DECISION_EVENT).where(DECISION_EVENT.c.id == identifier)).mappings().first()
    if row is None:
        return None
    parsed = {name: json.loads(row[name]) for name in ("context", "candidates", "recommended", "consent")}
    return {**row, **parsed}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
