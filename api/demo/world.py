"""The world: all households up to a place in the order, each made from its own dice."""

from dataclasses import dataclass
from random import Random

from api.demo.chance import dice
from api.demo.directory import Directory
from api.demo.households import Traps, places, size_of
from api.demo.journey import Journey, household_order
from api.demo.model import Household, Person
from api.demo.people import people, reachable
from api.demo.showcase import cast, reserve
from api.demo.traces import traced


@dataclass(frozen=True, slots=True)
class World:
    """Who there is, in the order in which they enter."""

    seed: int
    households: tuple[Household, ...]

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody, small children included."""
        return tuple(p for h in self.households for p in h.people)


def build_world(seed: int, journey: Journey, count: int) -> World:
    """Return the first `count` households; a longer world begins with the same ones.

    Mailboxes, traps and namesakes look back at earlier households only, which is what keeps that promise.
    """
    directory, traps = Directory(seed), Traps()
    reserve(directory)
    households: list[Household] = []
    for position, household_id in enumerate(household_order(journey, seed)[:count]):
        rng = dice(seed, "household", household_id)
        known = journey.demographics.get(household_id)
        size = size_of(rng, known)
        trap = traps.deal(position, size)
        like = _somebody_before(rng, households) if trap == "namesake" else None
        lot = people(rng, household_id, position, places(rng, size, known, trap), trap, like)
        household = Household(household_id, position, lot, trap, namesake_of=like.person_id if like else None)
        household = traced(rng, reachable(rng, household, directory), directory)
        households.append(cast(household, directory))
    return World(seed, tuple(households))


def _somebody_before(rng: Random, households: list[Household]) -> Person | None:
    """Return the head of an earlier household in which the name is no trap already."""
    fitting = [h.people[0] for h in households[3:] if h.trap in {None, "shared_tablet"} and h.people[0].traces.crm]
    return rng.choice(fitting) if fitting else None
