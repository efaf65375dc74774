"""Erasure of a person from consent's own stores: words on their way, the index to the ledger, decisions, the mirror.

What was said stays in the ledger under a random number that nothing leads to any more: others' proofs rest on it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc
from sqlalchemy import Engine, delete, update

from consent.clearing import CONSENT_CLEARING
from consent.erasure.book import ERASURE, ERASURE_STEP
from consent.erasure.holds import LEGAL_HOLD
from consent.erasure.ports import Places, Plan, Subject, folder_of
from consent.intake import export, remember_mirror
from consent.ledger.subject_keys import FILE as SUBJECT_KEYS
from consent.ledger.vault import forget, keys_of
from consent.requests.carry import CORRECTIONS, forget_corrections
from consent.requests.store import WITHOUT as REQUESTS_WITHOUT
from consent.requests.vault import FILE as REQUEST_KEYS
from consent.residue.model import Place
from consent.store import (
    CONSENT_DECISION,
    CONSENT_EVENT,
    CONSENT_FUNNEL,
    CONSENT_PROGRESS,
    IDENTIFIER_INDEX,
    sids,
)
from consent.suppression import SUPPRESSION, suppressed_by
from consent.tables import CONSENT_EVENT as MIRROR
from consent.tables import CONSENT_INBOX, TABLES
from infra import shelf, upkeep
from infra.database import writing
from infra.ids import Sid
from infra.runtime import Runtime

_WITHOUT: Final[Mapping[str, str]] = {
    CONSENT_EVENT.name: "entries under a random number that nothing leads to once the index has forgotten it",
    CONSENT_FUNNEL.name: "numbers of people by purpose and reason",
    CONSENT_PROGRESS.name: "how far a work has come",
    SUPPRESSION.name: "keyed tokens of those kept out: they are what keeps the erasure (GDPR 17(3)(b))",
    ERASURE.name: "which erasures there were; tokens only while one is under way",
    ERASURE_STEP.name: "which step was done where and when",
    LEGAL_HOLD.name: "keyed tokens of those whose data must be kept, with the ground",
    **REQUESTS_WITHOUT,
    **dict.fromkeys(
        ("ledger_leaf", "ledger_head", "ledger_tile", "ledger_note"),
        "the sealed book's order, digests and notes, which name nobody",
    ),
}
_AT_ONCE: Final = 200
_PART: Final = "erasure"
_FORGOTTEN: Final = "sids.txt"
_KEYS: Final = (SUBJECT_KEYS, REQUEST_KEYS)


class Words:
    """`Erasable` by consent's tables. The index goes first: from then on no word of the person's can be found."""

    name = "consent"

    def __init__(self, runtime: Runtime, request_id: str, *, hours: int | None) -> None:
        self._runtime, self._hours, self._request_id = runtime, hours, request_id
        self._folder = folder_of(runtime.workspace.state_path, request_id)

    def places(self) -> Places:
        """Return the inbox, the mirror and the ledger's tables."""
        lake = self._runtime.workspace.lake_path
        tables = tuple(Place(store=f"lake.{t.name}", kind="delta", root=lake / t.name) for t in TABLES)
        database = (IDENTIFIER_INDEX.name, CONSENT_DECISION.name, CONSENT_CLEARING.name, *_WITHOUT)
        state = self._runtime.workspace.state_path
        keys = tuple(Place(store=f"keys.{name}", kind="sqlite", root=state / name) for name in _KEYS)
        folder = self._runtime.workspace.root / CORRECTIONS
        corrections = (Place(store="corrections", kind="files", root=folder),) if folder.is_dir() else ()
        searched = (*tables, *corrections, *keys)
        return Places(tables=TABLES, database=database, state=_KEYS, without=_WITHOUT, scanned=searched)

    def plan(self, subject: Subject) -> Plan:
        """Return how many words wait and how many decisions name the person."""
        lake, tokens = self._runtime.workspace.lake_path, list(subject.tokens)
        there = shelf.exists(lake, CONSENT_INBOX)
        words = shelf.lookup(lake, CONSENT_INBOX, pc.field("token").isin(tokens), columns=["source"]) if there else ()
        linked = sids(self._runtime.database, subject.tokens)
        rows = {CONSENT_INBOX.name: len(words), IDENTIFIER_INDEX.name: len(linked)}
        return Plan(store=self.name, rows=rows, stays={CONSENT_EVENT.name: _WITHOUT[CONSENT_EVENT.name]})

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Forget the index and who decisions were about, take words out of the inbox, and write the mirror anew."""
        runtime = self._runtime
        # the freeze spoke under every form of each identifier
        gone = forget(runtime.database, {*subject.tokens, *suppressed_by(runtime.database, self._request_id)})
        with (self._folder / _FORGOTTEN).open("a", encoding="ascii") as file:  # their keys are destroyed last
            file.writelines(f"{sid}\n" for sid in gone)
        _in_parts(subject.ids, lambda part: _faceless(runtime.database, part))
        _in_parts(subject.ids, lambda part: _uncleared(runtime.database, part))
        tokens = runtime.lake.spark.createDataFrame([(token,) for token in subject.tokens], "token string")
        upkeep.erase(runtime.lake, CONSENT_INBOX, tokens, ("token",))
        corrections = forget_corrections(runtime.workspace.root, subject.values)
        self._mirror()
        return {"index": len(gone), "corrections": corrections}

    def _mirror(self) -> None:
        """Show the ledger to Spark as it is now, though no word came: the tokens of the person are gone from it."""
        runtime, number = self._runtime, self._runtime.run.number
        runtime.lake.ensure(TABLES)
        file, through = export(runtime.database, self._folder, number)
        runtime.lake.overwrite(MIRROR, runtime.lake.spark.read.parquet(str(file)), _PART)
        remember_mirror(runtime.database, number, through)
        file.unlink()

    def purge(self, subject: Subject) -> None:
        """Do nothing: these tables are written whole, or marked no row as deleted."""

    def expire(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Delete files that no version needs."""
        upkeep.expire(self._runtime.lake, TABLES, self._hours)


def destroy(state: Path, request_id: str, database: Engine, sids: Iterable[Sid]) -> int:
    """Destroy the keys of the numbers under which a person's words stand, those of the freeze too; return how many."""
    file = folder_of(state, request_id) / _FORGOTTEN
    forgotten = file.read_text(encoding="ascii").split() if file.is_file() else []
    keys = keys_of(database)
    return 0 if keys is None else keys.shred({*sids, *map(Sid, forgotten)})


def _uncleared(database: Engine, ids: Sequence[str]) -> None:
    with writing(database) as connection:
        connection.execute(delete(CONSENT_CLEARING).where(CONSENT_CLEARING.c.record_key.in_(ids)))


def _faceless(database: Engine, ids: Sequence[str]) -> None:
    with writing(database) as connection:
        mine = CONSENT_DECISION.c.profile_id.in_(ids)
        connection.execute(update(CONSENT_DECISION).where(mine).values(profile_id=None))


def _in_parts(ids: Sequence[str], act: Callable[[Sequence[str]], None]) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        act(ids[start : start + _AT_ONCE])
