"""Steps that are taken at once: all come to their end, and no failure is lost."""

from threading import Barrier

import pytest

from infra.errors import Broken, Missing
from infra.together import together


def test_steps_run_at_once_and_to_their_end() -> None:
    meeting, done = Barrier(2, timeout=10), []
    together(meeting.wait, meeting.wait, lambda: done.append("third"))
    assert done == ["third"]


def test_the_first_error_is_raised_and_the_others_are_named() -> None:
    def fails(error: Exception) -> None:
        raise error

    done: list[str] = []
    with pytest.raises(Missing, match="the first") as told:
        together(
            lambda: fails(Missing("the first")), lambda: fails(Broken("who knows whom")), lambda: done.append("third")
        )
    assert told.value.__notes__ == ["beside it failed a step with Broken"]
    assert done == ["third"]
