"""The job of consent: `mirror`, which brings the inbox into the ledger and the ledger before the jobs."""

from collections.abc import Mapping

from consent.config import load_policy
from consent.intake import export, is_mirrored, remember_mirror, take_in
from consent.store import entries, salted_sids
from consent.tables import CONSENT_EVENT, TABLES
from infra.runtime import Runtime


def mirror(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Take the inbox into the ledger, then show the ledger to Spark as the table `consent_event`.

    It may be killed and run again at any point: entries are known by id, and the table is replaced whole.
    """
    runtime.lake.ensure(TABLES)
    controller, draw = load_policy(runtime.workspace).controller, salted_sids(runtime.run.salt)
    new = take_in(runtime.database, runtime.workspace.lake_path, controller=controller, draw=draw)
    _replace(runtime)
    held = entries(runtime.database)
    runtime.say(f"consent ledger: {new:,} new entries, {held:,} in all")
    return {"new": new, "entries": held}


def _replace(runtime: Runtime) -> None:
    if is_mirrored(runtime.database, runtime.workspace.lake_path, runtime.run.number):
        return
    file, through = export(runtime.database, runtime.workspace.state_path / "work", runtime.run.number)
    runtime.lake.overwrite(CONSENT_EVENT, runtime.lake.spark.read.parquet(str(file)))
    remember_mirror(runtime.database, runtime.run.number, through)
    file.unlink()
