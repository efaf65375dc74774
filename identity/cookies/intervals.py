"""Whose is a cookie, and when? Spark plans that cut an anonymous id's life into stretches by the logins on it.

Events that follow a login are that login's until it is signed out, runs out or another one comes; events before
the first one are its own within the look-back. An id with many logins is a kiosk's: there only the session around
a login counts. What nobody claims is an anonymous record of its own.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as f

from identity.config import Cookies
from infra import columns

_ID = ("source", "anonymous_id")


# Functions, for Spark makes a window only where a session is open, and this module is imported before that.
def _life() -> WindowSpec:
    return Window.partitionBy(*_ID).orderBy("at")


def _past() -> WindowSpec:
    return _life().rowsBetween(Window.unboundedPreceding, Window.currentRow)


def _before() -> WindowSpec:
    return _life().rowsBetween(Window.unboundedPreceding, -1)


def _future() -> WindowSpec:
    return _life().rowsBetween(Window.currentRow, Window.unboundedFollowing)


def _whole() -> WindowSpec:
    return Window.partitionBy(*_ID).rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)


def cookie_intervals(
    events: DataFrame, before: DataFrame, cookies: Cookies, anonymous_types: Sequence[str], salt: str
) -> DataFrame:
    """Return `cookie_interval`: every anonymous event lies in exactly one row, claimed by a login or by nobody.

    `before` is the table as the run found it: an unclaimed stretch keeps the record key that it was born with.
    """
    carried = events.where(f.col("anonymous_id").isNotNull())
    stretches = _stretches(_claimed(_moments(carried, cookies), cookies))
    named = _named(stretches, before, salt)
    return _with_identifiers(named, carried, anonymous_types)


def _moments(events: DataFrame, cookies: Cookies) -> DataFrame:
    """Return each moment of an id once, with the login that spoke and whether it signed out."""
    signed_out = f.coalesce(f.col("name").isin(*cookies.logout_events), f.lit(False))
    return events.groupBy(*_ID, f.col("occurred_at").alias("at")).agg(
        f.max("record_key").alias("login"), f.max(signed_out).alias("out")
    )


def _claimed(moments: DataFrame, cookies: Cookies) -> DataFrame:
    """Return the moments with `owner` (a record key or null) and `claim` (why)."""
    logins = f.size(f.collect_set("login").over(_whole()))
    kiosk = logins > cookies.kiosk_logins
    pause = f.when(kiosk, cookies.kiosk_minutes).otherwise(cookies.session_minutes) * 60
    gap = f.unix_micros("at") - f.lag(f.unix_micros("at")).over(_life())
    begun = f.coalesce((gap > pause * 1_000_000).cast("int"), f.lit(0))
    sat = moments.withColumn("kiosk", kiosk).withColumn("begun", begun)
    sat = sat.withColumn("session", f.sum("begun").over(_past()))
    said = f.when(f.col("login").isNotNull(), f.struct("login", "at", "session"))
    return (
        sat.withColumn("last", f.last(said, ignorenulls=True).over(_past()))
        # who signs out need not say who signs out: libraries forget the person first
        .withColumn("left_at", f.max(f.when(f.col("out"), f.col("at"))).over(_before()))
        .withColumn("next", f.first(said, ignorenulls=True).over(_future()))
        .withColumn("claim", _claim(cookies))
        .withColumn("owner", _owner())
    )


def _claim(cookies: Cookies) -> Column:
    last, following, session = f.col("last"), f.col("next"), f.col("session")
    age = (f.unix_micros("at") - f.unix_micros(last["at"])) / 86_400e6
    ahead = (f.unix_micros(following["at"]) - f.unix_micros("at")) / 86_400e6
    signed_in = f.col("left_at").isNull() | (f.col("left_at") < last["at"])
    active = last.isNotNull() & (age <= cookies.login_lasts_days) & signed_in
    here = active & (~f.col("kiosk") | (last["session"] == session))
    # whoever signs in later in this very session was sitting there already
    soon = following.isNotNull() & (following["session"] == session)
    return (
        f.when(f.col("login").isNotNull(), "login")
        .when(here & (last["session"] == session), "login")
        .when(soon, "before_login")
        .when(here, "login")
        .when(following.isNotNull() & ~f.col("kiosk") & (ahead <= cookies.look_back_days), "before_login")
        .otherwise("none")
    )


def _owner() -> Column:
    claim = f.col("claim")
    return (
        f.when(claim == "login", f.coalesce("login", f.col("last")["login"]))
        .when(claim == "before_login", f.col("next")["login"])
    )  # fmt: skip


def _stretches(claimed: DataFrame) -> DataFrame:
    """Return runs of moments with one owner; at a kiosk each unclaimed session may be somebody else."""
    mark = f.coalesce("owner", f.when(f.col("kiosk"), f.concat(f.lit("?"), f.col("session"))).otherwise("?"))
    turned = f.coalesce((mark != f.lag(mark).over(_life())).cast("int"), f.lit(1))
    numbered = claimed.withColumn("turned", turned).withColumn("stretch", f.sum("turned").over(_past()))
    runs = numbered.groupBy(*_ID, "stretch").agg(
        f.min("at").alias("from_at"), f.max("at").alias("last_at"), f.first("owner").alias("owner"),
        f.min_by("claim", "at").alias("claim"),
    )  # fmt: skip
    following = f.lead("from_at").over(Window.partitionBy(*_ID).orderBy("from_at"))
    end = f.coalesce(following, f.timestamp_micros(f.unix_micros("last_at") + 1))
    return runs.withColumn("to_at", end).drop("stretch", "last_at")


def _named(stretches: DataFrame, before: DataFrame, salt: str) -> DataFrame:
    """Return the stretches with their record key: the owner's, the one of before, or one born now."""
    born = before.where(~f.col("known")).select(
        *_ID, f.col("from_at").alias("born_at"), f.col("record_key").alias("born_key")
    )
    inside = [stretches[c] == born[c] for c in _ID]
    inside += [
        born["born_at"] >= stretches["from_at"],
        born["born_at"] < stretches["to_at"],
        stretches["owner"].isNull(),
    ]
    joined = stretches.join(born, inside, "left").select(
        *[stretches[c] for c in stretches.columns], "born_at", "born_key"
    )
    kept = joined.groupBy(*stretches.columns).agg(f.min_by("born_key", "born_at").alias("born_key"))
    fresh = columns.birth_id(salt, f.col("source"), interval_key())
    return kept.withColumn("known", f.col("owner").isNotNull()).withColumn(
        "record_key", f.coalesce("owner", "born_key", fresh)
    )


def interval_key() -> Column:
    """Return the source key of an anonymous record: its anonymous id and where its stretch began."""
    return f.concat_ws("|", f.col("anonymous_id"), f.unix_micros("from_at").cast("string"))


def _with_identifiers(named: DataFrame, events: DataFrame, anonymous_types: Sequence[str]) -> DataFrame:
    """Return the intervals with the anonymous identifiers that their events carried."""
    carried = events.select(
        *_ID, "occurred_at", f.explode(f.filter("identifiers", lambda i: i["type"].isin(*anonymous_types))).alias("one")
    ).distinct()
    keys = [named[c] == carried[c] for c in _ID]
    inside = [*keys, carried["occurred_at"] >= named["from_at"], carried["occurred_at"] < named["to_at"]]
    held = named.join(carried, inside, "left").groupBy(*[named[c] for c in (*_ID, "from_at", "to_at")])
    sets = held.agg(f.sort_array(f.collect_set("one")).alias("identifiers"))
    return named.join(sets, [*_ID, "from_at", "to_at"]).select(
        *_ID, "from_at", "to_at", "record_key", "known", "claim", "identifiers"
    )


def event_assignments(events: DataFrame, intervals: DataFrame) -> DataFrame:
    """Return the events with `record_key` filled: its own for a known subject, else of the interval it falls in."""
    spans = intervals.select(
        *[f.col(c).alias(f"_{c}") for c in (*_ID, "from_at", "to_at")], f.col("record_key").alias("_record_key")
    )
    anonymous = events.where(f.col("record_key").isNull() & f.col("anonymous_id").isNotNull())
    inside = [anonymous[c] == spans[f"_{c}"] for c in _ID]
    inside += [anonymous["occurred_at"] >= spans["_from_at"], anonymous["occurred_at"] < spans["_to_at"]]
    placed = (
        anonymous.join(spans, inside, "left").withColumn("record_key", f.col("_record_key")).select(*events.columns)
    )
    rest = events.where(f.col("record_key").isNotNull() | f.col("anonymous_id").isNull())
    return rest.select(*events.columns).unionByName(placed)
