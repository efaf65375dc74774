"""A follower outlives what passes by itself, ever more slowly, and ends at what needs a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli.jobs import may_pass, rest_after, until_ended
from infra.errors import Broken, ConfigurationError, Held, KindredError, Malformed, Missing, Refused, Unavailable
from infra.handover import RunnerEnded


class Script:
    """Does what it is told to, call by call, and notes what was said and waited for."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self._outcomes: Iterator[Exception | None] = iter((*outcomes, KeyboardInterrupt()))  # type: ignore[arg-type]
        self.said: list[str] = []
        self.rests: list[float] = []

    def act(self) -> None:
        outcome = next(self._outcomes)
        if outcome is not None:
            raise outcome

    def follow(self, *, patient: bool = True) -> None:
        until_ended(
            self.act, 5.0, patient=patient, tell=self.said.append, wait=self.rests.append, stopwatch=lambda: 0.0
        )


def test_what_passes_is_tried_again_after_ever_longer_rests() -> None:
    away = Unavailable("the brokers do not answer")
    script = Script(RunnerEnded(4, "a1"), away, away, None, away)
    script.follow()
    assert script.rests == [5.0, 10.0, 20.0, 5.0, 5.0]
    assert script.said[0].startswith("the job runner ended 4 times during run a1")
    assert script.said[1] == "the brokers do not answer. Failed 2 times in a row, tried again in 10 s"
    assert script.said[-1].startswith("ended")


def test_a_rest_never_lasts_longer_than_five_minutes_nor_shorter_than_the_pause() -> None:
    assert [rest_after(number, 5.0) for number in (1, 6, 7, 8, 10_000)] == [5, 160, 300, 300, 300]
    assert rest_after(3, 3600.0) == 3600
    assert rest_after(1, 0.0) == 1


@pytest.mark.parametrize(
    "error",
    [Malformed("x"), Missing("x"), Refused("x"), Broken("x"), ConfigurationError(Path("a"), 1, "b", "c")],
    ids=lambda error: type(error).__name__,
)
def test_what_needs_a_person_ends_it(error: KindredError) -> None:
    script = Script(error)
    with pytest.raises(type(error)):
        script.follow()
    assert (script.rests, may_pass(error)) == ([], False)


@pytest.mark.parametrize("error", [Held("x"), Unavailable("x"), KindredError("x"), RunnerEnded(4, "a1")])
def test_a_run_that_repeats_itself_ends_at_its_first_failure_as_before(error: KindredError) -> None:
    assert may_pass(error)
    with pytest.raises(type(error)):
        Script(error).follow(patient=False)
