"""Erasure of a person from what is known of people: built anew without them, published, older editions removed."""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import Any, Final

import pyarrow.compute as pc
from pyspark.sql import DataFrame

from consent.erasure.ports import Places, Plan, Subject
from consent.residue.model import Place
from infra import shelf, upkeep
from infra.lake import Lake
from infra.runtime import Runtime
from profiles.jobs import POLICY, build
from profiles.online.opened import forget_states
from profiles.online.places import FOLDER as ONLINE
from profiles.serving import FOLDER, serving_store
from profiles.tables import BORROWED_REFUSALS, CONSENT_CHANGES, PROFILE_TOKENS, TABLES

_OVERLAY: Final = "overlay"
# What outlives a build, and in which columns ids stand there.
_LASTING: Final = (BORROWED_REFUSALS, CONSENT_CHANGES)
_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    BORROWED_REFUSALS.name: ("record_key", "profile_id"),
    CONSENT_CHANGES.name: ("profile_id", "was", "left_key", "right_key"),
}


def forget_ids(lake: Lake, ids: DataFrame) -> None:
    """Take every row out of what outlives a build that names one of the ids (`id`)."""
    for table in _LASTING:
        for column in _KEPT[table.name]:
            named = ids.withColumnRenamed("id", column)
            if not lake.read(table).join(named, column, "left_semi").isEmpty():
                upkeep.erase(lake, table, named, (column,))


class Golden:
    """`Erasable` by the golden tables: all but two are replaced whole, from facts that are the person's no more."""

    name = "profiles"

    def __init__(self, runtime: Runtime, arguments: Mapping[str, str], *, hours: int | None) -> None:
        self._runtime, self._arguments, self._hours = runtime, arguments, hours
        # The version of the policy that the build here judged by; none that there is where it was another process's.
        self.policy = ""

    def places(self) -> Places:
        """Return the golden tables."""
        lake = self._runtime.workspace.lake_path
        tables = tuple(Place(store=f"lake.{t.name}", kind="delta", root=lake / t.name) for t in TABLES)
        return Places(tables=TABLES, scanned=tables)

    def plan(self, subject: Subject) -> Plan:
        """Return how many rows each table has of the person."""
        lake, ids, rows = self._runtime.workspace.lake_path, list(subject.ids), {}
        for table in TABLES:
            columns = _KEPT.get(table.name, table.keys[:1])
            held = list(subject.tokens) if table is PROFILE_TOKENS else ids
            wanted = reduce(or_, (pc.field(column).isin(held) for column in columns))
            there = shelf.exists(lake, table)
            rows[table.name] = shelf.lookup(lake, table, wanted, columns=list(columns)).num_rows if there else 0
        return Plan(store=self.name, rows=rows)

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Build every profile from the facts that are left, and take the person out of what merges and splits left."""
        told, lake = build(self._runtime, self._arguments), self._runtime.lake
        self.policy = str(told[POLICY])
        named = [(table, column, subject.ids) for table in _LASTING for column in _KEPT[table.name]]
        for table, column, gone in [*named, (BORROWED_REFUSALS, "sid", subject.sids)]:
            frame = lake.spark.createDataFrame([(one,) for one in gone], f"{column} string")
            upkeep.erase(lake, table, frame, (column,))
        return told

    def purge(self, subject: Subject) -> None:
        """Do nothing: a table that is replaced whole marks no row as deleted."""

    def expire(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Delete files that no version needs."""
        upkeep.expire(self._runtime.lake, TABLES, self._hours)


class Served:
    """`Erasable` by the serving store. An LMDB keeps deleted pages: a generation is made anew, the old one goes."""

    name = "serving"

    def __init__(self, runtime: Runtime, publish: Callable[[], Mapping[str, Any]]) -> None:
        self._runtime, self._publish = runtime, publish

    def places(self) -> Places:
        """Return the generations; the deny overlay holds keyed tokens alone, which is how it keeps the freeze."""
        root = self._runtime.workspace.serving_path
        overlay = Place(store="serving.overlay", kind="lmdb", root=root / _OVERLAY, allowed=frozenset({"token"}))
        served = Place(store="serving", kind="lmdb", root=root / FOLDER)
        # What the online path knows of people is made anew with each generation; digests of message ids stay two days.
        online = Place(store="serving.online", kind="lmdb", root=self._runtime.workspace.state_path / ONLINE)
        return Places(state=("serving", "online"), scanned=(served, overlay, online))

    def plan(self, subject: Subject) -> Plan:
        """Return that every profile id is served anew."""
        return Plan(store=self.name, rows={"profiles": len(subject.profile_ids)})

    def delete(self, subject: Subject) -> Mapping[str, Any]:  # noqa: ARG002 - every store's shape
        """Publish a generation without the person."""
        return dict(self._publish())

    def purge(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Remove every generation but the served one, the one kept for rollback too, and what the others knew."""
        workspace = self._runtime.workspace
        store = serving_store(workspace)
        store.remove_older()
        served = store.name()
        forget_states(workspace, [served] if served else [])

    def expire(self, subject: Subject) -> None:
        """Do nothing: what is removed is gone."""
