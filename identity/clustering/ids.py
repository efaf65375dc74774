"""Names that last: a profile is called by its best-ranked name. Pure; `identity.engine.naming` says the same in SQL.

A record's name is its birth id, for life. A merge keeps the better name and turns the other into an alias; a split
leaves the name with the part that holds it and gives the other part its own, so undoing a wrong merge brings the old
name back. A published name whose record is gone is held, with its rank, by the heir in the log of successions.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from identity.model import Alias, Bequest, Rank
from infra.ids import ProfileId, RecordKey


def profile_id(names: Iterable[Rank]) -> ProfileId:
    """Return the best of the names that a cluster's members hold, whoever else joins or leaves."""
    return ProfileId(min(names).record_key)


def profile_ids(
    cluster_of: Mapping[RecordKey, RecordKey], ranks: Mapping[RecordKey, Rank], bequests: Iterable[Bequest] = ()
) -> dict[RecordKey, ProfileId]:
    """Return each record's profile id; of several bequests of a name the newest counts, and none once its record is back."""
    names: dict[RecordKey, list[Rank]] = defaultdict(list)
    for key, cluster in cluster_of.items():
        names[cluster].append(ranks[key])
    for bequest in _newest(bequests).values():
        if bequest.name.record_key not in cluster_of and bequest.heir in cluster_of:
            names[cluster_of[bequest.heir]].append(bequest.name)
    named = {cluster: profile_id(held) for cluster, held in names.items()}
    return {key: named[cluster] for key, cluster in cluster_of.items()}


def aliases(
    published: Iterable[ProfileId], profile_of: Mapping[RecordKey, ProfileId], bequests: Iterable[Bequest] = ()
) -> tuple[Alias, ...]:
    """Return whom each id ever published means now; one that lives again is no alias, one that nobody holds means nobody."""
    living = set(profile_of.values())
    newest = _newest(bequests)
    found: set[tuple[ProfileId, ProfileId]] = set()
    for old in set(published) - living:
        holder = RecordKey(old)
        if holder not in profile_of and holder in newest:
            holder = newest[holder].heir
        if holder in profile_of:
            found.add((old, profile_of[holder]))
    return tuple(Alias(old, new) for old, new in sorted(found))


def _newest(bequests: Iterable[Bequest]) -> dict[RecordKey, Bequest]:
    return {b.name.record_key: b for b in sorted(bequests, key=lambda b: b.batch)}
