"""The consent funnel of a run: how many were in, how many were left out, why, and by which line of the policy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import pyarrow as pa
from sqlalchemy import Engine, delete, insert, select

from consent.store import CONSENT_FUNNEL
from infra.database import writing

# The columns to read of `record_consent` or `profile_consent`; none of them says who.
COLUMNS: Final = ("purpose", "allowed", "reason", "policy_line")
# The stages in the order in which a run asks.
STAGES: Final = ("resolve", "build", "activate", "serve")
# Why somebody is left out although the decision was yes; what else is left out has a reason of `consent.model`.
REFUSED_SINCE: Final = "refused_since_build"
HELD: Final = "held"
NO_RECORD: Final = "no_record"


@dataclass(frozen=True, slots=True, order=True)
class FunnelCount:
    """How many records, profiles or members had the same answer at one stage."""

    purpose: str
    allowed: bool
    reason: str
    policy_line: str
    subjects: int


def counts(batches: Iterable[pa.RecordBatch]) -> tuple[FunnelCount, ...]:
    """Return the funnel of a table of decisions, read from the lake as Arrow batches of `COLUMNS`."""
    found: dict[tuple[str, bool, str, str], int] = {}
    for batch in batches:
        table = pa.Table.from_batches([batch]).select(list(COLUMNS))
        for row in table.group_by(list(COLUMNS)).aggregate([([], "count_all")]).to_pylist():
            key = (row["purpose"], row["allowed"], row["reason"], row["policy_line"])
            found[key] = found.get(key, 0) + row["count_all"]
    return tuple(sorted(FunnelCount(*key, subjects=n) for key, n in found.items()))


def record_funnel(database: Engine, run_id: str, stage: str, rows: Iterable[FunnelCount]) -> None:
    """Keep a stage's funnel of a run; a second call replaces the first."""
    stated = [
        {
            "run_id": run_id,
            "stage": stage,
            "purpose": row.purpose,
            "allowed": row.allowed,
            "reason": row.reason,
            "policy_line": row.policy_line,
            "subjects": row.subjects,
        }
        for row in rows
    ]
    with writing(database) as connection:
        here = (CONSENT_FUNNEL.c.run_id == run_id) & (CONSENT_FUNNEL.c.stage == stage)
        connection.execute(delete(CONSENT_FUNNEL).where(here))
        if stated:
            connection.execute(insert(CONSENT_FUNNEL), stated)


def told(database: Engine, run_id: str, stage: str, rows: Iterable[FunnelCount]) -> Iterator[str]:
    """Keep a stage's funnel of a run, and yield it as it is printed."""
    rows = tuple(rows)
    record_funnel(database, run_id, stage, rows)
    return lines(stage, rows)


def funnel(database: Engine, run_id: str) -> dict[str, tuple[FunnelCount, ...]]:
    """Return a run's funnels by stage, in the order in which they were asked."""
    query = select(CONSENT_FUNNEL).where(CONSENT_FUNNEL.c.run_id == run_id)
    found: dict[str, list[FunnelCount]] = {}
    with database.connect() as connection:
        for row in connection.execute(query):
            count = FunnelCount(row.purpose, row.allowed, row.reason, row.policy_line, row.subjects)
            found.setdefault(row.stage, []).append(count)
    return {stage: tuple(sorted(found[stage])) for stage in STAGES if stage in found}


def lines(stage: str, rows: Iterable[FunnelCount]) -> Iterator[str]:
    """Yield one printed line for each purpose: in, left out, and why with the line of the policy."""
    for purpose, group in groupby(sorted(rows), key=lambda row: row.purpose):
        members = list(group)
        kept = sum(row.subjects for row in members if row.allowed)
        left = sum(row.subjects for row in members if not row.allowed)
        reasons = sorted(members, key=lambda row: (-row.subjects, row.reason))
        why = ", ".join(f"{r.reason} {r.subjects:,} ({r.policy_line})" for r in reasons if not r.allowed)
        basis = ", ".join(f"{r.reason} ({r.policy_line})" for r in reasons if r.allowed)
        yield (
            f"consent at {stage}: {purpose:<20} in {kept:>9,}"
            + (f" by {basis}" if basis else "")
            + (f" · left out {left:,}: {why}" if why else "")
        )
