import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consent.overlay import DenyOverlay
from infra.ids import Purpose, Token

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[DenyOverlay]:
    overlay = DenyOverlay.open(tmp_path)
    yield overlay
    overlay.close()


def test_what_was_restricted_is_denied_and_nothing_else(overlay: DenyOverlay) -> None:
    overlay.restrict([Token("a")], [Purpose("ads"), Purpose("email")], at=AT, sequence=1)
    assert overlay.denied("a", "ads")
    assert overlay.denied("a", "email")
    assert not overlay.denied("a", "service")
    assert not overlay.denied("ab", "ads")
    assert overlay.denied_any(["x", "a"], "ads")
    assert not overlay.denied_any([], "ads")
    assert sorted(overlay.denials()) == [("a", "ads"), ("a", "email")]


def test_all_is_every_purpose(overlay: DenyOverlay) -> None:
    overlay.restrict([Token("a")], [Purpose("all")], at=AT, sequence=1)
    assert overlay.denied("a", "service")


def test_only_a_build_that_has_seen_an_entry_clears_it(overlay: DenyOverlay) -> None:
    overlay.restrict([Token("a")], [Purpose("ads")], at=AT, sequence=5)
    assert overlay.purge(as_of=AT - timedelta(seconds=1), through=9) == 0
    assert overlay.purge(as_of=AT, through=4) == 0
    assert overlay.denied("a", "ads")
    assert overlay.purge(as_of=AT, through=5) == 1
    assert not overlay.denied("a", "ads")


def test_a_later_word_outlives_the_build_that_saw_the_earlier_one(overlay: DenyOverlay) -> None:
    overlay.restrict([Token("a")], [Purpose("ads")], at=AT, sequence=1)
    overlay.restrict([Token("a")], [Purpose("ads")], at=AT + timedelta(days=1), sequence=2)
    assert overlay.purge(as_of=AT, through=1) == 1
    assert overlay.denied("a", "ads")
    assert overlay.denials() == [("a", "ads")]


def test_a_word_that_comes_in_during_the_purge_is_not_lost(overlay: DenyOverlay) -> None:
    overlay.restrict([Token("a")], [Purpose("ads")], at=AT, sequence=1)
    delete = overlay.entries.delete

    class Interrupted:
        items = overlay.entries.items

        @staticmethod
        def delete(keys: list[bytes]) -> None:
            overlay.restrict([Token("a")], [Purpose("ads")], at=AT + timedelta(hours=1), sequence=2)
            delete(keys)

    racing = DenyOverlay(Interrupted())  # type: ignore[arg-type]
    assert racing.purge(as_of=AT, through=1) == 1
    assert overlay.denied("a", "ads")


OTHER_PROCESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from consent.overlay import DenyOverlay
other = DenyOverlay.open(Path(sys.argv[1]))
other.restrict(["a"], ["ads"], at=datetime(2026, 5, 1, tzinfo=UTC), sequence=1)
other.close()
"""


def test_a_word_taken_by_another_process_is_seen_at_once(overlay: DenyOverlay, tmp_path: Path) -> None:
    assert not overlay.denied("a", "ads")
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, str(tmp_path)], check=True, timeout=60)
    assert overlay.denied("a", "ads")
