"""Erasure of a person from activation: audiences and learning without them, and destinations told to do the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine, delete

from activation import feed
from activation.declarations import Destination
from activation.jobs import audiences, outcomes, recommend, sync
from activation.match import match_key, match_keys
from activation.store import DECISION_EVENT
from activation.tables import (
    AUDIENCE_INDEX,
    AUDIENCE_MEMBERS,
    CAMPAIGNS,
    DECISIONS,
    HABITS,
    ITEM_PAIRS,
    ITEMS,
    OUTCOMES,
    QUALITY,
    SYNC_CHANGE,
    SYNC_STATE,
    TABLES,
)
from consent.erasure.ports import Notice, Places, Plan, Subject, folder_of
from consent.residue.model import Place
from infra import shelf, upkeep
from infra.database import writing
from infra.runtime import Runtime
from infra.tables import Table

_PERSONS: Final[tuple[tuple[Table, str], ...]] = (
    (AUDIENCE_MEMBERS, "profile_id"),
    (HABITS, "profile_id"),
    (DECISIONS, "profile_id"),
    (OUTCOMES, "profile_id"),
)
_WITHOUT: Final[Mapping[str, str]] = {
    AUDIENCE_INDEX.name: "how many people an audience has, and by which definition",
    ITEM_PAIRS.name: "how often products are bought together",
    ITEMS.name: "products and what goes with them",
    QUALITY.name: "how often a way of recommending was right",
    CAMPAIGNS.name: "campaigns and sums over their redeemers",
}
# A recipient that has done what a file says puts an empty file of this ending beside it.
ACKNOWLEDGED: Final = ".ack"
_AT_ONCE: Final = 200
# Spellings of an address and a number that destinations ask for beside the types of `identity.yaml`.
_ALSO: Final = ("email_canonical", "phone_digits")


class Activated:
    """`Erasable` by activation's tables, its log of decisions and the files for destinations."""

    name = "activation"

    def __init__(self, runtime: Runtime, request_id: str, arguments: Mapping[str, str], *, hours: int | None) -> None:
        self._runtime, self._arguments, self._hours = runtime, arguments, hours
        self._note = folder_of(runtime.workspace.state_path, request_id) / "told.txt"

    def places(self) -> Places:
        """Return activation's tables and the folders of destinations."""
        lake, root = self._runtime.workspace.lake_path, self._runtime.workspace.root
        tables = tuple(Place(store=f"lake.{t.name}", kind="delta", root=lake / t.name) for t in TABLES)
        waits = frozenset(one for one in self._told() if not self._acknowledged(one))
        folders = tuple(
            Place(
                store=f"destination.{one.destination}",
                kind="files",
                root=root / one.path,
                # until it has acted the notice to delete names the person by the key that the recipient knows
                allowed=frozenset({"sha256"}) if one.destination in waits else frozenset(),
                delivered=self._delivered(one.destination),
            )
            for one in self._all()
        )
        return Places(tables=TABLES, database=(DECISION_EVENT.name,), without=_WITHOUT, scanned=(*tables, *folders))

    def plan(self, subject: Subject) -> Plan:
        """Return how many rows are about the person, and in how many files destinations were told of them."""
        lake, ids, rows = self._runtime.workspace.lake_path, list(subject.ids), {}
        for table, column in _PERSONS:
            there = shelf.exists(lake, table)
            found = shelf.lookup(lake, table, pc.field(column).isin(ids), columns=[column]) if there else ()
            rows[table.name] = len(found)
        rows["files"] = len([path for one in self._all() for path in self._telling(one, subject)])
        return Plan(store=self.name, rows=rows)

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Forget decisions about the person, work all out without them, tell destinations to let go of them."""
        decided = forget_decisions(self._runtime.database, subject.ids)
        before = {one.destination: self._knows(one, subject) for one in self._all()}
        for job in (recommend, audiences, outcomes, sync):
            job(self._runtime, self._arguments)
        told = [one for one in self._all() if before[one.destination]]
        if not self._note.exists():
            self._remember(told, subject)
        self._forget_keys(subject)
        self._forget_rows(subject)
        return {"decisions": decided, "destinations": len(told)}

    def _remember(self, told: Iterable[Destination], subject: Subject) -> None:
        """Write down whom we told, and by which file: the newest that names the person."""
        newest = {one.destination: [path.name for path in self._telling(one, subject)][-1:] for one in told}
        self._note.parent.mkdir(parents=True, exist_ok=True)
        draft = self._note.with_suffix(".draft")
        draft.write_text("".join(f"{name} {' '.join(files)}\n" for name, files in newest.items()), encoding="utf-8")
        draft.replace(self._note)

    def _told(self) -> dict[str, str]:
        """Return which destinations were told, each with its file."""
        lines = self._note.read_text(encoding="utf-8").splitlines() if self._note.exists() else []
        return {name: file for name, _, file in (line.partition(" ") for line in lines)}

    def _notice(self, name: str) -> Path:
        (folder,) = (one.path for one in self._all() if one.destination == name)
        return self._runtime.workspace.root / folder / (self._told()[name] or "-")

    def _acknowledged(self, name: str) -> bool:
        notice = self._notice(name)
        return not notice.exists() or notice.with_name(notice.name + ACKNOWLEDGED).exists()

    def purge(self, subject: Subject) -> None:
        """Take the person's lines out of older files; the notices to delete stay until they are done."""
        told = self._told()
        for one in self._all():
            for path in self._telling(one, subject):
                if path.name != told.get(one.destination):
                    _without(path, _keys(one, subject))

    def expire(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Delete files that no version needs."""
        upkeep.expire(self._runtime.lake, TABLES, self._hours)

    def notify(self, subject: Subject) -> tuple[Notice, ...]:
        """Return which destinations were told to let go of the person, and which say that they have.

        A file that is acknowledged, by an empty one of its name and `.ack` beside it, names the person no more.
        """
        told = self._told()
        return tuple(self._notice_of(one, subject) for one in self._all() if one.destination in told)

    def _notice_of(self, one: Destination, subject: Subject) -> Notice:
        path = self._notice(one.destination)
        if not path.exists():
            at = self._runtime.run.started_at
            return Notice(recipient=one.destination, notified_at=at, acknowledged_at=at, outcome="knew nothing")
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        acknowledged = path.with_name(path.name + ACKNOWLEDGED)
        if not acknowledged.exists():
            return Notice(recipient=one.destination, notified_at=at)
        _without(path, _keys(one, subject))
        when = datetime.fromtimestamp(acknowledged.stat().st_mtime, UTC)
        return Notice(recipient=one.destination, notified_at=at, acknowledged_at=when, outcome="deleted")

    def _all(self) -> tuple[Destination, ...]:
        return feed.declared(self._runtime.workspace).destinations

    def _telling(self, one: Destination, subject: Subject) -> Iterator[Path]:
        keys = _keys(one, subject)
        for path in sorted((self._runtime.workspace.root / one.path).glob(f"{one.destination}-*.{one.format}")):
            with path.open(encoding="utf-8") as lines:
                named = any(_names(line, keys) for line in lines)
            if named:
                yield path

    def _delivered(self, name: str) -> bool:
        """Say whether a destination was ever told of anybody."""
        return self._in_state(pc.field("destination") == name)

    def _knows(self, one: Destination, subject: Subject) -> bool:
        """Say whether a destination was told of the person: by its state, or by any file that is still there."""
        keys = pa.array(sorted(_keys(one, subject)), pa.string())
        return next(self._telling(one, subject), None) is not None or self._in_state(
            (pc.field("destination") == one.destination) & pc.field("match_key").isin(keys)
        )

    def _in_state(self, wanted: pc.Expression) -> bool:
        lake = self._runtime.workspace.lake_path
        there = shelf.exists(lake, SYNC_STATE)
        return there and bool(shelf.lookup(lake, SYNC_STATE, wanted, columns=["destination"]).num_rows)

    def _forget_rows(self, subject: Subject) -> None:
        """Take the person out of tables that no job replaced, for what they are made for is not declared any more."""
        lake, ids = self._runtime.workspace.lake_path, list(subject.ids)
        for table, column in _PERSONS:
            if shelf.lookup(lake, table, pc.field(column).isin(ids), columns=[column]).num_rows:
                gone = self._runtime.lake.spark.createDataFrame([(one,) for one in ids], f"{column} string")
                upkeep.erase(self._runtime.lake, table, gone, (column,))

    def _forget_keys(self, subject: Subject) -> None:
        """Take the removals that were just told out of the table they were written from."""
        keys = {(match_key(name, value),) for kind, value in subject.values for name in (kind, *_ALSO)}
        if keys:
            gone = self._runtime.lake.spark.createDataFrame(sorted(keys), "match_key string")
            for table in (SYNC_CHANGE, SYNC_STATE):
                upkeep.erase(self._runtime.lake, table, gone, ("match_key",))


def forget_decisions(database: Engine, ids: Sequence[str]) -> int:
    """Take out the decisions that were made about the ids, and return how many."""
    gone = 0
    with writing(database) as connection:
        for start in range(0, len(ids), _AT_ONCE):
            mine = DECISION_EVENT.c.profile_id.in_(ids[start : start + _AT_ONCE])
            gone += connection.execute(delete(DECISION_EVENT).where(mine)).rowcount
    return gone


def _keys(one: Destination, subject: Subject) -> frozenset[str]:
    return frozenset(key for _, key in match_keys(one.match_keys, subject.values))


def _names(line: str, keys: Iterable[str]) -> bool:
    return any(key in line for key in keys)


def _without(path: Path, keys: frozenset[str]) -> None:
    """Write a file anew without the lines that name any of the keys; it is there whole, before and after."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    draft = path.with_name(f".{path.name}.erasing")
    draft.write_text("".join(line for line in lines if not _names(line, keys)), encoding="utf-8")
    draft.replace(path)
