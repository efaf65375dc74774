"""The job of consent: `mirror`, which brings the inbox into the ledger and the ledger before the jobs."""

from collections.abc import Mapping

import pyarrow.parquet as pq

from consent.config import load_policy
from consent.errors import MirrorIncomplete
from consent.intake import export, is_mirrored, remember_mirror, take_in
from consent.ledger.sealer import seal
from consent.officer import sealing_key
from consent.store import entries, salted_sids
from consent.tables import CONSENT_EVENT, TABLES
from infra import shelf
from infra.clock import system_clock
from infra.errors import Unavailable
from infra.runtime import Runtime
from infra.signing import VARIABLE


def mirror(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Take the inbox into the ledger, then show the ledger to Spark as the table `consent_event`.

    It may be killed and run again at any point: entries are known by id, and the table is replaced whole.
    """
    runtime.lake.ensure(TABLES)
    controller, draw = load_policy(runtime.workspace).controller, salted_sids(runtime.run.salt)
    new = take_in(runtime.database, runtime.workspace.lake_path, controller=controller, draw=draw)
    _replace(runtime)
    held, sealed = entries(runtime.database), _sealed(runtime)
    runtime.say(f"consent ledger: {new:,} new entries, {held:,} in all; {sealed}")
    return {"new": new, "entries": held}


def _sealed(runtime: Runtime) -> str:
    signer = sealing_key(runtime.workspace)
    if signer is None:
        return f"not sealed, for {VARIABLE} is not set (`kindred init` adds one)"
    try:
        return f"{seal(runtime.database, signer, system_clock):,} sealed"
    except Unavailable as error:  # what was said counts, sealed or not
        return f"not sealed: {error}"


def _replace(runtime: Runtime) -> None:
    if is_mirrored(runtime.database, runtime.workspace.lake_path, runtime.run.number):
        return
    file, through = export(runtime.database, runtime.workspace.state_path / "work", runtime.run.number)
    runtime.lake.overwrite(CONSENT_EVENT, runtime.lake.spark.read.parquet(str(file)))
    told, held = pq.read_metadata(file).num_rows, shelf.count(runtime.workspace.lake_path, CONSENT_EVENT)
    if told != held:
        file.unlink()
        raise MirrorIncomplete(told, held)
    remember_mirror(runtime.database, runtime.run.number, through)
    file.unlink()
