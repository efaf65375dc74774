"""A resolution that never came to its end is taken back before another builds on it.

A run that died goes on under its own number and finds what it has written. But one that failed for good, or that an
urgent one overtook, leaves some tables as they became and others as they were. Who built on that would lose what only
the difference of two states tells: whose events a cookie's were, whom an id passed to, which event was never told.
"""

from dataclasses import replace

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
