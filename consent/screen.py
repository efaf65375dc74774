"""The decision for whole lists: `consent.decide` as one Spark plan over groups of tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from consent.matrix import ANYWHERE, NO_ROW, everywhere, selection, terms_of
from consent.model import BASES, DENIALS, GRANT_LINKS, RANK, REASONS, UNREFUSABLE, Policy, PurposeTerms
from consent.transforms import Lens, token_states

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One purpose of the screening with the rows that it may fall under."""

    terms: PurposeTerms
    chosen: tuple[tuple[str, tuple[int, ...]], ...]

    def rows(self) -> tuple[int, ...]:
        return tuple(sorted({row for _, rows in self.chosen for row in rows}))


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

    `groups` has group_id, token (may be null) and link (own, verified, probable), and may have a jurisdiction; a
    group that names none is judged by the policy's, or by the strictest row. `ledger` is the mirror `consent_event`.
    """
    asked = []
    lenses = [Lens.blank()]
    for name in purposes:
        terms = terms_of(policy, name)
        one = _Asked(terms, selection(policy, terms, channel or terms.channel, recipient))
        asked.append(one)
        lenses += [Lens.of(policy, terms, row, channel or terms.channel, recipient) for row in one.rows()]
    moment = (as_of - _EPOCH) // timedelta(microseconds=1)
    if "jurisdiction" not in groups.columns:
        groups = groups.withColumn("jurisdiction", f.lit(None).cast("string"))
    facts = _facts(groups, token_states(ledger, policy, lenses, moment), policy)
    stated = groups.groupBy("group_id").agg(f.collect_set("jurisdiction").alias("stated"))
    judged = stated.join(facts, "group_id", "left").withColumn("stated", _stated(policy))
    answers = f.array(*[_answer(one, policy) for one in asked])
    return judged.select("group_id", f.inline(answers))


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
        f.max(f.col("granted")).alias("elsewhere"),
        f.max(f.col("changed") & f.col("may")).alias("changed"),
        f.max(f.col("expired") & f.col("may")).alias("expired"),
        f.flatten(f.collect_list(f.when(certain, f.col("heard")))).alias("heard"),
    )
    fields = ["restricted", "young", "refusal", "granted", "elsewhere", "changed", "expired"]
    return by_row.groupBy("group_id").agg(
        f.map_from_entries(f.collect_list(f.struct("row", f.struct(*fields)))).alias("facts"),
        f.array_distinct(f.flatten(f.collect_list("heard"))).alias("heard"),
    )


def _answer(one: _Asked, policy: Policy) -> Column:
    """Return the struct (purpose, allowed, reason, policy_line) of one purpose: the strictest of its candidates."""
    best = f.array_min(
        f.transform(
            _candidates(one), lambda row: f.struct(_rank(row, one, policy).alias("rank"), row.cast("int").alias("row"))
        )
    )
    rank, row = best["rank"], best["row"]
    reasons = f.array(*[f.lit(reason) for reason in REASONS])
    early = (row == NO_ROW) | (rank < len(DENIALS[:2]))
    here = f.lit(policy.place(one.terms.line))
    line = reduce(
        lambda rest, i: f.when(row == i, f.lit(policy.place(policy.rows[i].line))).otherwise(rest), one.rows(), here
    )
    return f.struct(
        f.lit(str(one.terms.name)).alias("purpose"),
        (rank >= RANK[BASES[0]]).alias("allowed"),
        f.element_at(reasons, rank + 1).alias("reason"),
        f.when(early, here).otherwise(line).alias("policy_line"),
    )


def _candidates(one: _Asked) -> Column:
    """Return the rows that may apply to a group, as `consent.matrix.candidates` does."""
    heard = f.coalesce(f.col("heard"), f.array().cast("array<string>"))
    rows = f.flatten(f.transform(f.concat(f.col("stated"), heard), lambda j: _rows_in(j, one)))
    return f.when(f.size("stated") == 0, _ints(everywhere(one.chosen))).otherwise(f.array_distinct(rows))


def _rows_in(jurisdiction: Column, one: _Asked) -> Column:
    found = _ints((NO_ROW,))
    for pattern, rows in reversed(one.chosen):
        inside = (jurisdiction == pattern) | jurisdiction.startswith(f"{pattern}-")
        found = _ints(rows) if pattern == ANYWHERE else f.when(inside, _ints(rows)).otherwise(found)
    return found


def _ints(values: Iterable[int]) -> Column:
    return f.array(*[f.lit(value) for value in values])


def _rank(row: Column, one: _Asked, policy: Policy) -> Column:
    """Return the rank of the reason that one candidate row gives: the order of `consent.decide`, line by line."""
    facts = f.try_element_at(f.col("facts"), row)
    anything = f.try_element_at(f.col("facts"), f.lit(NO_ROW))
    rows = one.rows()
    unrefusable = [i for i in rows if policy.rows[i].basis in UNREFUSABLE]
    opt_in = [i for i in rows if policy.rows[i].basis == "consent"]
    basis = reduce(
        lambda rest, i: f.when(row == i, f.lit(RANK[policy.rows[i].basis])).otherwise(rest),
        rows,
        f.lit(RANK["no_basis"]),
    )
    return (
        f.when(_true(anything["restricted"]), RANK["restricted"])
        .when(row == NO_ROW, RANK["no_basis"])
        .when(_true(facts["young"]), RANK["age"])
        .when(row.isin(unrefusable), basis)
        .when(facts["refusal"].isNotNull(), facts["refusal"])
        .when(~row.isin(opt_in), basis)
        .when(_true(facts["granted"]), RANK["consent"])
        .when(_true(facts["changed"]), RANK["notice_changed"])
        .when(_true(facts["expired"]), RANK["expired"])
        .when(_true(facts["elsewhere"]), RANK["link"])
        .otherwise(RANK["no_consent"])
    )


def _true(column: Column) -> Column:
    return f.coalesce(column, f.lit(False))
