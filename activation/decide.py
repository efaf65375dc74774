"""Chooses the next best action: eligibility, consent, caps, score, and a chance that is written down.

Pure: the same plan, person, context, campaigns and key give the same choice for ever. Chance is a keyed hash
of who, what and when, so that nobody can steer it and every choice can be checked afterwards.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from math import exp, sqrt

from activation.model import NO_ACTION, Campaign, Candidate, Choice, Context, Person
from activation.plan import Cap, Plan
from activation.select import selected

# A campaign is trusted as far as its audience is large: so many people at the overall rate are added to each.
_PRIOR = 100
_RESOLUTION = 2**64


def decide(plan: Plan, person: Person, context: Context, campaigns: Sequence[Campaign], key: bytes) -> Choice:
    """Return the choice among the campaigns and no action, with every candidate's score, chance or exclusion."""
    held = in_holdout(plan, person.profile, key)
    blanket = _for_everything(plan, person, context, held=held)
    ordered = sorted(campaigns, key=lambda campaign: campaign.campaign)
    reasons = {c.campaign: blanket or excluded(plan, person, context, c) for c in ordered}
    rates = redemption_rates(ordered)
    scored = [_scored(plan, person, c, rates[c.campaign], reasons[c.campaign]) for c in ordered]
    scored.append(Candidate(NO_ACTION, plan.weights.no_action, 0.0))
    candidates = _with_propensity(plan, scored)
    chosen = _drawn(candidates, chance(key, "choice", plan.decision, person.profile, canonical(context)))
    because = blanket or ("nothing eligible" if all(reasons.values()) else plan.exploration.method)
    return Choice(
        decision=plan.decision,
        purpose=plan.purpose,
        chosen=chosen.campaign,
        propensity=chosen.propensity,
        holdout=held,
        because=because,
        candidates=candidates,
    )


def in_holdout(plan: Plan, profile: str, key: bytes) -> bool:
    """Say whether a person belongs to the group that is left alone, so that the effect can be measured."""
    return chance(key, "holdout", plan.decision, profile) < plan.holdout


def excluded(plan: Plan, person: Person, context: Context, campaign: Campaign) -> str | None:
    """Return why a campaign is not for this person now, or None where it may be offered."""
    if not running(campaign, context.at.date(), yearly=plan.yearly):
        return "not running"
    for rule in plan.rules:
        if rule.concerns(campaign) and not selected(rule.condition, person.facts, context.at):
            return "condition"
    return None


def running(campaign: Campaign, day: date, *, yearly: bool) -> bool:
    """Say whether a campaign runs on a day; a yearly one runs on the same days of every year."""
    if not yearly:
        return campaign.starts_on <= day <= campaign.ends_on
    years = range(campaign.starts_on.year, campaign.ends_on.year + 1)
    return any(campaign.starts_on <= _in_year(day, year) <= campaign.ends_on for year in years)


def affinity(likes: Mapping[str, float], categories: Mapping[str, float]) -> float:
    """Return how alike a person's categories and a campaign's are: the cosine of the two, 0 to 1."""
    shared = sum(likes[name] * categories[name] for name in sorted(likes.keys() & categories.keys()))
    length = _length(likes) * _length(categories)
    return shared / length if length else 0.0


def redemption_rates(campaigns: Sequence[Campaign]) -> dict[str, float]:
    """Return each campaign's redemption rate, smoothed towards the overall one and relative to the best, 0 to 1."""
    reached = sum(c.reached for c in campaigns)
    overall = sum(c.redeemers for c in campaigns) / reached if reached else 0.0
    smooth = {c.campaign: (c.redeemers + _PRIOR * overall) / (c.reached + _PRIOR) for c in campaigns}
    best = max(smooth.values(), default=0.0)
    return {name: rate / best if best else 0.0 for name, rate in smooth.items()}


def chance(key: bytes, *about: str) -> float:
    """Return a number in [0, 1) that only the key's holder can foresee, always the same for the same things."""
    text = json.dumps(about, ensure_ascii=True).encode()
    return int.from_bytes(hmac.new(key, text, hashlib.sha256).digest()[:8], "big") / _RESOLUTION


def canonical(context: Context) -> str:
    """Return a context as one text: equal contexts, equal text."""
    said = [context.at.isoformat(), context.channel, context.device, sorted(context.basket)]
    return json.dumps(said, ensure_ascii=True, separators=(",", ":"))


def _for_everything(plan: Plan, person: Person, context: Context, *, held: bool) -> str | None:
    """Return the reason that rules out every campaign at once; consent is asked first."""
    if not person.consent.allowed:
        return "consent"
    if held:
        return "holdout"
    if plan.channels and context.channel not in plan.channels:
        return "channel"
    return "cap" if any(_full(cap, person, context.now) for cap in plan.caps) else None


def _full(cap: Cap, person: Person, now: datetime) -> bool:
    return sum(1 for when in person.contacts if now - cap.per < when <= now) >= cap.contacts


def _in_year(day: date, year: int) -> date:
    leap = day.month == 2 and day.day == 29  # most years lack it
    return date(year, 2, 28) if leap else day.replace(year=year)


def _length(vector: Mapping[str, float]) -> float:
    return sqrt(sum(vector[name] ** 2 for name in sorted(vector)))


def _scored(plan: Plan, person: Person, campaign: Campaign, rate: float, reason: str | None) -> Candidate:
    # Without consent nothing of the person is looked at, not even to log a score.
    alike = affinity(person.likes, campaign.categories) if person.consent.allowed else 0.0
    score = plan.weights.affinity * alike + plan.weights.redemption * rate
    parts = {"affinity": alike, "redemption": rate}
    return Candidate(campaign.campaign, score, 0.0, reason, parts)


def _with_propensity(plan: Plan, scored: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates with their chances, which add up to one over those not excluded."""
    open_ones = [c for c in scored if c.excluded is None]
    chances = _softmax(open_ones, plan.exploration.amount)
    if plan.exploration.method == "epsilon":
        chances = _greedy(open_ones, plan.exploration.amount)
    return tuple(
        Candidate(c.campaign, c.score, chances.get(c.campaign, 0.0), c.excluded, c.parts)
        for c in sorted(scored, key=lambda c: (-c.score, c.campaign))
    )


def _softmax(candidates: Sequence[Candidate], temperature: float) -> dict[str, float]:
    best = max(c.score for c in candidates)
    weights = {c.campaign: exp((c.score - best) / temperature) if temperature else 0.0 for c in candidates}
    total = sum(weights.values()) or 1.0
    return {name: weight / total for name, weight in weights.items()}


def _greedy(candidates: Sequence[Candidate], epsilon: float) -> dict[str, float]:
    best = min(candidates, key=lambda c: (-c.score, c.campaign)).campaign
    share = epsilon / len(candidates)
    return {c.campaign: share + (1 - epsilon if c.campaign == best else 0.0) for c in candidates}


def _drawn(candidates: Sequence[Candidate], at: float) -> Candidate:
    """Return the candidate in whose stretch of [0, 1) the number falls."""
    possible = [c for c in candidates if c.excluded is None and c.propensity > 0]
    reached = 0.0
    for candidate in possible:
        reached += candidate.propensity
        if at < reached:
            return candidate
    return possible[-1]  # the stretches add up to a hair less than one
