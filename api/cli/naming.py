"""How people and records are named on the command line: `type:value`, `source:key`, a profile id, a record key."""

from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from identity.tables import RECORD_FEATURES
from infra import shelf
from infra.errors import Missing


class Named(NamedTuple):
    """An identifier as somebody types it."""

    type: str
    value: str


def named(text: str) -> Named | None:
    """Return the identifier that a person was named by, or None where it is a profile id."""
    kind, colon, value = text.partition(":")
    return Named(kind, value) if colon else None


def record_keys(lake: Path, text: str) -> list[str]:
    """Return the record keys that `source:key` names, as the source itself calls its row; a record key is its own."""
    source, colon, key = text.partition(":")
    if not colon:
        return [text]
    found = records_called(lake, source, key)
    if not found:
        # The key may be a person's; the source is ours.
        raise Missing(f"no record of {source} has this key; `kindred export assignments` lists what there is")
    return found


def records_called(lake: Path, source: str, key: str) -> list[str]:
    """Return the records that a source calls so; none where nobody is."""
    wanted = (pc.field("source") == source) & (pc.field("key") == key)
    found = shelf.lookup(lake, RECORD_FEATURES, wanted, columns=["record_key"])
    return sorted(set(found.column("record_key").to_pylist()))
