"""For whom may the answer differ between two moments, though nobody said anything? A plan over the ledger's mirror.

Time alone changes an answer where a word begins to count, ends, outlives what the policy grants it, or a child comes of
age. It may name too many, for the policy says elsewhere which word has which lifetime; never too few.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000  # in microseconds


def due(ledger: DataFrame, lifetimes: Iterable[int], since: datetime, until: datetime) -> DataFrame:
    """Return the tokens (distinct) that time may have changed the answer for: after `since`, up to `until`."""
    after, upto = _micros(since), _micros(until)
    told = f.least(f.unix_micros("occurred_at"), f.unix_micros("received_at"))
    moments = [f.unix_micros(name) for name in ("received_at", "occurred_at", "effective_from", "expires_at")]
    moments += [told + days * _DAY for days in lifetimes]
    passed = [_passed(moment, after, upto) for moment in moments]
    # how old somebody is grows every day; few words say an age at all
    aged = f.col("age_band").isNotNull()
    return ledger.where(f.col("token").isNotNull() & reduce(Column.__or__, passed, aged)).select("token").distinct()


def _passed(moment: Column, after: int, upto: int) -> Column:
    return f.coalesce((moment > after) & (moment <= upto), f.lit(False))


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
