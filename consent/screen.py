"""The decision for whole lists: `consent.decide` as one Spark plan over groups of tokens.

The policy goes into the plan as data, one literal each for lenses, purposes and rows: the plan stays small however
large the matrix is, and no value of a person stands in it.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from consent.matrix import ANYWHERE, NO_ROW, everywhere, selection, terms_of
from consent.model import BASES, DENIALS, GRANT_LINKS, PARTED, RANK, REASONS, UNREFUSABLE, Policy, PurposeTerms
from consent.places import members
from consent.transforms import Lens, token_states, true

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ASKED: Final = (
    "array<struct<purpose:string,line:string,everywhere:array<int>,"
    "places:array<struct<place:string,members:array<string>,rows:array<int>>>>>"
)
_ROWS: Final = "array<struct<basis:int,unrefusable:boolean,opt_in:boolean,line:string>>"


def screen(
    groups: DataFrame,
    ledger: DataFrame,
    policy: Policy,
    purposes: Iterable[str],
    as_of: datetime,
    *,
    channel: str | None = None,
    recipient: str | None = None,
) -> DataFrame:
    """Return group_id, purpose, allowed, reason and policy_line for every group and purpose.

    `groups` has group_id, token (may be null) and link (own, verified, probable, parted), and may have a jurisdiction;
    a group that names none is judged by the policy's, or by the strictest row. `ledger` is the mirror `consent_event`.
    """
    asked, lenses = [], [Lens.blank()]
    for terms in (terms_of(policy, name) for name in purposes):
        meant = channel or terms.channel
        chosen = selection(policy, terms, meant, recipient)
        asked.append(_asked(policy, terms, chosen))
        rows = sorted({row for _, rows in chosen for row in rows})
        lenses += [Lens.of(policy, terms, row, meant, recipient) for row in rows]
    moment = (as_of - _EPOCH) // timedelta(microseconds=1)
    if "jurisdiction" not in groups.columns:
        groups = groups.withColumn("jurisdiction", f.lit(None).cast("string"))
    facts = _facts(groups, token_states(ledger, policy, lenses, moment), policy)
    stated = groups.groupBy("group_id").agg(f.collect_set("jurisdiction").alias("stated"))
    judged = stated.join(facts, "group_id", "left").withColumn("stated", _stated(policy))
    questions = judged.withColumn("asked", f.explode(f.from_json(f.lit(json.dumps(asked)), _ASKED)))
    return _told(questions.select("group_id", "asked", _answer(policy).alias("answer")), policy)


def record_decisions(
    records: DataFrame, ledger: DataFrame, policy: Policy, purposes: Iterable[str], as_of: datetime
) -> DataFrame:
    """Return record_key, purpose, allowed, reason and policy_line: each record judged by its own identifiers alone.

    `records` has record_key and identifiers (a list of structs with a token), and may have a jurisdiction.
    """
    kept = ["jurisdiction"] if "jurisdiction" in records.columns else []
    groups = records.select(
        f.col("record_key").alias("group_id"),
        f.explode_outer(f.col("identifiers.token")).alias("token"),
        f.lit("own").alias("link"),
        *kept,
    )
    return screen(groups, ledger, policy, purposes, as_of).withColumnRenamed("group_id", "record_key")


def _stated(policy: Policy) -> Column:
    if policy.jurisdiction is None:
        return f.col("stated")
    return f.when(f.size("stated") == 0, f.array(f.lit(policy.jurisdiction))).otherwise(f.col("stated"))


def _facts(groups: DataFrame, states: DataFrame, policy: Policy) -> DataFrame:
    """Return for each group that the ledger knows: its facts by matrix row, and the jurisdictions heard of."""
    contact_rows = [i for i, row in enumerate(policy.rows) if policy.purposes[row.purpose].level == "contact"]
    certain = f.col("link").isin(*GRANT_LINKS["person"])
    may = f.when(f.col("row").isin(contact_rows), f.col("link").isin(*GRANT_LINKS["contact"])).otherwise(certain)
    joined = groups.select("group_id", "token", "link").join(states, "token").withColumn("may", may)
    by_row = joined.groupBy("group_id", "row").agg(
        f.max("restricted").alias("restricted"),
        f.max("young").alias("young"),
        f.min("refusal").alias("refusal"),
        f.max(f.col("granted") & f.col("may")).alias("granted"),
        f.max(f.col("granted") & (f.col("link") != PARTED)).alias("elsewhere"),
        f.max(f.col("changed") & f.col("may")).alias("changed"),
        f.max(f.col("expired") & f.col("may")).alias("expired"),
        f.flatten(f.collect_list(f.when(certain, f.col("heard")))).alias("heard"),
    )
    fields = ["restricted", "young", "refusal", "granted", "elsewhere", "changed", "expired"]
    return by_row.groupBy("group_id").agg(
        f.map_from_entries(f.collect_list(f.struct("row", f.struct(*fields)))).alias("facts"),
        f.array_distinct(f.flatten(f.collect_list("heard"))).alias("heard"),
    )


def _asked(policy: Policy, terms: PurposeTerms, chosen: tuple[tuple[str, tuple[int, ...]], ...]) -> Mapping[str, Any]:
    """Return one purpose as data of the plan: its line, and the rows by place, the narrowest place first."""
    return {
        "purpose": terms.name,
        "line": policy.place(terms.line),
        "everywhere": everywhere(chosen),
        "places": [{"place": place, "members": members(place), "rows": rows} for place, rows in chosen],
    }


def _matrix(policy: Policy) -> Column:
    rows = [
        {
            "basis": RANK[row.basis],
            "unrefusable": row.basis in UNREFUSABLE,
            "opt_in": row.basis == "consent",
            "line": policy.place(row.line),
        }
        for row in policy.rows
    ]
    return f.from_json(f.lit(json.dumps(rows)), _ROWS)


def _answer(policy: Policy) -> Column:
    """Return the struct (rank, row) of the strictest of the rows that may apply."""
    matrix = _matrix(policy)
    return f.array_min(
        f.transform(_candidates(), lambda row: f.struct(_rank(row, matrix).alias("rank"), row.alias("row")))
    )


def _candidates() -> Column:
    """Return the rows that may apply to a group, as `consent.matrix.candidates` does."""
    heard = f.coalesce(f.col("heard"), f.array().cast("array<string>"))
    rows = f.flatten(f.transform(f.concat(f.col("stated"), heard), _rows_in))
    return f.when(f.size("stated") == 0, f.col("asked.everywhere")).otherwise(f.array_distinct(rows))


def _rows_in(jurisdiction: Column) -> Column:
    def covers(entry: Column) -> Column:
        place = entry["place"]
        within = jurisdiction.startswith(f.concat(place, f.lit("-"))) | f.array_contains(entry["members"], country)
        return (place == ANYWHERE) | (jurisdiction == place) | within

    country = f.substring_index(jurisdiction, "-", 1)

    first = f.try_element_at(f.filter(f.col("asked.places"), covers), f.lit(1))
    return f.coalesce(first["rows"], f.array(f.lit(NO_ROW)))


def _rank(row: Column, matrix: Column) -> Column:
    """Return the rank of the reason that one candidate row gives: the order of `consent.decide`, line by line."""
    facts = f.try_element_at(f.col("facts"), row)
    anything = f.try_element_at(f.col("facts"), f.lit(NO_ROW))
    rule = f.get(matrix, row)
    return (
        f.when(true(anything["restricted"]), RANK["restricted"])
        .when(row == NO_ROW, RANK["no_basis"])
        .when(true(facts["young"]), RANK["age"])
        .when(rule["unrefusable"], rule["basis"])
        .when(facts["refusal"].isNotNull(), facts["refusal"])
        .when(~rule["opt_in"], rule["basis"])
        .when(true(facts["granted"]), RANK["consent"])
        .when(true(facts["changed"]), RANK["notice_changed"])
        .when(true(facts["expired"]), RANK["expired"])
        .when(true(facts["elsewhere"]), RANK["link"])
        .otherwise(RANK["no_consent"])
    )


def _told(answered: DataFrame, policy: Policy) -> DataFrame:
    """Return the answers in words: the reason of the rank, the line of the row."""
    rank, row = f.col("answer.rank"), f.col("answer.row")
    reasons = f.from_json(f.lit(json.dumps(REASONS)), "array<string>")
    # A denial before the matrix is read rests on the purpose itself.
    early = (row == NO_ROW) | (rank < len(DENIALS[:2]))
    return answered.select(
        "group_id",
        f.col("asked.purpose").alias("purpose"),
        (rank >= RANK[BASES[0]]).alias("allowed"),
        f.get(reasons, rank).alias("reason"),
        f.when(early, f.col("asked.line")).otherwise(f.get(_matrix(policy), row)["line"]).alias("policy_line"),
    )
