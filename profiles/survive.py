"""Whom to believe: of the claims that records make about one field, the one that survives, and by which rule."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from profiles.model import Claim, Decided, Rule, Survivor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_THOUSAND = 1_000


def survivor(claims: Iterable[Claim], rules: Sequence[Rule]) -> Survivor | None:
    """Return the claim to believe, or None where nobody claims anything.

    The rules are asked in order, each only where the ones before it tie; what ties under all of them goes to
    the value that sorts first, so that the answer never depends on the order of the claims. A record counts
    once for a value, however often it repeats it. `profiles.transforms.golden.survivors` is the twin in Spark.
    """
    distinct = sorted(set(claims), key=lambda c: (c.value, c.source, c.record_key))
    if not distinct:
        return None
    support = Counter(claim.value for claim in distinct)
    scores = {claim: _scores(claim, support[claim.value], rules) for claim in distinct}
    best = min(distinct, key=lambda c: ([-s for s in scores[c]], c.value, c.source, c.record_key))
    return Survivor(best, _decided_by(best, scores, rules), _confidence(best.value, distinct))


def _scores(claim: Claim, support: int, rules: Sequence[Rule]) -> list[int]:
    # Whole numbers only: they compare alike on every engine.
    known = {
        "most_trusted": milli(claim.trust),
        "most_recent": (claim.observed_at - _EPOCH) // _MICROSECOND,
        "most_frequent": support,
        "longest": len(claim.value),
    }
    return [known[rule] for rule in rules]


def milli(trust: float) -> int:
    """Return a trust in thousandths: whole numbers add up alike in any order."""
    return int(trust * _THOUSAND + 0.5)


def _decided_by(best: Claim, scores: dict[Claim, list[int]], rules: Sequence[Rule]) -> Decided:
    """Return the rule under which the last rival with another value fell behind."""
    rivals = [score for claim, score in scores.items() if claim.value != best.value]
    if not rivals:
        return "unopposed"
    parting = max(_first_difference(scores[best], rival) for rival in rivals)
    return rules[parting] if parting < len(rules) else "alphabetical"


def _first_difference(left: list[int], right: list[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b), len(left))


def _confidence(value: str, claims: Sequence[Claim]) -> float:
    """Return the best supporter's trust times the share of all trust that agrees, to three digits."""
    total = sum(milli(c.trust) for c in claims)
    if total == 0:
        return 0.0
    agreeing = [milli(c.trust) for c in claims if c.value == value]
    return (max(agreeing) * sum(agreeing) // total) / _THOUSAND
