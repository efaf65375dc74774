"""Why are two records one person, how did a profile come about, why not: evidence as rows and sentences. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import exp2

from identity.model import MICRO, Constraint, EdgeState, Reason
from infra.ids import RecordKey

_WHY_NOT = {
    "cannot_link": "a steward decided that they are two",
    "strong_negative": "some of their records contradict each other too strongly",
    "mean_weight": "their records taken together do not fit well enough",
    "no_evidence": "nothing links them once their records are taken together",
    "below_threshold": "the evidence is too weak",
    "ambiguous": "one of them fits somebody else just as well",
    "shared": "the identifier is shared by several persons",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One stored edge with its reasons."""

    left: RecordKey
    right: RecordKey
    weight_micro: int
    state: EdgeState
    why: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of a waterfall: what was compared, how it came out, its bits and where the sum stands after it."""

    comparison: str
    level: str
    bits: float
    total: float


@dataclass(frozen=True, slots=True)
class Why:
    """The answer to `why(a, b)`: the sum in bits, its steps, and sentences for people."""

    bits: float
    probability: float
    steps: tuple[Step, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """One step of how a profile came about: the record that joined, by which edge."""

    joined: RecordKey
    by: RecordKey
    bits: float
    because: str


@dataclass(frozen=True, slots=True)
class How:
    """The answer to `how(profile)`: ordered merges, links that were refused, and stewards' words."""

    merges: tuple[Merge, ...]
    refused: tuple[str, ...] = field(default=())
    constraints: tuple[str, ...] = field(default=())


def why(edge: Evidence) -> Why:
    """Return the waterfall of one edge: steps add up to its weight, the strongest first after the prior."""
    first = [r for r in edge.reasons if r.comparison == "prior"]
    last = [r for r in edge.reasons if r.comparison == "household"]
    rest = [r for r in edge.reasons if r.comparison not in {"prior", "household"}]
    ordered = [*first, *sorted(rest, key=lambda r: (-abs(r.weight_micro), r.comparison)), *last]
    steps, total = [], 0
    for reason in ordered:
        total += reason.weight_micro
        steps.append(Step(reason.comparison, reason.level, _bits(reason.weight_micro), _bits(total)))
    sentences = tuple(sentence for reason in ordered if (sentence := _sentence(reason)))
    return Why(_bits(edge.weight_micro), probability(edge.weight_micro), tuple(steps), (*sentences, _outcome(edge)))


def why_not(edge: Evidence | None) -> str:
    """Return the first gate that two records failed at."""
    if edge is None:
        return "nothing brought them together: they share no identifier that counts and no key that candidates are looked for by"
    if edge.state == "kept":
        return "they are one person"
    if edge.why.startswith("limit:"):
        return f"one person would have too many values of {edge.why.partition(':')[2]}"
    return _WHY_NOT.get(edge.why, edge.why)


def strongest(edges: Iterable[Evidence]) -> Evidence | None:
    """Return the edge that speaks most for one person; ties go by record keys."""
    return next(iter(_strongest(list(edges))), None)


def apart(edges: Iterable[Evidence], ours: Iterable[RecordKey], theirs: Iterable[RecordKey]) -> Evidence | None:
    """Return the strongest edge between two profiles, which some gate refused; None where nothing joins them."""
    left, right = set(ours), set(theirs)
    return strongest(e for e in edges if (e.left in left and e.right in right) or (e.left in right and e.right in left))


def how(members: Iterable[RecordKey], edges: Sequence[Evidence], constraints: Iterable[Constraint] = ()) -> How:
    """Return how a profile came about: its strongest links that hold it together, in the order of their strength."""
    inside = set(members)
    kept = [e for e in edges if e.state == "kept" and e.left in inside and e.right in inside]
    crossing = [e for e in edges if e.state == "suppressed" and (e.left in inside) != (e.right in inside)]
    touching = [c for c in constraints if c.left in inside or c.right in inside]
    return How(
        tuple(_tree(kept)),
        tuple(
            f"{e.left} and {e.right} ({_bits(e.weight_micro):+.1f} bits): {why_not(e)}" for e in _strongest(crossing)
        ),
        tuple(f"{c.kind} {c.left} {c.right} by {c.actor}: {c.reason}" for c in touching),
    )


def _tree(kept: Sequence[Evidence]) -> Iterable[Merge]:
    parent: dict[RecordKey, RecordKey] = {}

    def root(key: RecordKey) -> RecordKey:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for edge in _strongest(kept):
        a, b = root(edge.left), root(edge.right)
        if a != b and edge.weight_micro > 0:
            parent[max(a, b)] = min(a, b)
            best = max(edge.reasons, key=lambda r: (r.weight_micro, r.comparison), default=None)
            because = f"{best.comparison} {best.level}" if best else ""
            yield Merge(edge.right, edge.left, _bits(edge.weight_micro), because)


def _strongest(edges: Sequence[Evidence]) -> list[Evidence]:
    return sorted(edges, key=lambda e: (-e.weight_micro, e.left, e.right))


def probability(weight_micro: int) -> float:
    """Return a weight as the probability that two records are one person."""
    bits = max(-200.0, min(200.0, weight_micro / MICRO))
    return 1 / (1 + exp2(-bits))


def _bits(micro: int) -> float:
    return round(micro / MICRO, 3)


def _sentence(reason: Reason) -> str:
    bits = _bits(reason.weight_micro)
    if reason.comparison == "prior":
        return f"Two records picked at random are hardly ever one person: {bits:+.1f} bits."
    if reason.comparison == "household":
        return f"Members of one household have this in common too: {bits:+.1f} bits."
    if reason.level == "shared":
        return f"They share the identifier {reason.comparison}: {bits:+.1f} bits."
    name = reason.comparison.replace("_", " ")
    return f"Their {name} is {reason.level}: {bits:+.1f} bits." if reason.weight_micro else ""


def _outcome(edge: Evidence) -> str:
    chance = probability(edge.weight_micro)
    verdict = "they are one person" if edge.state == "kept" else f"kept apart, for {why_not(edge)}"
    return f"Together {_bits(edge.weight_micro):+.1f} bits, or {chance:.1%}: {verdict}."
