"""A resolution that never came to its end is taken back before another builds on it.

A run that died goes on under its own number and finds what it has written. But one that failed for good, or that an
urgent one overtook, leaves some tables as they became and others as they were. Who built on that would lose what only
the difference of two states tells: whose events a cookie's were, whom an id passed to, which event was never told.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from identity.errors import OtherRules
from identity.tables import MODEL_REGISTRY, RESOLUTION, TABLES, TF_SNAPSHOT
from infra.runtime import Runtime

# models are not derived from anything: one that was learnt is as good whatever became of the run
_STAY = (RESOLUTION, MODEL_REGISTRY, TF_SNAPSHOT)


def taken_back(runtime: Runtime, batch: int) -> Runtime:
    """Return the run built on the tables as resolution `batch`, the last that came to its end, left them; -1 for none.

    The tables are brought back to it. Done again by the same run it changes nothing that this run has written.
    """
    lake, base = runtime.lake, dict(runtime.run.base)
    for table in TABLES:
        version = None if table in _STAY else lake.settled(table, batch)
        if version is not None and version != base[table.name]:
            lake.take_back(table, version)
            base[table.name] = version
    if base == dict(runtime.run.base):
        return runtime
    runtime.say("a resolution before this one did not come to its end: what it had begun is taken back")
    return replace(runtime, lake=lake.based_on(base), run=replace(runtime.run, base=base))


def work_folder(runtime: Runtime, rules: Mapping[str, str]) -> Path:
    """Return the folder for what this run works out; those of runs before it, which hold people's rows, are removed.

    Raise `OtherRules` where the run had begun by other rules (their digests by name): what it has written follows those.
    """
    folder = runtime.workspace.state_path / "work" / f"resolve-{runtime.run.number}"
    for left in folder.parent.glob("resolve-*"):
        if left != folder:
            rmtree(left)
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / "rules.json"
    if begun.exists() and json.loads(begun.read_text(encoding="utf-8")) != rules:
        raise OtherRules(runtime.run.number)
    draft = begun.with_suffix(".draft")
    draft.write_text(json.dumps(dict(rules)), encoding="utf-8")
    draft.replace(begun)
    return folder
