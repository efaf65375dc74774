"""What each token's ledger entries come to under each row of the matrix: `consent.decide.standing` as a Spark plan."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, Self

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from consent.matrix import NO_ROW
from consent.model import (
    AGE_BANDS,
    ALL,
    AUTHENTICATED,
    DAYS_A_YEAR,
    ENDINGS,
    GIVEN,
    GPC,
    GUARDIAN,
    OBJECTED,
    RANK,
    REFUSALS,
    RESTRICTED,
    UNRESTRICTED,
    Policy,
    PurposeTerms,
)

_LENSES: Final = (
    "array<struct<row:int,purpose:string,channel:string,recipient:string,expires_after_days:bigint,min_age:int,"
    "notices:array<string>,kin:array<string>,gpc:boolean>>"
)
_DAY: Final = 86_400_000_000  # in microseconds: moments are compared as whole numbers, which no time zone touches


@dataclass(frozen=True, slots=True)
class Lens:
    """Through what entries are seen: a matrix row and what the question and its purpose add to it."""

    row: int
    purpose: str | None
    channel: str | None
    recipient: str | None
    expires_after_days: int | None
    min_age: int | None
    notices: tuple[str, ...]
    kin: tuple[str, ...]
    gpc: bool

    @classmethod
    def blank(cls) -> Self:
        """Return the lens of no row: it shows restrictions, which hold whatever is asked."""
        return cls(NO_ROW, None, None, None, None, None, (), (), gpc=False)

    @classmethod
    def of(cls, policy: Policy, terms: PurposeTerms, row: int, channel: str | None, recipient: str | None) -> Self:
        """Return the lens of one row of a purpose."""
        limits = policy.rows[row]
        kin = tuple(p for p, t in policy.purposes.items() if t.direct_marketing) if terms.direct_marketing else ()
        return cls(
            row,
            terms.name,
            channel,
            recipient,
            limits.expires_after_days,
            limits.min_age,
            terms.notices,
            kin,
            terms.gpc,
        )


def _literal(lenses: Iterable[Lens]) -> Column:
    """Return the lenses as one literal array of structs."""
    return f.from_json(f.lit(json.dumps([asdict(lens) for lens in lenses])), _LENSES)


def token_states(ledger: DataFrame, policy: Policy, lenses: Iterable[Lens], moment: int) -> DataFrame:
    """Return token, row and what stands there at the moment (microseconds since 1970).

    Columns: restricted, young, granted, changed, expired; refusal, the rank of the strictest one that stands; and
    heard, the jurisdictions that the entries name (on the blank lens only).
    """
    known = ledger.where(
        f.col("token").isNotNull()
        & (f.unix_micros("received_at") <= moment)
        & (f.col("controller") == policy.controller)
    ).withColumn("told", f.least(f.unix_micros("occurred_at"), f.unix_micros("received_at")))
    # Every window below is about one token: one exchange by token serves them all.
    seen = known.repartition("token").withColumn("lens", f.explode(f.filter(_literal(lenses), _bear_upon)))
    return _states(_judged(_ended(seen), moment), moment)


def _bear_upon(lens: Column) -> Column:
    """Return whether an entry can change what is seen through a lens: most purposes say nothing about most others.

    With an entry come all that may end or lift it, which are of its own purpose. A signal may be of any purpose, and
    so may what ends and lifts it; and whoever says how old they are says it for every purpose.
    """
    lifts = (f.col("action") == GIVEN) & f.col("mechanism").isin(*AUTHENTICATED)
    signals = true(f.col("mechanism") == GPC) | true(lifts) | f.col("action").isin(*ENDINGS)
    return (
        (lens["row"] == NO_ROW)
        | (f.col("purpose") == ALL)
        | true(f.col("purpose") == lens["purpose"])
        | f.array_contains(lens["kin"], f.col("purpose"))
        | (lens["gpc"] & signals)
        | (lens["min_age"].isNotNull() & f.col("age_band").isNotNull())
    )


def _ended(seen: DataFrame) -> DataFrame:
    """Add when an ending last cut the grants of an entry's purpose or of the purpose asked about."""
    told, ending = f.col("told"), f.col("action").isin(*ENDINGS)
    about = (f.col("purpose") == ALL) | true(f.col("purpose") == f.col("lens.purpose"))
    here = Window.partitionBy("token", "lens.row")
    alike = Window.partitionBy("token", "lens.row", "purpose")
    return seen.withColumns(
        {
            "ended": f.greatest(
                f.max(f.when(ending & about, told)).over(here), f.max(f.when(ending, told)).over(alike)
            ),
            "lifted_restriction": f.max(f.when(f.col("action") == UNRESTRICTED, told)).over(here),
        }
    )


def _judged(seen: DataFrame, moment: int) -> DataFrame:
    """Add whether a grant holds, and the latest words of the same scope."""
    told, given = f.col("told"), f.col("action") == GIVEN
    notice = f.concat(f.col("notice_id"), f.lit("@"), f.col("notice_version"))
    noticed = (f.size("lens.notices") == 0) | true(f.array_contains(f.col("lens.notices"), notice))
    over = (
        true(f.unix_micros("effective_from") > moment)
        | true(f.unix_micros("expires_at") <= moment)
        | true(told + f.col("lens.expires_after_days") * _DAY <= moment)
        | true(f.col("ended") >= told)
    )
    scope = Window.partitionBy("token", "lens.row", "purpose", "channel", "recipient")
    live = f.col("live")
    authentic = live & f.col("mechanism").isin(*AUTHENTICATED)
    judged = seen.withColumns(
        {"changed": given & ~noticed, "expired": given & noticed & over, "live": given & noticed & ~over}
    )
    return judged.withColumns(
        {
            "live_at": f.max(f.when(live, told)).over(scope),
            "authentic_at": f.max(f.when(authentic, told)).over(scope),
            "refused_at": f.max(f.when(f.col("action").isin(*REFUSALS), told)).over(scope),
        }
    )


def _states(judged: DataFrame, moment: int) -> DataFrame:
    told = f.col("told")
    covers = _covers()
    grant = f.col("live") & covers & ~true(f.col("refused_at") >= told)
    lifted = f.when(f.col("mechanism") == GPC, f.col("authentic_at") > told).otherwise(f.col("live_at") > told)
    refusal = f.when(_bears() & ~true(lifted), _refusal_rank())
    restricted = (f.col("action") == RESTRICTED) & ~true(f.col("lifted_restriction") > told)
    bands = f.coalesce(*[f.when(f.col("age_band") == band, f.lit(age)) for band, age in AGE_BANDS.items()])
    grown = bands + f.floor((f.lit(moment) - told) / (_DAY * DAYS_A_YEAR))
    states = judged.groupBy("token", f.col("lens.row").alias("row")).agg(
        f.max(restricted).alias("restricted"),
        f.min(refusal).alias("refusal"),
        f.max(grant).alias("granted"),
        f.max(grant & (f.col("asserted_by") == GUARDIAN)).alias("guarded"),
        f.max(true(grown < f.col("lens.min_age"))).alias("child"),
        f.max(f.col("changed") & covers).alias("changed"),
        f.max(f.col("expired") & covers).alias("expired"),
        f.collect_set(f.when(f.col("lens.row") == NO_ROW, f.col("jurisdiction"))).alias("heard"),
    )
    return states.withColumn("young", f.col("child") & ~f.col("guarded")).drop("child", "guarded")


def _covers() -> Column:
    """Return whether a grant reaches all of what is asked."""
    return (
        ((f.col("purpose") == ALL) | true(f.col("purpose") == f.col("lens.purpose")))
        & (f.col("channel").isNull() | true(f.col("channel") == f.col("lens.channel")))
        & (f.col("recipient").isNull() | true(f.col("recipient") == f.col("lens.recipient")))
    )


def _bears() -> Column:
    """Return whether a refusal is about what is asked: broader, narrower or of the same kind."""
    kin = (
        (f.col("purpose") == ALL)
        | true(f.col("purpose") == f.col("lens.purpose"))
        | ((f.col("action") == OBJECTED) & f.array_contains(f.col("lens.kin"), f.col("purpose")))
        | ((f.col("mechanism") == GPC) & f.col("lens.gpc"))
    )
    return f.col("action").isin(*REFUSALS) & kin & _overlaps("channel") & _overlaps("recipient")


def _overlaps(column: str) -> Column:
    said, asked = f.col(column), f.col(f"lens.{column}")
    return said.isNull() | asked.isNull() | (said == asked)


def _refusal_rank() -> Column:
    by_action = f.coalesce(*[f.when(f.col("action") == action, f.lit(RANK[action])) for action in REFUSALS])
    return f.when(f.col("mechanism") == GPC, f.lit(RANK[GPC])).otherwise(by_action)


def true(column: Column) -> Column:
    """Return whether a condition surely holds: what cannot be told does not."""
    return f.coalesce(column, f.lit(False))
