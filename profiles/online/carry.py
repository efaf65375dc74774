"""Ids that the online path gave out, in the next publication: the batch names its newcomers anew, and both must answer.

A profile that began online has an id of its own until a run has taken its events in. In the next generation that id
answers as one that was given up: with the profile that its identifiers lead to now.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from infra.keyvalue import KeyValue
from infra.serving.store import UNDO, Undo
from profiles.online.person import Change, holders_of
from profiles.serving import alias_key, header_key, heirs_of

_HEADER: Final = header_key("")
_ALIAS: Final = b"a|"


def given_out(before: KeyValue) -> dict[str, tuple[str, ...]]:
    """Return the ids that began online in a generation, or were carried into it, with the tokens they stand for."""
    found: dict[str, tuple[str, ...]] = {}
    for name in _new(before, _HEADER):
        found[name] = _tokens(before, name)
    for name in _new(before, _ALIAS):
        given, _, survivor = name.partition("|")
        # The survivor may have become part of somebody else since.
        alive = before.get(header_key(survivor)) is not None
        heirs = (survivor,) if alive else heirs_of(before, survivor)
        found[given] = tuple(sorted({token for heir in heirs for token in _tokens(before, heir)}))
    return {name: tokens for name, tokens in found.items() if tokens}


def carried(change: Change, given: Mapping[str, tuple[str, ...]]) -> int:
    """Have the ids answer in a new generation, each with whom most of its identifiers lead to; return how many do."""
    count = 0
    for name, tokens in given.items():
        if change.get(header_key(name)) is not None:
            continue
        led = [ids[0] for token in tokens if len(ids := holders_of(change.get, token)) == 1]
        if led:
            change.put(alias_key(name, max(sorted(set(led)), key=led.count)), b"")
            count += 1
    return count


def _new(before: KeyValue, prefix: bytes) -> list[str]:
    """Return what is there since the publication under keys that begin so."""
    undone = (Undo.read(key, value) for key, value in before.items(UNDO + prefix))
    return [
        undo.key.decode()[len(prefix) :] for undo in undone if undo.was is None and before.get(undo.key) is not None
    ]


def _tokens(before: KeyValue, profile_id: str) -> tuple[str, ...]:
    raw = before.get(header_key(profile_id))
    return tuple(sorted(orjson.loads(raw)["tokens"])) if raw else ()
