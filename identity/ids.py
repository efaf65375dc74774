"""Names that last: a profile is called by the birth id of its best-ranked member. Pure.

A merge keeps the better anchor and turns the other name into an alias; a split leaves the name with the part that
holds the anchor and gives the other part its own anchor's, so undoing a wrong merge brings the old name back.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from identity.model import Alias, Rank
from infra.ids import ProfileId, RecordKey


def profile_id(members: Iterable[Rank]) -> ProfileId:
    """Return the name of a cluster: its best-ranked member's birth id, whoever else joins or leaves."""
    return ProfileId(min(members).record_key)


def profile_ids(
    cluster_of: Mapping[RecordKey, RecordKey], ranks: Mapping[RecordKey, Rank]
) -> dict[RecordKey, ProfileId]:
    """Return each record's profile id."""
    groups: dict[RecordKey, list[RecordKey]] = defaultdict(list)
    for key, cluster in cluster_of.items():
        groups[cluster].append(key)
    named = {cluster: profile_id(ranks[key] for key in keys) for cluster, keys in groups.items()}
    return {key: named[cluster] for key, cluster in cluster_of.items()}


def aliases(
    published: Iterable[ProfileId],
    profile_of: Mapping[RecordKey, ProfileId],
    heirs: Mapping[RecordKey, Iterable[RecordKey]],
) -> tuple[Alias, ...]:
    """Return whom each id ever published means now; one that lives again is no alias.

    An id is its anchor's birth id: the anchor's profile is the answer, and for an anchor that is gone the profiles
    of its `heirs` (the records that were with it, or took over its events).
    """
    living = set(profile_of.values())
    found: set[tuple[ProfileId, ProfileId]] = set()
    for old in set(published) - living:
        anchor = RecordKey(old)
        if anchor in profile_of:
            found.add((old, profile_of[anchor]))
            continue
        found |= {(old, profile_of[heir]) for heir in heirs.get(anchor, ()) if heir in profile_of}
    return tuple(Alias(old, new) for old, new in sorted(found))
