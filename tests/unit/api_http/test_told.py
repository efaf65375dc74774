"""How often who tells of changes looks at the policy and at what ends."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from api.http.told import Lookout
from infra.errors import Missing

BEGIN = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@dataclass
class Looked:
    """Whoever looks, and the clock that is looked at."""

    now: datetime = BEGIN
    at: list[datetime] = field(default_factory=list)
    fails: bool = False

    def look(self, moment: datetime) -> None:
        self.at.append(moment)
        if self.fails:
            raise Missing("nothing there")

    def clock(self) -> datetime:
        return self.now


def test_it_looks_once_a_second_however_often_it_is_asked() -> None:
    looked = Looked()
    lookout = Lookout(looked.look, looked.clock)
    for tick in range(21):
        looked.now = BEGIN + timedelta(milliseconds=100) * tick
        lookout.take("g1")
    assert looked.at == [BEGIN + timedelta(seconds=n) for n in range(3)]


def test_it_looks_at_once_where_another_generation_is_served() -> None:
    looked = Looked()
    lookout = Lookout(looked.look, looked.clock)
    for name in ("g1", "g1", "g2", "g2", "g1"):
        lookout.take(name)
    assert len(looked.at) == 3


def test_a_look_that_failed_is_taken_again() -> None:
    looked = Looked(fails=True)
    lookout = Lookout(looked.look, looked.clock)
    lookout.take("g1")
    looked.fails = False
    lookout.take("g1")
    lookout.take("g1")
    assert len(looked.at) == 2
