"""One record against the persons that are known: attach it, create somebody, or propose a merge. Pure.

The clusters are those of the batch's own rule (`identity.clustering.cluster`), over the component that the record makes. What
differs is what may be done about them at once: a record may join a person, nobody's records (anonymous, or bare)
may come along, but two persons are made one by the batch or a steward only, and nothing is taken apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from identity.clustering.cluster import Rules, clusters
from identity.clustering.ids import profile_id
from identity.explanation.explain import probability
from identity.model import Constraint, Edge, Node, Rank, Reason
from infra.ids import ProfileId, RecordKey

Act = Literal["attach", "create", "merge_proposed"]
Deferred = Literal["merge", "split", "block", "candidates", "component", "update", "tenancy"]
"""What is left to the batch: a merge of persons, a person taken apart, a block that crossed its cap, and so on.

`tenancy`: the record ties those who carried a value to others who did, and so may bring pairs back between them.
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """The component that a record makes: everybody in it, their profiles, and all that is known between them."""

    nodes: Sequence[Node]
    ranks: Mapping[RecordKey, Rank]
    profile_of: Mapping[RecordKey, ProfileId]
    edges: Sequence[Edge]
    reasons: Mapping[RecordKey, tuple[Reason, ...]]
    constraints: Sequence[Constraint] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Who a record is. `provisional`: the profile is new, and called by the record's own birth id.

    `confidence` is the probability that the record is this profile's person; for a new profile, that it is nobody
    else's. `joined` are profiles of nobody that came along, `proposed` persons that the evidence would join.
    """

    record_key: RecordKey
    profile_id: ProfileId
    act: Act
    confidence: float
    reasons: tuple[Reason, ...] = ()
    why: str = ""
    provisional: bool = False
    joined: tuple[ProfileId, ...] = ()
    proposed: tuple[ProfileId, ...] = ()
    deferred: tuple[Deferred, ...] = field(default=())


def placed(new: RecordKey, scene: Scene, rules: Rules) -> Answer:
    """Return what becomes of a new record in its component."""
    if len(scene.nodes) == 1:
        return Answer(new, ProfileId(new), "create", 1.0, provisional=True)
    outcome = clusters(scene.nodes, scene.edges, scene.constraints, rules)
    mates = [key for key, name in outcome.cluster_of.items() if name == outcome.cluster_of[new] and key != new]
    known = {node.record_key: node for node in scene.nodes}
    links = {e.right if e.left == new else e.left: e for e in scene.edges if new in (e.left, e.right)}
    found = sorted({scene.profile_of[key] for key in mates})
    split: tuple[Deferred, ...] = ("split",) if _parted(outcome.cluster_of, scene.profile_of) else ()
    if not found:
        best = max(links, key=lambda key: (links[key].weight_micro, key), default=None)
        doubt = probability(links[best].weight_micro) if best else 0.0
        why = next((v.why for v in outcome.verdicts if best and {v.left, v.right} == {new, best}), "")
        return Answer(
            new, ProfileId(new), "create", 1 - doubt, scene.reasons.get(best, ()) if best else (), why,
            provisional=True, deferred=split,
        )  # fmt: skip
    persons = [p for p in found if _is_person(p, scene.profile_of, known)]
    whom = _closest(found if len(persons) <= 1 else persons, mates, links, scene.profile_of, rules)
    # nobody's records come along with one person; between several the batch decides
    together = found if len(persons) <= 1 else [whom]
    members = {p: [key for key, held in scene.profile_of.items() if held == p] for p in together}
    name = profile_id([scene.ranks[new], *(_rank(p, keys, scene.ranks) for p, keys in members.items())])
    proposed = tuple(p for p in persons if p not in together)
    near = [key for key in mates if scene.profile_of[key] == whom]
    best = max((k for k in links if k in near), key=lambda k: (links[k].weight_micro, k), default=None)
    return Answer(
        new,
        name,
        "merge_proposed" if proposed else "attach",
        probability(_mean([links[key] for key in near if key in links], rules)),
        scene.reasons.get(best, ()) if best else (),
        provisional=name == ProfileId(new),
        joined=tuple(p for p in together if p != name),
        proposed=proposed,
        deferred=(*(("merge",) if proposed else ()), *split),
    )


def _is_person(profile: ProfileId, profile_of: Mapping[RecordKey, ProfileId], known: Mapping[RecordKey, Node]) -> bool:
    """Say whether a profile is of somebody: one of its records is known and describes."""
    return any(known[key].known and not known[key].bare for key, held in profile_of.items() if held == profile)


def _rank(profile: ProfileId, members: Sequence[RecordKey], ranks: Mapping[RecordKey, Rank]) -> Rank:
    """Return the rank of a profile's id; an id whose own record is no more holds on through its best member."""
    best = min(ranks[key] for key in members)
    return ranks.get(RecordKey(profile), Rank(best.anonymous, best.arrival, best.source, RecordKey(profile)))


def _closest(
    profiles: Sequence[ProfileId],
    mates: Sequence[RecordKey],
    links: Mapping[RecordKey, Edge],
    profile_of: Mapping[RecordKey, ProfileId],
    rules: Rules,
) -> ProfileId:
    def fits(profile: ProfileId) -> tuple[int, str]:
        held = [links[key] for key in mates if key in links and profile_of[key] == profile]
        return -_mean(held, rules) if held else 1, profile

    return min(profiles, key=fits)


def _mean(edges: Iterable[Edge], rules: Rules) -> int:
    """Return the mean of the pairs that say anything, as clustering takes it, in micro-bits."""
    said = [max(-rules.clip, min(rules.clip, weight)) for e in edges if (weight := _said(e, rules)) is not None]
    return sum(said) // len(said) if said else 0


def _said(edge: Edge, rules: Rules) -> int | None:
    if edge.weight_micro > 0:
        return edge.weight_micro
    return edge.conflict_micro if edge.conflict_micro <= rules.uninformative else None


def _parted(cluster_of: Mapping[RecordKey, RecordKey], profile_of: Mapping[RecordKey, ProfileId]) -> bool:
    """Say whether the clusters take a profile apart."""
    first: dict[ProfileId, RecordKey] = {}
    return any(first.setdefault(profile, cluster_of[key]) != cluster_of[key] for key, profile in profile_of.items())
