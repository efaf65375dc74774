"""What of an event's properties its timeline shows: nothing that a view shows or hides as its person's."""

from hypothesis import given
from hypothesis import strategies as st

from profiles.details import Reserved, is_shown

RESERVED = Reserved.of({"web": ("email", "user.phone"), "till": ("card",)}, ("birth_date",))
STEPS = st.sampled_from(["a", "b", "ab", "traits", "email", "c"])
NAMES = st.lists(STEPS, min_size=1, max_size=3).map(".".join)


def test_what_is_mapped_is_left_out_with_what_holds_it_and_what_it_holds() -> None:
    web = RESERVED.names("web")
    shown = ["page", "emailed", "user_phone", "users", "card", "email_opened"]
    hidden = ["email", "email.domain", "user", "user.phone", "traits.plan", "birth_date"]
    assert [name for name in (*shown, *hidden) if is_shown(name, web)] == shown


def test_a_source_that_is_not_declared_any_more_reserves_what_any_does() -> None:
    gone = RESERVED.names("gone")
    assert not any(is_shown(name, gone) for name in ("email", "user", "card", "birth_date"))
    assert is_shown("page", gone)


@given(st.dictionaries(NAMES, st.text(max_size=3)), st.frozensets(NAMES))
def test_no_detail_shares_a_path_with_what_is_reserved(properties: dict[str, str], reserved: frozenset[str]) -> None:
    kept = [name.split(".") for name in properties if is_shown(name, reserved)]
    for steps in kept:
        for other in (one.split(".") for one in reserved):
            least = min(len(steps), len(other))
            assert steps[:least] != other[:least]
        assert steps[0] != "traits" or len(steps) == 1
