"""Retention as a plan: the twin of `consent.retention.rule` over columns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import and_

from pyspark.sql import Column
from pyspark.sql import functions as f

from consent.retention.model import Moment, Rule
from consent.retention.rule import SERVING, keepers, ranked
from infra.ids import Purpose

Moments = Mapping[Moment, Column]


def past(
    rules: Iterable[Rule],
    table: str,
    purposes: Collection[Purpose],
    at: datetime,
    moments: Moments,
    kind: Column | None = None,
) -> Column:
    """Return whether a row goes. `kind` is its type, where the table has types; its source stands in `source`."""
    rankings = keepers(rules, table, purposes)
    return reduce(and_, (_over(one, at, moments, kind) for one in rankings)) if rankings else f.lit(False)


def withheld(
    rules: Iterable[Rule], table: str, purposes: Collection[Purpose], at: datetime, moments: Moments
) -> Column:
    """Return the purposes that by a rule of their own may not use a row any longer, as a list."""
    told, asked = tuple(rules), sorted(one for one in purposes if one != SERVING)
    rankings = {one: ranked(told, table, one) for one in asked}
    ended = [f.when(_over(ranking, at, moments, None, own=True), f.lit(one)) for one, ranking in rankings.items()]
    return f.array_compact(f.array(*ended, f.lit(None).cast("string")))


def _over(ranking: Sequence[Rule], at: datetime, moments: Moments, kind: Column | None, *, own: bool = False) -> Column:
    """Return whether the narrowest rule that speaks of a row says that its period is over.

    With `own` only a rule that names a purpose counts.
    """
    told = f.lit(False)
    for rule in reversed(ranking):  # the broadest first: each narrower one goes before what is said so far
        here = f.lit(True)
        if rule.source is not None:
            here &= f.col("source") == rule.source
        if rule.type is not None and kind is not None:
            here &= f.coalesce(kind == rule.type, f.lit(False))
        moment = moments.get(rule.counted_from, f.lit(None).cast("timestamp"))
        gone = f.coalesce(moment < f.lit(rule.keep.before(at)), f.lit(False))
        if own and rule.purpose is None:
            gone = f.lit(False)
        told = f.when(here, gone).otherwise(told)
    return told
