"""What a run has to resolve: cookies' owners, consent, and the records that are new, other than before, or gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent import funnel
from consent.config import load_policy
from consent.due import due
from consent.lapse import lifetimes
from consent.screen import record_decisions
from consent.store import tokens_after
from consent.tables import CONSENT_EVENT
from identity import transforms
from identity.config import IdentityConfig, timed
from identity.cookies import lineage, moments
from identity.cookies.intervals import cookie_intervals
from identity.stewardship import store
from identity.tables import CONSTRAINTS, COOKIE_INTERVAL, RECORD_CONSENT, RECORD_FEATURES
from infra import shelf
from infra.runtime import Runtime
from infra.together import together
from ingestion.tables import EVENTS, RECORDS
from ingestion.transforms import current_events, current_records

PURPOSE = "identity_resolution"
_TOKENS_AT_ONCE = 8_192
_RESOLVABLE, _DECISIONS = "resolvable", "decisions"
# What an erasure leaves in its folder: the records (record_key) and cookies (source, anonymous_id) whose facts are gone.
RECORDS_GONE, COOKIES_GONE = "records", "cookies"


@dataclass(frozen=True, slots=True)
class Since:
    """What the last resolution had seen: up to which run's facts and which ledger entry, and when it was."""

    batch: int
    consent_sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """Parquet of what changed: `fresh` (rows of `record_features`), `gone` (record_key), `taken` (old_key, record_key)."""

    fresh: Path
    gone: Path
    taken: Path


def find_changes(
    runtime: Runtime, config: IdentityConfig, work: Path, since: Since | None, erased: Path | None = None
) -> Changes:
    """Write intervals, consent decisions and the constraints' mirror, and what of the records changed since the base.

    Asked again are records with new versions or events, and those that a word or the passing of time may have changed the
    permission of; without `since` all are, and all that may be resolved count as changed. Consent is asked before
    anything is compared: a record that lost its permission is gone. So are those whose facts were `erased`, as a folder tells.
    """
    lake = runtime.lake
    found = Changes(work / "fresh", work / "gone", work / "taken")
    runtime.say("finding out whose cookies are whose")
    cookies = _touched_cookies(runtime, work, since, erased)
    _own_cookies(runtime, config, cookies)
    intervals, intervals_before = lake.read(COOKIE_INTERVAL), lake.read_base(COOKIE_INTERVAL)
    taken = lineage.takers(_only(intervals, cookies), _only(intervals_before, cookies))
    types = timed(config)
    asked = _asked_again(runtime, work, since, cookies, types)
    if asked is not None and erased is not None:
        asked = _kept(asked.union(_told_erased(runtime, erased, RECORDS_GONE)).distinct(), work / "asked_or_erased")
    records = _only(lake.read(RECORDS), asked)
    current, stretches = current_records(records), _only(intervals, asked)
    if types:
        own = _only(current_events(lake.read(EVENTS)).where(f.col("record_key").isNotNull()), asked)
        current = moments.dated(current, moments.observed(records, own, types))
        stretches = moments.dated_stretches(stretches, types)
    resolvable = _kept(transforms.resolvable(current, transforms.arrivals(records), stretches), work / _RESOLVABLE)
    runtime.say("asking what each record may be used for")
    decisions = _decisions(runtime, resolvable, work)
    runtime.say("normalising names, dates and addresses")
    allowed = transforms.allowed_for(resolvable, decisions, PURPOSE)
    fresh, gone = transforms.changes(allowed, _only(lake.read_base(RECORD_FEATURES), asked))
    chosen = allowed if since is None else fresh
    features = transforms.record_features(chosen, config.identifiers, lake.schema(RECORD_FEATURES))
    together(
        lambda: _write(features, found.fresh),
        lambda: _write(gone, found.gone),
        lambda: _write(taken, found.taken),
        lambda: _remember(runtime, decisions, asked),
        lambda: lake.overwrite(CONSTRAINTS, _mirror(runtime)),
    )
    # they told of people who may not be resolved, too
    for told in (_RESOLVABLE, _DECISIONS):
        rmtree(work / told)
    _account(runtime)
    return found


def _write(frame: DataFrame, path: Path) -> None:
    frame.write.mode("overwrite").parquet(str(path))


def _kept(frame: DataFrame, path: Path) -> DataFrame:
    """Return the same rows read from a file: what is asked several times is worked out once."""
    _write(frame, path)
    return frame.sparkSession.read.parquet(str(path))


def _only(frame: DataFrame, keys: DataFrame | None) -> DataFrame:
    """Return the rows that have a key; all of them where no keys are given."""
    return frame if keys is None else frame.join(f.broadcast(keys), keys.columns, "left_semi")


def _told_erased(runtime: Runtime, erased: Path, name: str) -> DataFrame:
    return runtime.lake.spark.read.parquet(str(erased / name))


def _touched_cookies(runtime: Runtime, work: Path, since: Since | None, erased: Path | None) -> DataFrame | None:
    """Return the anonymous ids (source, anonymous_id) that new events carry, or None for all."""
    if since is None:
        return None
    carried = runtime.lake.read(EVENTS).where((f.col("batch") > since.batch) & f.col("anonymous_id").isNotNull())
    touched = carried.select("source", "anonymous_id")
    if erased is not None:
        touched = touched.union(_told_erased(runtime, erased, COOKIES_GONE))
    return _kept(touched.distinct(), work / "cookies")


def _own_cookies(runtime: Runtime, config: IdentityConfig, cookies: DataFrame | None) -> None:
    lake = runtime.lake
    anonymous = [name for name, kind in config.identifiers.items() if kind.anonymous]
    events = current_events(_only(lake.read(EVENTS), cookies))
    before = _only(lake.read_base(COOKIE_INTERVAL), cookies)
    intervals = cookie_intervals(events, before, config.cookies, anonymous, runtime.run.salt)
    if cookies is None:
        lake.overwrite(COOKIE_INTERVAL, intervals)
    else:
        lake.replace(COOKIE_INTERVAL, intervals, cookies, cookies.columns)


def _asked_again(
    runtime: Runtime, work: Path, since: Since | None, cookies: DataFrame | None, types: Sequence[str]
) -> DataFrame | None:
    """Return the keys of the records whose permission or content may be another than at the last resolution.

    Where it matters when identifiers of some types were carried, these are those with new events, too.
    """
    if since is None:
        return None
    lake = runtime.lake
    records, known = lake.read(RECORDS), f.col("known")
    stretches = [
        _only(frame, cookies).where(~known) for frame in (lake.read(COOKIE_INTERVAL), lake.read_base(COOKIE_INTERVAL))
    ]
    keys = [records.where(f.col("batch") > since.batch), *stretches]
    if types:
        keys += _retold(lake.read(EVENTS), since)
    tokens = _words(runtime, work, since)
    if tokens is not None:
        holders = (records, lake.read(COOKIE_INTERVAL).where(~known))
        keys += [_only(_tokens_of(frame), tokens) for frame in holders]
    asked = keys[0].select("record_key")
    for more in keys[1:]:
        asked = asked.unionByName(more.select("record_key"))
    return _kept(asked.distinct(), work / "asked")


def _retold(events: DataFrame, since: Since) -> list[DataFrame]:
    """Return the events that came, and those that they correct: a correction may take a moment from another record."""
    came = events.where(f.col("batch") > since.batch)
    corrected = came.where(f.col("version") > 0).select("source", "message_id").distinct()
    return [frame.where(f.col("record_key").isNotNull()) for frame in (came, _only(events, corrected))]


def _tokens_of(records: DataFrame) -> DataFrame:
    return records.select("record_key", f.explode("identifiers.token").alias("token"))


def _words(runtime: Runtime, work: Path, since: Since) -> DataFrame | None:
    """Return the tokens under which anything was said since, or for which time changes what was said; None for none."""
    spark, path = runtime.lake.spark, work / "said.parquet"
    schema = pa.schema([("token", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for tokens in tokens_after(runtime.database, since.consent_sequence, _TOKENS_AT_ONCE):
            writer.write_table(pa.table({"token": tokens}, schema=schema))
    policy = load_policy(runtime.workspace)
    ripe = due(runtime.lake.read(CONSENT_EVENT), lifetimes(policy), since.at, runtime.run.started_at)
    told = _kept(ripe.union(spark.read.parquet(str(path))).distinct(), work / "tokens")
    rows = sum(pq.read_metadata(file).num_rows for file in (work / "tokens").glob("*.parquet"))
    return told if rows else None


def _decisions(runtime: Runtime, resolvable: DataFrame, work: Path) -> DataFrame:
    """Return what each of the records may be used for, purpose by purpose."""
    policy = load_policy(runtime.workspace)
    ledger = runtime.lake.read(CONSENT_EVENT)
    decisions = record_decisions(resolvable, ledger, policy, list(policy.purposes), runtime.run.started_at)
    return _kept(decisions, work / _DECISIONS)


def _remember(runtime: Runtime, decisions: DataFrame, asked: DataFrame | None) -> None:
    if asked is None:
        runtime.lake.overwrite(RECORD_CONSENT, decisions)
    else:
        runtime.lake.replace(RECORD_CONSENT, decisions, asked, asked.columns)


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
