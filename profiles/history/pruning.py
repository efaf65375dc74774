"""Past views that rest on what nobody may use any more: a maintenance lets go of them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Engine

from infra.database import writing
from infra.keyvalue import KeyValue
from profiles.history import store
from profiles.history.rule import GONE, Kept, State, unnamed
from profiles.serving import header_key, heirs_of

_ROWS: Final = 500
# Of an id: the records that each purpose may use of whoever answers for it alone, as the served build judged; None
# where nobody answers for it any more.
Usable = Callable[[str], Mapping[str, Collection[str]] | None]


def prune(database: Engine, judged: Callable[[], Usable]) -> int:
    """Let go of every view that rests on a record which its purpose may not use; return of how many rows that was.

    `judged` looks at what is served; it is asked under the lock under which rows are kept, so that nobody is looked at
    who was not there yet. What is refused now and allowed again later is not brought back: nothing is kept in store for
    another decision.
    """
    count, behind = 0, 0
    while True:
        with writing(database) as connection:
            rows = store.everybody(connection, behind, _ROWS)
            if not rows:
                return count
            usable = judged()
            told = {one: usable(one) for row in rows for one in (row.profile_id, *row.state.heirs)}
            count += store.drop(connection, sorted({row.profile_id for row in rows if told[row.profile_id] is None}))
            changed = []
            for row in rows:
                may = told[row.profile_id]
                left = None if may is None else pruned(row.state, may, [h for h in row.state.heirs if told[h] is None])
                if left is not None and left != row.state:
                    changed.append(row.profile_id)
                    store.rewrite(connection, row.sequence, left)
            store.tidy(connection, sorted(set(changed)))
            count, behind = count + len(changed), rows[-1].sequence


def pruned(told: State, usable: Mapping[str, Collection[str]], nobody: Collection[str]) -> State:
    """Return what stays of a state: views whose records their purposes may all use, and no heir who is nobody."""

    def stays(purpose: str, one: Kept | None) -> bool:
        return one is not GONE and one.records <= frozenset(usable.get(purpose, ()))

    views = {purpose: one if stays(purpose, one) else GONE for purpose, one in told.views.items()}
    return State(views, unnamed(told.heirs, nobody))


def as_built(store_: KeyValue) -> Usable:
    """Return what a build left usable of whoever answers for an id in a generation."""

    def usable(profile_id: str) -> Mapping[str, Collection[str]] | None:
        header = store_.get(header_key(profile_id))
        if header is None:
            heirs = heirs_of(store_, profile_id)
            if len(heirs) != 1:
                return {} if heirs else None
            header = store_.get(header_key(heirs[0]))
        return None if header is None else _by_purpose(orjson.loads(header)["records"])

    return usable


def _by_purpose(records: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, one in records.items():
        for purpose in one["purposes"]:
            found.setdefault(purpose, set()).add(key)
    return found
