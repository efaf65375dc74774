"""Pages of what happened, while things happen."""

import base64
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import CursorUnreadable
from api.http.paging import page

ANNA, SPLIT = "a" * 32, "f" * 32
entries = st.lists(
    st.builds(
        lambda day, name: {"at": f"2026-11-{day:02d}T00:00:00Z", "name": name},
        st.integers(1, 9),
        st.text("ab", max_size=1),
    ),
    max_size=14,
)


def told(items: list[Any], limit: int, *, oldest_first: bool = False) -> list[Any]:
    seen: list[Any] = []
    cursor = None
    for _ in range(40):
        one = page(items, limit, cursor, oldest_first=oldest_first)
        seen += one.items
        if one.following is None:
            return seen
        cursor = one.following
    raise AssertionError("the pages never end")


@given(items=entries, limit=st.integers(1, 5), oldest_first=st.booleans())
def test_pages_tell_everything_once_even_what_happened_twice(
    items: list[Any], limit: int, *, oldest_first: bool
) -> None:
    items = sorted(items, key=lambda one: one["at"], reverse=not oldest_first)
    assert told(items, limit, oldest_first=oldest_first) == items


def test_a_moment_with_a_fraction_lies_behind_its_whole_second() -> None:
    """A cursor's event is gone, as an order's is that got another line; what comes before and after it lies near."""
    at = [f"2026-11-02T09:00:{seconds}Z" for seconds in ("01", "00.500000", "00.250000", "00", "59")]
    at = [*at[:4], at[4].replace("09:00", "08:59")]
    items = [{"at": one} for one in at]
    for seen in range(1, len(items)):
        cursor = page(items, seen, None).following
        left = [one for place, one in enumerate(items) if place != seen - 1]
        assert page(left, 9, cursor).items == items[seen:]
        last = page(items[::-1], seen, None, oldest_first=True).following
        left = [one for place, one in enumerate(items[::-1]) if place != seen - 1]
        assert page(left, 9, last, oldest_first=True).items == items[::-1][seen:]


@given(items=entries, limit=st.integers(1, 5), gone=st.sets(st.integers(0, 13)), new=st.integers(0, 3))
def test_what_comes_or_goes_between_two_pages_repeats_nothing_and_hides_nothing(
    items: list[Any], limit: int, gone: set[int], new: int
) -> None:
    items = [{**one, "number": n} for n, one in enumerate(sorted(items, key=lambda one: one["at"], reverse=True))]
    first = page(items, limit, None)
    if first.following is None:
        return
    fresh = [{"at": "2026-11-28T00:00:00Z", "name": "new", "number": 100 + n} for n in range(new)]
    # The last one seen may be gone, too; then those of its very moment are passed over with it.
    later = fresh + [one for n, one in enumerate(items) if n not in gone]
    second = page(later, 100, first.following).items
    seen, left = list(first.items), [one for one in items[limit:] if one["number"] not in gone]
    last = seen[-1]
    if last["number"] in gone:
        left = [one for one in left if one["at"] < last["at"]]
    assert list(second) == left


@pytest.mark.parametrize("cursor", ["", "0", "100", "é", "AAAA", "!" * 20, base64.urlsafe_b64encode(b"x" * 8).decode()])
def test_a_cursor_of_nobody_is_refused(cursor: str) -> None:
    with pytest.raises(CursorUnreadable):
        page([], 10, cursor)


@pytest.mark.anyio
async def test_the_next_page_is_linked(asking: httpx.AsyncClient, town: Any) -> None:
    url, seen = f"/v1/profiles/{ANNA}/events?purpose=service&limit=10", 0
    while True:
        answer = await asking.get(url, headers=town.bearer())
        seen += len(answer.json()["events"])
        if "link" not in answer.headers:
            break
        url = answer.links["next"]["url"]
        assert "cursor=" in url
    assert seen == 25
    refused = await asking.get(f"/v1/profiles/{ANNA}/events?purpose=service&cursor=7", headers=town.bearer())
    assert refused.status_code == 422


@pytest.mark.anyio
@pytest.mark.parametrize("below", ["/events", "/links", "/how"])
async def test_what_has_not_changed_below_is_not_sent_again(asking: httpx.AsyncClient, town: Any, below: str) -> None:
    url, headers = f"/v1/profiles/{ANNA}{below}?purpose=service", town.bearer("steward")
    tag = (await asking.get(url, headers=headers)).headers["etag"]
    again = await asking.get(url, headers={**headers, "if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await asking.get(url, headers={**headers, "if-none-match": '"other"'})).status_code == 200
