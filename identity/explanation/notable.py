"""Which merges are worth a look: the surest, and those that hang on the weakest tie. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.ids import ProfileId, RecordKey


@dataclass(frozen=True, slots=True)
class Tie:
    """A tie that holds a profile together, by its weight."""

    profile: ProfileId
    left: RecordKey
    right: RecordKey
    weight_micro: int


@dataclass(frozen=True, slots=True)
class Notable:
    """The surest merges and the most doubtful ones, each of another profile, and how many merges there are."""

    merges: int
    surest: tuple[Tie, ...]
    doubtful: tuple[Tie, ...]


def notable(ties: Iterable[Tie], most: int) -> Notable:
    """Return the merges worth a look. A profile hangs on the weakest tie of those that suffice to hold it together."""
    ordered = sorted(ties, key=lambda tie: (-tie.weight_micro, tie.left, tie.right))
    weakest: dict[ProfileId, Tie] = {}
    strongest: dict[ProfileId, Tie] = {}
    merges = 0
    for tie in _sufficient(ordered):
        merges += 1
        strongest.setdefault(tie.profile, tie)
        weakest[tie.profile] = tie
    doubtful = sorted(weakest.values(), key=lambda tie: (tie.weight_micro, tie.left, tie.right))[:most]
    named = {tie.profile for tie in doubtful}
    surest = [tie for tie in strongest.values() if tie.profile not in named] or list(strongest.values())
    return Notable(merges, tuple(surest[:most]), tuple(doubtful))


def _sufficient(ordered: Iterable[Tie]) -> Iterable[Tie]:
    """Yield the ties that join what no stronger tie has joined."""
    parent: dict[RecordKey, RecordKey] = {}

    def root(key: RecordKey) -> RecordKey:
        while (above := parent.setdefault(key, key)) != key:
            parent[key] = key = parent.get(above, above)
        return key

    for tie in ordered:
        one, other = root(tie.left), root(tie.right)
        if one != other:
            parent[max(one, other)] = min(one, other)
            yield tie
