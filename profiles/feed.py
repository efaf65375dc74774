"""What a build reads: the facts and identities of the lake, as the frames that the plans are made of."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.tables import CONSENT_EVENT
from identity.cookies.intervals import event_assignments
from identity.tables import COOKIE_INTERVAL, EDGES, MEMBERSHIP, PROFILE_INDEX, RECORD_CONSENT, RECORD_FEATURES
from infra.lake import Lake
from ingestion.tables import CATALOGUE, EVENTS, RECORDS
from ingestion.transforms import current_catalogue, current_events, current_records


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that profiles are a function of, besides configuration and time."""

    records: DataFrame
    events: DataFrame
    catalogue: DataFrame
    ledger: DataFrame
    features: DataFrame
    intervals: DataFrame
    edges: DataFrame
    membership: DataFrame
    index: DataFrame
    record_consent: DataFrame


def facts(lake: Lake) -> Facts:
    """Return the lake's facts with every event at its record: its known subject's, or its anonymous interval's."""
    intervals = lake.read(COOKIE_INTERVAL)
    return Facts(
        records=current_records(lake.read(RECORDS)),
        events=event_assignments(current_events(lake.read(EVENTS)), intervals),
        catalogue=current_catalogue(lake.read(CATALOGUE)),
        ledger=lake.read(CONSENT_EVENT),
        features=lake.read(RECORD_FEATURES),
        intervals=intervals,
        edges=lake.read(EDGES),
        membership=lake.read(MEMBERSHIP),
        index=lake.read(PROFILE_INDEX),
        record_consent=lake.read(RECORD_CONSENT),
    )


def newest_moment(lake: Lake, until: datetime) -> datetime:
    """Return when the newest event happened that is not of the future, or `until` where nothing has."""
    moment = f.unix_micros(f.max("occurred_at")).alias("moment")
    row = lake.read(EVENTS).where(f.col("occurred_at") <= f.lit(until)).agg(moment).first()
    micros = None if row is None else row["moment"]
    return until if micros is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
