"""Which blocking rules find the likely matches, at what cost: counted, recaptured, chosen under a budget. Pure.

How many matches a rule finds among those that it found itself says nothing. So matches are taken that another rule,
or an identifier, found without any field of this rule: of those, how many does this rule find again? (Lincoln and
Petersen: two catches that know nothing of each other.) Measured against a truth it is good to some hundredths
(docs/adr/0017).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Rule = tuple[str, ...]

SUBJECTS = {
    "given_name": "given_name", "given_form": "given_name", "given_initial": "given_name", "given_start": "given_name",
    "family_name": "family_name", "family_start": "family_name", "family_consonants": "family_name",
    "any_name": "given_name",
    "birth_date": "birth_date", "birth_year": "birth_date", "birth_day": "birth_date",
    "street": "street", "house_number": "street", "city": "city", "postcode": "postcode",
    "postal_area": "postcode", "handle": "email", "mailbox": "email",
    "phone": "phone", "phone_start": "phone", "phone_end": "phone",
}  # fmt: skip
"""The field that a blocking key is made of; keys of one field fail together."""

FEWEST = 50
"""Catches below which an estimate would be an anecdote."""
_WORTH = 0.002
_SILENT = 0.1


@dataclass(frozen=True, slots=True)
class Cost:
    """What a rule asks for: pairs under the cap, its largest block, records that blocks above the cap keep from it."""

    rule: Rule
    pairs: int
    largest: int
    reached: int
    silenced: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """Likely matches that exactly these rules and identifier types find, and how many there are."""

    found_by: frozenset[Rule]
    pairs: int


@dataclass(frozen=True, slots=True)
class Recaptured:
    """Catches of others, and how many of them were found again."""

    catches: int
    again: int

    @property
    def recall(self) -> float | None:
        """The estimated share of all matches that is found, or None where too few catches tell."""
        return self.again / self.catches if self.catches >= FEWEST else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A rule as it was taken into the set: what it costs, and what the set then finds again."""

    cost: Cost
    together: Recaptured


def identifier(name: str) -> Rule:
    """Return what stands for an identifier type among the rules: it brings pairs together as they do."""
    return (f"={name}",)


def subjects(rule: Rule) -> frozenset[str]:
    """Return the fields that a rule is made of; an identifier type is its own."""
    return frozenset(SUBJECTS.get(key, key.removeprefix("=")) for key in rule)


def candidates(keys: Iterable[str], several: frozenset[str] = frozenset()) -> tuple[Rule, ...]:
    """Return every key alone and every pair of keys that different fields make.

    Two keys with `several` values a record would be paired value by value, not each with each: such pairs are no rules.
    """
    ordered = sorted(keys)
    pairs = (
        (a, b) for a, b in combinations(ordered, 2) if not subjects((a,)) & subjects((b,)) and not {a, b} <= several
    )
    return (*((key,) for key in ordered), *pairs)


def found(rules: Iterable[Rule], patterns: Iterable[Pattern]) -> int:
    """Return how many likely matches any of the rules finds."""
    wanted = set(rules)
    return sum(p.pairs for p in patterns if p.found_by & wanted)


def recaptured(rules: Iterable[Rule], patterns: Iterable[Pattern], catchers: Iterable[Rule]) -> Recaptured:
    """Return how many catches of each catcher the rules find again, by rules that share no field with it."""
    asked, by = list(dict.fromkeys(rules)), list(catchers)
    apart = {c: {r for r in asked if r != c and not subjects(r) & subjects(c)} for c in by}
    catches = again = 0
    for pattern in patterns:
        for catcher in by:
            if catcher in pattern.found_by and apart[catcher]:
                catches += pattern.pairs
                again += pattern.pairs if pattern.found_by & apart[catcher] else 0
    return Recaptured(catches, again)


def chosen(
    costs: Sequence[Cost],
    patterns: Sequence[Pattern],
    catchers: Sequence[Rule],
    records: int,
    budget: float,
    *,
    given: Sequence[Rule] = (),
) -> tuple[Choice, ...]:
    """Return rules in the order they were taken: each time the one that finds most catches again for its pairs.

    A catch counts as found by a rule that shares no field with its catcher, so the set leans on no field alone. What is
    `given` (identifier types) is there in any case. Stops where every further rule would go over the budget (in pairs
    a record), or finds too little. What later rules made superfluous is left out again.
    """
    bit = {rule: 1 << n for n, rule in enumerate((*given, *(cost.rule for cost in costs)))}
    catches = _catches(patterns, catchers, bit)
    already = sum(bit[rule] for rule in given)
    taken, left, spent = [], [cost for cost in costs if cost.rule not in given], 0.0
    # a rule that the cap silences for many today is silent tomorrow, when blocks have grown
    left = [cost for cost in left if cost.silenced <= _SILENT * records]
    still = Counter({mask: n for mask, n in catches.items() if not mask & already})
    while left:
        gains = _gains(still)
        fitting = [c for c in left if spent + c.pairs <= budget * records and gains[bit[c.rule]] >= _least(catches)]
        if not fitting:
            break
        # a rule costs its pairs, and about one more a record for being kept at all
        best = min(fitting, key=lambda c: (-gains[bit[c.rule]] / (c.pairs + records), c.pairs, c.rule))
        left.remove(best)
        taken.append(best)
        spent += best.pairs
        still = Counter({mask: n for mask, n in still.items() if not mask & bit[best.rule]})
    kept = _needed(taken, catches, bit, already)
    rules = [cost.rule for cost in kept]
    return tuple(Choice(cost, recaptured((*given, *rules[: n + 1]), patterns, catchers)) for n, cost in enumerate(kept))


def _catches(patterns: Iterable[Pattern], catchers: Iterable[Rule], bit: Mapping[Rule, int]) -> Counter[int]:
    """Return how many catches there are by the rules, as bits, that could find them again."""
    by = tuple(catchers)
    apart = {c: sum(b for rule, b in bit.items() if rule != c and not subjects(rule) & subjects(c)) for c in by}
    found_again: Counter[int] = Counter()
    for pattern in patterns:
        mask = sum(bit[rule] for rule in pattern.found_by if rule in bit)
        for catcher in by:
            if catcher in pattern.found_by:
                found_again[mask & apart[catcher]] += pattern.pairs
    return found_again


def _least(catches: Counter[int]) -> float:
    """Return how many catches a rule must find beyond the others to be worth having."""
    return max(_WORTH * catches.total(), 1)


def _needed(taken: Sequence[Cost], catches: Counter[int], bit: Mapping[Rule, int], already: int) -> list[Cost]:
    """Return the rules without those whose catches the others find as well, the dearest looked at first."""
    kept = list(taken)
    for cost in sorted(taken, key=lambda c: (-c.pairs, c.rule)):
        others = sum(bit[c.rule] for c in kept if c is not cost) | already
        alone = sum(n for mask, n in catches.items() if mask & bit[cost.rule] and not mask & others)
        if alone < _least(catches):
            kept.remove(cost)
    return kept


def _gains(catches: Mapping[int, int]) -> Counter[int]:
    """Return for each rule's bit how many open catches it would find."""
    gains: Counter[int] = Counter()
    for mask, pairs in catches.items():
        rest = mask
        while rest:
            lowest = rest & -rest
            gains[lowest] += pairs
            rest ^= lowest
    return gains


def as_yaml(rules: Iterable[Rule], cap: int) -> str:
    """Return what to paste into `identity.yaml`."""
    lines = [f"  - [{', '.join(rule)}]" for rule in rules]
    return "\n".join(["blocking:", *lines, "limits:", f"  block: {cap}"])
