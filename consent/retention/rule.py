"""Which rule counts for a row, and whether its period is over. `consent.retention.columns` is the twin in Spark.

The narrowest rule decides, for each purpose by itself. A row is past when no purpose may keep it any longer; where one
has no rule, the row stays.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from consent.retention.model import Row, Rule
from infra.ids import Purpose

# Telling who is who serves the other purposes, and keeps nothing for its own sake.
SERVING: Final = Purpose("identity_resolution")


def ranked(rules: Iterable[Rule], table: str, purpose: Purpose | None) -> tuple[Rule, ...]:
    """Return the rules that may count for rows of a table and a purpose, the narrowest first."""
    mine = (rule for rule in rules if rule.table == table and rule.purpose in (None, purpose))
    return tuple(sorted(mine, key=lambda rule: rule.narrowness, reverse=True))


def keepers(rules: Iterable[Rule], table: str, purposes: Collection[Purpose]) -> tuple[tuple[Rule, ...], ...]:
    """Return each different ranking of the rules by which some purpose keeps rows of a table; empty without rules.

    A row is past where it is past by every one of them.
    """
    rules = [rule for rule in rules if rule.table == table]
    if not rules:
        return ()
    wanted = [one for one in purposes if one != SERVING] if any(rule.purpose for rule in rules) else [None]
    return tuple(dict.fromkeys(ranked(rules, table, purpose) for purpose in wanted))


def counting(ranking: Sequence[Rule], row: Row) -> Rule | None:
    """Return the rule that counts for a row, or None where none speaks of it."""
    return next((r for r in ranking if r.source in (None, row.source) and r.type in (None, row.type)), None)


def over(rule: Rule | None, row: Row, at: datetime) -> bool:
    """Say whether a row's period is over; it never is without a rule, nor without the moment that counts."""
    moment = None if rule is None else row.moments.get(rule.counted_from)
    return rule is not None and moment is not None and moment < rule.keep.before(at)


def past(rules: Iterable[Rule], table: str, row: Row, purposes: Collection[Purpose], at: datetime) -> bool:
    """Say whether a row goes: no purpose may keep it any longer."""
    rankings = keepers(rules, table, purposes)
    return bool(rankings) and all(over(counting(ranking, row), row, at) for ranking in rankings)


def withheld(
    rules: Sequence[Rule], table: str, row: Row, purposes: Collection[Purpose], at: datetime
) -> frozenset[Purpose]:
    """Return the purposes that by a rule of their own may not use a row any longer, though others may keep it."""
    counted = {one: counting(ranked(rules, table, one), row) for one in purposes if one != SERVING}
    return frozenset(one for one, rule in counted.items() if rule and rule.purpose and over(rule, row, at))


def told(rules: Iterable[Rule], table: str, purpose: Purpose | None = None) -> str | None:
    """Return in words how long rows of a table are kept (for a purpose), the broadest rule first; None: no rule."""
    mine = sorted((r for r in rules if r.table == table and r.purpose in (None, purpose)), key=lambda r: r.narrowness)
    return "; ".join(_narrowed(rule) for rule in mine) or None


def _narrowed(rule: Rule) -> str:
    names = [f"of {rule.source}" if rule.source else "", f"of type {rule.type}" if rule.type else ""]
    narrow = " ".join(filter(None, names))
    return f"{narrow}: {rule}" if narrow else str(rule)
