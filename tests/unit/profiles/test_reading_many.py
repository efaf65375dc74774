"""Reads of many people at once say what reads of each would, from one generation."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.ids import ProfileId, Purpose, Token
from infra.serving.embedded import Generations
from profiles.errors import PurposeMissing
from profiles.serving import FOLDER, ProfileReader, Published, header_key, holders_key, token_key, view_key
from profiles.stored import packed

SERVICE = Purpose("service")
IDS = [ProfileId(f"{n:032x}") for n in range(6)]
TOKENS = [Token(f"t{n}") for n in range(8)]


class Refused:
    def __init__(self, refused: Iterable[str]) -> None:
        self.refused = frozenset(refused)

    def denied_any(self, tokens: Iterable[str], purpose: str) -> bool:
        assert purpose
        return bool(self.refused) and not self.refused.isdisjoint(tokens)


def publish(root: Path, name: str) -> None:
    generations = Generations(root / FOLDER)
    generations.root.mkdir(parents=True, exist_ok=True)
    with generations.building(name) as writer:
        for n, one in enumerate(IDS[:5]):
            tag = b'"' + name.encode().ljust(16, b"0") + b'"'
            held = f"t{n}\nextra{n}".encode() if n != 3 else None  # without the list of tokens nothing may be shown
            writer.put(view_key(SERVICE, one), packed(tag, b'{"n":%d,"id":"%b"}' % (n, one.encode()), held))
            if held is not None:
                writer.put(holders_key(one), held)
            writer.put(token_key(f"t{n}"), one.encode())
        writer.put(token_key("t5"), f"{IDS[0]},{IDS[1]}".encode())
        writer.put(token_key("t6"), f"{IDS[0]}\nservice advertising".encode())
    generations.publish(name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    refused=st.sets(st.sampled_from(["t0", "extra1", "t2", "t4", "nobody"])),
    ids=st.lists(st.sampled_from([*IDS, ProfileId(""), ProfileId("é\udc80")]), max_size=9),
    tokens=st.lists(st.sampled_from(TOKENS), max_size=9),
)
def test_many_are_answered_as_each(
    tmp_path: Path, refused: set[str], ids: list[ProfileId], tokens: list[Token]
) -> None:
    if not (tmp_path / FOLDER).exists():
        publish(tmp_path, "g1")
    profiles = ProfileReader(Published(tmp_path, lambda: 0.0), Refused(refused))
    assert profiles.tagged_all(ids, SERVICE) == [profiles.tagged(one, SERVICE) for one in ids]
    assert profiles.find_all(tokens, SERVICE) == [profiles.find(one, SERVICE) for one in tokens]


def test_a_pinned_reader_stays_with_its_generation_and_hears_of_refusals(tmp_path: Path) -> None:
    publish(tmp_path, "g1")
    denials, now = Refused(()), [0.0]
    profiles = ProfileReader(Published(tmp_path, lambda: now[0]), denials)
    pinned = profiles.moment()
    publish(tmp_path, "g2")
    now[0] = 10.0
    tags = [reader.tagged_all(IDS[:1], SERVICE)[0] for reader in (pinned, profiles)]
    assert [tag[0][1:3] for tag in tags if tag is not None] == [b"g1", b"g2"]
    denials.refused = frozenset({"extra0"})
    assert pinned.tagged_all(IDS[:2], SERVICE)[0] is None
    assert pinned.tagged_all(IDS[:2], SERVICE)[1] is not None


def test_without_a_purpose_nobody_is_shown(tmp_path: Path) -> None:
    publish(tmp_path, "g1")
    with pytest.raises(PurposeMissing):
        ProfileReader(Published(tmp_path, lambda: 0.0), Refused(())).tagged_all(IDS, Purpose(""))


def test_a_view_under_a_list_that_is_not_known_is_shown_in_no_way(tmp_path: Path) -> None:
    publish(tmp_path, "g1")
    live = Generations(tmp_path / FOLDER).live()
    with live.change() as change:  # as no writer of ours leaves them
        change.put(holders_key(IDS[3]), b"t3")
        change.put(header_key(IDS[3]), b'{"records":{}}')
    live.close()
    profiles = ProfileReader(Published(tmp_path, lambda: 0.0), Refused(()))
    assert profiles.tagged(IDS[3], SERVICE) is None
    assert profiles.tagged_all(IDS[3:4], SERVICE) == [None]
    assert profiles.shown(IDS[3], SERVICE) is None
