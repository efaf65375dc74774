"""What a run has to resolve: cookies' owners, consent, and the records that are new, other than before, or gone."""

from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame

from consent import funnel
from consent.config import load_policy
from consent.screen import record_decisions
from consent.tables import CONSENT_EVENT
from identity import lineage, store, transforms
from identity.config import IdentityConfig
from identity.intervals import cookie_intervals
from identity.tables import CONSTRAINTS, COOKIE_INTERVAL, RECORD_CONSENT, RECORD_FEATURES
from infra import shelf
from infra.runtime import Runtime
from ingestion.tables import EVENTS, RECORDS
from ingestion.transforms import current_events, current_records

PURPOSE = "identity_resolution"


@dataclass(frozen=True, slots=True)
class Changes:
    """Parquet of what changed: `fresh` (rows of `record_features`), `gone` (record_key), `taken` (old_key, record_key)."""

    fresh: Path
    gone: Path
    taken: Path


def find_changes(runtime: Runtime, config: IdentityConfig, work: Path, *, whole: bool) -> Changes:
    """Write intervals, consent decisions and the constraints' mirror, and what of the records changed since the base.

    With `whole` every record that may be resolved counts as changed. Consent is asked before anything is compared:
    a record that lost its permission is gone.
    """
    lake = runtime.lake
    _own_cookies(runtime, config)
    records = lake.read(RECORDS)
    resolvable = transforms.resolvable(
        current_records(records), transforms.arrivals(records), lake.read(COOKIE_INTERVAL)
    )
    runtime.say("asking what each record may be used for")
    policy = load_policy(runtime.workspace)
    at = runtime.run.started_at
    decisions = record_decisions(resolvable, lake.read(CONSENT_EVENT), policy, list(policy.purposes), at)
    lake.overwrite(RECORD_CONSENT, decisions)
    _account(runtime)
    lake.overwrite(CONSTRAINTS, _mirror(runtime))
    runtime.say("normalising names, dates and addresses")
    allowed = transforms.allowed_for(resolvable, lake.read(RECORD_CONSENT), PURPOSE)
    before = lake.read_base(RECORD_FEATURES)
    fresh, gone = transforms.changes(allowed, before)
    found = Changes(work / "fresh", work / "gone", work / "taken")
    made = transforms.record_features(allowed if whole else fresh, config.identifiers, lake.schema(RECORD_FEATURES))
    _write(made, found.fresh)
    _write(gone, found.gone)
    _write(lineage.takers(lake.read(COOKIE_INTERVAL), lake.read_base(COOKIE_INTERVAL)), found.taken)
    return found


def _write(frame: DataFrame, path: Path) -> None:
    frame.write.mode("overwrite").parquet(str(path))


def _own_cookies(runtime: Runtime, config: IdentityConfig) -> None:
    lake = runtime.lake
    anonymous = [name for name, kind in config.identifiers.items() if kind.anonymous]
    runtime.say("finding out whose cookies are whose")
    events = current_events(lake.read(EVENTS))
    intervals = cookie_intervals(events, lake.read_base(COOKIE_INTERVAL), config.cookies, anonymous, runtime.run.salt)
    lake.overwrite(COOKIE_INTERVAL, intervals)


def _account(runtime: Runtime) -> None:
    """Keep the consent funnel of the records for all purposes, and tell it for the one that is asked here."""
    decided = shelf.batches(runtime.workspace.lake_path, RECORD_CONSENT, columns=funnel.COLUMNS)
    counts = funnel.counts(decided)
    funnel.record_funnel(runtime.database, runtime.run.id, "resolve", counts)
    for line in funnel.lines("resolve", [count for count in counts if count.purpose == PURPOSE]):
        runtime.say(line)


def _mirror(runtime: Runtime) -> DataFrame:
    standing = store.standing(runtime.database, runtime.run.started_at)
    rows = [
        (s.id, c.kind, c.left, c.right, c.actor, c.reason, c.created_at, c.expires_at)
        for s in standing
        for c in [s.constraint]
    ]
    return runtime.lake.spark.createDataFrame(rows, runtime.lake.schema(CONSTRAINTS))
