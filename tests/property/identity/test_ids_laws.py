"""Names last: they depend on members alone, a merge aliases, a split restores."""

from hypothesis import given
from hypothesis import strategies as st

from identity.clustering.ids import aliases, profile_id, profile_ids
from identity.model import Alias, Bequest, Rank
from infra.ids import ProfileId, RecordKey

ranks = st.lists(
    st.builds(
        Rank,
        st.booleans(),
        st.integers(0, 5),
        st.sampled_from(["crm", "web"]),
        st.uuids().map(lambda u: RecordKey(u.hex)),
    ),
    min_size=2,
    max_size=10,
    unique_by=lambda r: r.record_key,
)


@given(ranks)
def test_a_name_depends_on_the_members_alone(members: list[Rank]) -> None:
    assert profile_id(members) == profile_id(sorted(members, key=lambda r: r.record_key))


@given(ranks)
def test_the_anchor_is_known_if_anybody_is(members: list[Rank]) -> None:
    anchor = next(r for r in members if r.record_key == profile_id(members))
    assert not anchor.anonymous or all(r.anonymous for r in members)


@given(ranks, st.integers(1, 9))
def test_a_merge_keeps_the_better_name_and_a_split_brings_the_other_back(members: list[Rank], cut: int) -> None:
    by_key = {r.record_key: r for r in members}
    left, right = members[: cut % len(members)] or members[:1], members[cut % len(members) :]
    two = profile_ids({r.record_key: RecordKey("x" if r in left else "y") for r in members}, by_key)
    one = profile_ids({r.record_key: RecordKey("z") for r in members}, by_key)
    assert set(one.values()) <= set(two.values())
    lost = set(two.values()) - set(one.values())
    assert {a.alias_id for a in aliases(set(two.values()), one)} == lost
    assert all(a.profile_id in set(one.values()) for a in aliases(set(two.values()), one))
    again = profile_ids({r.record_key: RecordKey("x" if r in left else "y") for r in members}, by_key)
    assert again == two
    assert right == [] or aliases(set(two.values()) | set(one.values()), again) == ()


@given(ranks)
def test_every_published_name_means_somebody_while_an_heir_lives(members: list[Rank]) -> None:
    by_key = {r.record_key: r for r in members}
    before = profile_ids({r.record_key: RecordKey("z") for r in members}, by_key)
    anchor = RecordKey(before[members[0].record_key])
    rest = {r.record_key: RecordKey("z") for r in members if r.record_key != anchor}
    heir = min(by_key[key] for key in rest).record_key
    will = [Bequest(by_key[anchor], heir, 1)]
    after = profile_ids(rest, by_key, will)
    # who inherits a name inherits its rank: the profile keeps its id though its anchor is gone
    assert set(after.values()) == {anchor}
    assert aliases({ProfileId(anchor), ProfileId(heir)}, after, will) == (Alias(ProfileId(heir), ProfileId(anchor)),)
    back = profile_ids({r.record_key: RecordKey("z") for r in members}, by_key, will)
    assert back == before


@given(ranks)
def test_the_newest_heir_counts_and_a_name_without_one_means_nobody(members: list[Rank]) -> None:
    gone, *rest = members
    clusters = {r.record_key: r.record_key for r in rest}
    wills = [Bequest(gone, rest[0].record_key, 1), Bequest(gone, RecordKey(""), 2)]
    profile_of = profile_ids(clusters, {r.record_key: r for r in rest}, wills)
    assert profile_of == {r.record_key: r.record_key for r in rest}
    assert aliases({ProfileId(gone.record_key)}, profile_of, wills) == ()
