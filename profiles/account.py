"""Whom each purpose may see after a build, and why it may not see the others: the consent funnel from the tables.

Counted from Arrow columns that hold no person's values, so that it needs neither the engine nor much time.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from consent import funnel
from consent.funnel import HELD, NO_RECORD, REFUSED_SINCE, FunnelCount
from consent.model import ALL
from identity.tables import PROFILE_INDEX
from infra import shelf
from profiles.tables import PROFILE_CONSENT, PROFILE_GRAPH, PROFILE_VIEWS

# Purpose, basis and line of the policy: what a yes rests on, alike in the decision and in the view.
_Ground = tuple[str, str, str]
_GROUND = ("purpose", "reason", "policy_line")


def viewed(
    lake: Path, denials: Iterable[tuple[str, str]], purposes: Collection[str] | None = None
) -> tuple[FunnelCount, ...]:
    """Return the funnel of all people, or of some purposes only: in are those with a view that nothing denies.

    Left out are those whose decision was no; and of those whose decision was yes: who was denied since the build
    under any identifier (`denials` has tokens and purposes), whose profile identity holds back, and of whom the
    purpose may use no single record.
    """
    decided = funnel.counts(shelf.batches(lake, PROFILE_CONSENT, columns=funnel.COLUMNS))
    shown = _grounds(shelf.batches(lake, PROFILE_VIEWS, columns=_GROUND))
    closed = _closed_views(lake, _closed(lake, denials))
    held = _held_back(lake)
    found = [one for one in decided if not one.allowed]
    for one in decided:
        if one.allowed:
            ground = (one.purpose, one.reason, one.policy_line)
            found += _parted(one, shown[ground], closed[ground], held[ground])
    return tuple(sorted(one for one in found if purposes is None or one.purpose in purposes))


def _parted(yes: FunnelCount, shown: int, closed: int, held: int) -> Iterator[FunnelCount]:
    """Yield what becomes of those who were allowed on one ground; nobody is counted twice and none is lost."""
    yield FunnelCount(yes.purpose, True, yes.reason, yes.policy_line, shown - closed)
    without = {REFUSED_SINCE: closed, HELD: held, NO_RECORD: yes.subjects - shown - held}
    for reason, many in without.items():
        if many:
            yield FunnelCount(yes.purpose, False, reason, yes.policy_line, many)


def _grounds(batches: Iterable[pa.RecordBatch]) -> Counter[_Ground]:
    found: Counter[_Ground] = Counter()
    for batch in batches:
        table = pa.Table.from_batches([batch]).group_by(list(_GROUND)).aggregate([([], "count_all")])
        for row in table.to_pylist():
            found[row["purpose"], row["reason"], row["policy_line"]] += row["count_all"]
    return found


def _closed(lake: Path, denials: Iterable[tuple[str, str]]) -> Mapping[str, pa.Array]:
    """Return for each denied purpose the people who hold a denied identifier, however loosely."""
    tokens = defaultdict[str, list[str]](list)
    for token, purpose in denials:
        tokens[purpose].append(token)
    if not tokens:
        return {}
    found = defaultdict[str, list[pa.Array]](list)
    for batch in shelf.batches(lake, PROFILE_GRAPH, columns=["profile_id", "tokens"]):
        held = batch.column("tokens")
        each, owner = pc.struct_field(pc.list_flatten(held), "token"), pc.list_parent_indices(held)
        for purpose, denied in tokens.items():
            theirs = pc.filter(owner, pc.is_in(each, value_set=pa.array(denied, each.type)))
            found[purpose].append(batch.column("profile_id").take(theirs))
    return {purpose: pa.concat_arrays(parts) for purpose, parts in found.items()}


def _closed_views(lake: Path, closed: Mapping[str, pa.Array]) -> Counter[_Ground]:
    if not closed:
        return Counter()
    return _grounds(
        batch.filter(_denied(batch, closed)).select(list(_GROUND))
        for batch in shelf.batches(lake, PROFILE_VIEWS, columns=["profile_id", *_GROUND])
    )


def _denied(batch: pa.RecordBatch, closed: Mapping[str, pa.Array]) -> pa.Array:
    people, purposes = batch.column("profile_id"), batch.column("purpose")
    denied = pa.array([False] * batch.num_rows)
    for purpose, theirs in closed.items():
        among = pc.is_in(people, value_set=theirs)
        denied = pc.or_(denied, among if purpose == ALL else pc.and_(among, pc.equal(purposes, purpose)))
    return denied


def _held_back(lake: Path) -> Counter[_Ground]:
    """Return how many were allowed whose profile identity holds back; mostly nobody."""
    if not shelf.exists(lake, PROFILE_INDEX):
        return Counter()
    held = [
        batch.filter(pc.not_equal(batch.column("status"), "live")).column("profile_id")
        for batch in shelf.batches(lake, PROFILE_INDEX, columns=["profile_id", "status"])
    ]
    people = pa.concat_arrays(held) if held else pa.array([], pa.string())
    if not len(people):
        return Counter()
    return _grounds(
        batch.filter(pc.and_(batch.column("allowed"), pc.is_in(batch.column("profile_id"), value_set=people))).select(
            list(_GROUND)
        )
        for batch in shelf.batches(lake, PROFILE_CONSENT, columns=["profile_id", "allowed", *_GROUND])
    )
