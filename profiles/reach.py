"""How far a word given under one identifier carries: which records are tied to a person's anchor by proof."""

from collections.abc import Iterable

from profiles.model import Link

# Proof is followed over at most this many edges; what lies farther counts as probable, which only restricts.
HOPS = 8


def proven(anchor: str, ties: Iterable[tuple[str, str]], hops: int = HOPS) -> frozenset[str]:
    """Return the records reached from the anchor over deterministic ties, the anchor itself among them.

    `profiles.transforms.links.proven` is its twin in Spark.
    """
    pairs = list(ties)
    reached = {anchor}
    for _ in range(hops):
        beyond = {b for a, b in pairs if a in reached} | {a for a, b in pairs if b in reached}
        if beyond <= reached:
            break
        reached |= beyond
    return frozenset(reached)


def link_class(record_key: str, anchor: str, verified: Iterable[str]) -> Link:
    """Return how closely a record's identifiers are tied to the person whose anchor this is.

    Grants cross own and verified links only, refusals cross all (consent chapter of the design).
    """
    if record_key == anchor:
        return "own"
    return "verified" if record_key in set(verified) else "probable"
