"""Erasure of a person from identity: the next resolution without their records, and every id of theirs forgotten."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from sqlalchemy import Engine, delete, or_, select
from sqlalchemy import Table as DatabaseTable

from consent.erasure.ports import Places, Plan, Subject, folder_of
from consent.residue.model import Place
from identity.jobs import resolve
from identity.stewardship.store import (
    CLERICAL_ANSWER,
    CLERICAL_PAIR,
    REVIEW_DECISION,
    REVIEW_TASK,
    STEWARD_CONSTRAINT,
)
from identity.tables import (
    CONSTRAINTS,
    COOKIE_INTERVAL,
    EDGES,
    IDENTITY_EVENTS,
    MEMBERSHIP,
    MODEL_REGISTRY,
    POSTING_INDEX,
    PROFILE_ALIAS,
    PROFILE_INDEX,
    RECORD_CONSENT,
    RECORD_FEATURES,
    RESOLUTION,
    SUCCESSION,
    TABLES,
    TF_SNAPSHOT,
)
from infra import shelf, upkeep
from infra.database import writing
from infra.lake import Lake
from infra.runtime import Runtime
from infra.tables import Table

# In which columns ids of records and profiles stand.
_IDS: Final[tuple[tuple[Table, tuple[str, ...]], ...]] = (
    (RECORD_CONSENT, ("record_key",)),
    (RECORD_FEATURES, ("record_key",)),
    (COOKIE_INTERVAL, ("record_key",)),
    (POSTING_INDEX, ("record_key",)),
    (EDGES, ("left_key", "right_key")),
    (MEMBERSHIP, ("record_key", "profile_id")),
    (PROFILE_INDEX, ("profile_id",)),
    (PROFILE_ALIAS, ("alias_id", "profile_id")),
    (SUCCESSION, ("id", "heir")),
    (IDENTITY_EVENTS, ("record_key", "profile_id", "other_id")),
    (CONSTRAINTS, ("left_key", "right_key")),
)
_STEWARDS: Final[tuple[tuple[DatabaseTable, tuple[str, ...]], ...]] = (
    (STEWARD_CONSTRAINT, ("left_key", "right_key")),
    (REVIEW_TASK, ("profile_id", "other_id", "left_key", "right_key")),
    (CLERICAL_PAIR, ("left_key", "right_key")),
)
# What is said of a task or pair goes with it.
_ANSWERS: Final = ((REVIEW_DECISION, "task_id", REVIEW_TASK), (CLERICAL_ANSWER, "pair_id", CLERICAL_PAIR))
_WITHOUT: Final[Mapping[str, str]] = {
    RESOLUTION.name: "numbers and digests of settings",
    MODEL_REGISTRY.name: "parameters of a model over all records, by version; a certificate names the exception",
    TF_SNAPSHOT.name: "frequencies of values that many people share, by digest; rare ones are never kept",
}
_AT_ONCE: Final = 200


class Identities:
    """`Erasable` by identity's tables and stewards' words."""

    name = "identity"

    def __init__(self, runtime: Runtime, request_id: str, arguments: Mapping[str, str], *, hours: int | None) -> None:
        self._runtime, self._arguments, self._hours = runtime, arguments, hours
        self._folder = folder_of(runtime.workspace.state_path, request_id)

    def places(self) -> Places:
        """Return identity's tables, stewards' words and the models' pictures."""
        lake, state = self._runtime.workspace.lake_path, self._runtime.workspace.state_path
        tables = tuple(Place(store=f"lake.{t.name}", kind="delta", root=lake / t.name) for t in TABLES)
        return Places(
            tables=TABLES,
            database=(*(t.name for t, _ in _STEWARDS), *(t.name for t, _, _ in _ANSWERS)),
            state=("models",),
            without=_WITHOUT,
            scanned=(*tables, Place(store="models", kind="files", root=state / "models")),
        )

    def plan(self, subject: Subject) -> Plan:
        """Return how many rows name an id of the person."""
        lake, ids = self._runtime.workspace.lake_path, list(subject.ids)
        rows = {}
        for table, columns in _IDS:
            if shelf.exists(lake, table):
                wanted = pc.field(columns[0]).isin(ids)
                for column in columns[1:]:
                    wanted |= pc.field(column).isin(ids)
                rows[table.name] = shelf.lookup(lake, table, wanted, columns=[columns[0]]).num_rows
        rows |= {
            table.name: len(_found(self._runtime.database, table, columns, subject.ids)) for table, columns in _STEWARDS
        }
        kept = {name: why for name, why in _WITHOUT.items() if name != RESOLUTION.name}
        return Plan(store=self.name, rows=rows, stays=kept)

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Forget stewards' words, resolve without the person's records, then take out every row that names an id."""
        words = forget_words(self._runtime.database, subject.ids)
        told = resolve(self._runtime, {**self._arguments, "erased": str(self._folder)})
        ids = self._ids(subject)
        for table, columns in _IDS:
            for column in columns:
                if self._holds(table, column, subject.ids):
                    upkeep.erase(self._runtime.lake, table, ids.withColumnRenamed("id", column), (column,))
        for left in (self._runtime.workspace.state_path / "work").glob("resolve-*"):
            shutil.rmtree(left, ignore_errors=True)
        return {"words": words, "whole": told["whole"], "resolved": told["changed"]}

    def purge(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Rewrite files that hold deleted rows."""
        upkeep.purge(self._runtime.lake, TABLES)

    def expire(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Delete files that no version needs."""
        upkeep.expire(self._runtime.lake, TABLES, self._hours)

    def _ids(self, subject: Subject) -> DataFrame:
        return self._runtime.lake.spark.createDataFrame([(one,) for one in subject.ids], "id string")

    def _holds(self, table: Table, column: str, ids: Sequence[str]) -> bool:
        """Say whether a merge is worth its commit: most tables hold none of the ids after a resolution."""
        lake = self._runtime.workspace.lake_path
        return bool(shelf.lookup(lake, table, pc.field(column).isin(list(ids)), columns=[column]).num_rows)


def forget_ids(lake: Lake, ids: DataFrame) -> None:
    """Take every row out that names one of the ids (`id`), where what changed them has not done so already."""
    for table, columns in _IDS:
        for column in columns:
            named = ids.withColumnRenamed("id", column)
            if not lake.read(table).join(named, column, "left_semi").isEmpty():
                upkeep.erase(lake, table, named, (column,))


def forget_words(database: Engine, ids: Sequence[str]) -> int:
    """Forget what stewards said of the ids, and return how much that was."""
    gone = {table.name: _found(database, table, columns, ids) for table, columns in _STEWARDS}
    with writing(database) as connection:
        for answers, column, table in _ANSWERS:
            for one in gone[table.name]:
                connection.execute(delete(answers).where(answers.c[column] == one))
        for table, _ in _STEWARDS:
            for one in gone[table.name]:
                connection.execute(delete(table).where(table.c.id == one))
    return sum(map(len, gone.values()))


def _found(database: Engine, table: DatabaseTable, columns: Iterable[str], ids: Sequence[str]) -> list[str]:
    found: set[str] = set()
    with database.connect() as connection:
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            wanted = or_(*(table.c[column].in_(part) for column in columns))
            found.update(connection.execute(select(table.c.id).where(wanted)).scalars())
    return sorted(found)
