"""What a publication begins from: the served generation, where what differs from it can be told for certain."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson
import pyarrow as pa
from deltalake.exceptions import DeltaError

from infra.errors import KindredError
from infra.serving.store import ServingStore
from profiles import mask, parts, render, serving, stored
from profiles.audiences import AUDIENCE_MEMBERS, COLUMNS
from profiles.changes import Difference, compared, unchanged
from profiles.parts import Part
from profiles.serving import MANIFEST

# A generation of which more than this share changes is written faster whole.
_SHARE: Final = 0.5
_SOURCES: Final = tuple(Path(str(module.__file__)).read_bytes() for module in (mask, parts, render, serving, stored))


@dataclass(frozen=True, slots=True)
class Start:
    """The generation to begin from, and what differs from it, part by part."""

    base: str
    differences: Mapping[str, Difference]
    # The parts of keys (`c` of `c|item`) that others filled.
    filled: tuple[str, ...]

    def told(self) -> dict[str, int]:
        """Return what becomes of the views."""
        views = self.differences["views"]
        return {"changed": views.changed.num_rows, "removed": views.gone.num_rows, "kept": views.kept}


def rules(settings: Mapping[str, Any], links: Mapping[str, Sequence[str]]) -> str:
    """Return a digest of all that decides what a row becomes: settings, policy, and how this version renders."""
    said = orjson.dumps([settings, links], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(b"\0".join((said, *_SOURCES))).hexdigest()


def start_of(
    generations: ServingStore, lake: Path, wanted: Sequence[Part], versions: Mapping[str, int], digest: str
) -> Start | None:
    """Return what to begin from, or None where a whole generation is surer: no base, other rules, versions gone."""
    base = generations.name()
    try:
        manifest = None if base is None else generations.reader(base).get(MANIFEST)
        said = orjson.loads(manifest or b"{}")
        if base is None or said.get("rules") != digest or said["tables"].keys() != versions.keys():
            return None
        start = Start(base, _differences(lake, wanted, said, versions), tuple(said["filled"]))
    except (KindredError, DeltaError, duckdb.Error, pa.ArrowException, OSError, LookupError, ValueError, TypeError):
        return None
    fits = all(start.differences[name].before == said["counts"].get(name) for name in start.differences)
    views = start.differences["views"]
    return start if fits and views.changed.num_rows <= max(views.after * _SHARE, 1_000) else None


def _differences(
    lake: Path, wanted: Sequence[Part], said: Mapping[str, Any], after: Mapping[str, int]
) -> dict[str, Difference]:
    found, before = {}, said["tables"]
    for part in wanted:
        name = part.table.name
        if name in after and before[name] == after[name]:
            found[part.counted] = unchanged(part.keys, said["counts"][part.counted])
        elif name in after:
            found[part.counted] = compared(lake, part.table, (before[name], after[name]), part.keys, part.shown)
    members = AUDIENCE_MEMBERS.name
    if members in after and before[members] != after[members]:
        moved = compared(lake, AUDIENCE_MEMBERS, (before[members], after[members]), COLUMNS, ())
        people = {
            (row["profile_id"], row["purpose"]) for rows in (moved.changed, moved.gone) for row in rows.to_pylist()
        }
        found["views"] = found["views"].with_keys(sorted(people))
    return found
