"""What of the past is kept, and what of it may be shown now. Pure.

A past view is kept with the records that it was made from. It is shown as it was or not at all: where the purpose may
not use one of its records now, nothing of it is shown, for a view cannot be cut down to some of its records.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson


@dataclass(frozen=True, slots=True)
class Shown:
    """What a purpose sees of a person: its version, the answer, and the records that it rests on."""

    version: str
    body: bytes = field(repr=False)
    records: frozenset[str]


@dataclass(frozen=True, slots=True)
class Looked:
    """How a person stands: what each purpose sees, and who answers for the id where nobody sees anything under it."""

    shown: Mapping[str, Shown] = field(default_factory=dict)
    heirs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A view as it is kept: under which number its answer lies."""

    version: str
    records: frozenset[str]
    number: int


# A view that was there, and of which nothing is kept any more; and somebody who answered for an id and is forgotten.
GONE: Final = None
NOBODY: Final = ""


@dataclass(frozen=True, slots=True)
class State:
    """What held of a person from a moment on: each purpose's view, and who answered for the id."""

    views: Mapping[str, Kept | None] = field(default_factory=dict)
    heirs: tuple[str, ...] = ()

    def without(self, records: Collection[str], ids: Collection[str]) -> "State":
        """Return it without what rests on some records, and without the names of some ids."""
        lost = frozenset(records)
        views = {
            purpose: GONE if one is GONE or not lost.isdisjoint(one.records) else one
            for purpose, one in self.views.items()
        }
        return State(views, unnamed(self.heirs, ids))


def unnamed(heirs: Collection[str], ids: Collection[str]) -> tuple[str, ...]:
    """Return who answered for an id without some names; that they were several is still told."""
    return tuple(NOBODY if one in ids else one for one in heirs)


def news(last: State | None, now: Looked) -> bool:
    """Say whether a person stands otherwise than they were last known to.

    What a view rests on counts as much as what it shows: equal answers may rest on different records.
    """
    if last is None:
        return bool(now.shown or now.heirs)
    if last.heirs != now.heirs or last.views.keys() != now.shown.keys():
        return True
    return any(
        one is GONE or (one.version, one.records) != (now.shown[purpose].version, now.shown[purpose].records)
        for purpose, one in last.views.items()
    )


def state(now: Looked, known: Mapping[tuple[str, str], int], number: int) -> State:
    """Return what is to be kept of how a person stands: answers that are kept already stay where they are.

    `known` tells where the answers of each purpose's versions lie; all others come under `number`.
    """
    views = {p: Kept(one.version, one.records, known.get((p, one.version), number)) for p, one in now.shown.items()}
    return State(views, now.heirs)


def may_show(kept: Kept | None, usable: Collection[str]) -> bool:
    """Say whether a past view may be shown to a purpose that may use these records now."""
    return kept is not GONE and bool(kept.records) and kept.records <= frozenset(usable)


def packed(told: State) -> str:
    """Return a state as one text; sets of records that several views share stand in it once."""
    sets = sorted({tuple(sorted(one.records)) for one in told.views.values() if one is not GONE})
    content: dict[str, Any] = {}
    if told.views:
        content["p"] = {
            purpose: None if one is GONE else [one.version, sets.index(tuple(sorted(one.records))), one.number]
            for purpose, one in told.views.items()
        }
        content["r"] = sets
    if told.heirs:
        content["h"] = told.heirs
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()


def unpacked(text: str) -> State:
    """Return what `packed` put together."""
    content: dict[str, Any] = orjson.loads(text)
    sets = [frozenset(one) for one in content.get("r", ())]
    views = {
        purpose: GONE if one is None else Kept(one[0], sets[one[1]], one[2])
        for purpose, one in content.get("p", {}).items()
    }
    return State(views, tuple(content.get("h", ())))
