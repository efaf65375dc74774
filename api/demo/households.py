"""Who lives together: sizes and ages from the demographics where known, drawn where not, and the trap each one sets."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from api.demo.chance import happens

Relation = Literal["head", "partner", "child"]
Demographics = dict[str, str | None]

# One after the other along the seeded order, so that even a dozen households hold each trap that fits.
TRAPS = (
    "twins", "shared_tablet", "namesake", "shared_email", "father_son", "", "shared_tablet", "namesake", "twins", "",
    "shared_email", "father_son", "",
)  # fmt: skip
_NEEDS = {"twins": 2, "shared_tablet": 2, "shared_email": 2, "father_son": 2, "namesake": 1, "": 1}
_SIZES = ((1, 2, 3, 4, 5), (0.28, 0.36, 0.15, 0.13, 0.08))
_AGES = {"19-24": (19, 24), "25-34": (25, 34), "35-44": (35, 44), "45-54": (45, 54), "55-64": (55, 64), "65+": (65, 84)}
_TOUR = ("six", "plain", "father_son")


@dataclass(frozen=True, slots=True)
class Place:
    """A place at the table: relation to the head, age in 2017 and gender."""

    relation: Relation
    age: int
    gender: str


class Traps:
    """Deals traps to households along the order; one that does not fit waits for the next that it fits."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: list[str] = []

    def deal(self, position: int, size: int) -> str | None:
        """Return the trap of the household at this place; the three of the tour have theirs fixed."""
        if position < len(_TOUR):
            return "father_son" if _TOUR[position] == "father_son" else None
        for waiting in self._waiting:
            if _NEEDS[waiting] <= size:
                self._waiting.remove(waiting)
                return waiting or None
        while True:
            trap = TRAPS[self._next % len(TRAPS)]
            self._next += 1
            if _NEEDS[trap] <= size:
                return trap or None
            self._waiting.append(trap)


def size_of(rng: Random, known: Demographics | None) -> int:
    """Return how many live here: as the demographics say, five or six for `5+`, else as families are."""
    if known is None:
        return rng.choices(*_SIZES)[0]
    said = known["household_size"] or "1"
    return rng.choice((5, 5, 6)) if said == "5+" else int(said)


def places(rng: Random, size: int, known: Demographics | None, trap: str | None) -> list[Place]:
    """Return the people by relation, age and gender, bent as far as the trap needs it."""
    low, high = _AGES[(known or {}).get("age") or rng.choice(tuple(_AGES))]
    head = Place("head", rng.randint(low, high), rng.choice("FM"))
    alone = ((known or {}).get("household_comp") or "").startswith("1 Adult") or not happens(rng, 0.85)
    table = [head]
    if size > 1 and not alone:
        other = "M" if (head.gender == "F") != happens(rng, 0.06) else "F"
        table.append(Place("partner", max(19, head.age + rng.randint(-5, 5)), other))
    while len(table) < size:
        table.append(Place("child", max(0, head.age - rng.randint(22, 36)), rng.choice("FM")))
    return _bent(rng, table, trap)


def _bent(rng: Random, table: list[Place], trap: str | None) -> list[Place]:
    """Change ages and genders so that twins are twins and a son has his father's name with reason."""
    if trap == "twins":
        age = rng.randint(17, 34)
        gender = rng.choice("FM")
        second = gender if happens(rng, 0.7) else rng.choice("FM")
        pair = [Place("child", age, gender), Place("child", age, second)]
        parents = [Place(p.relation, max(p.age, age + 22), p.gender) for p in table[:-2]]
        return parents + pair
    if trap == "father_son":
        age = rng.randint(18, 34)
        head = Place("head", max(table[0].age, age + rng.randint(21, 30)), "M")
        middle = [Place(p.relation, p.age, "F" if p.relation == "partner" else p.gender) for p in table[1:-1]]
        return [head, *middle, Place("child", age, "M")]
    if trap in {"shared_tablet", "shared_email"}:
        grown = [Place(p.relation, max(p.age, 18), p.gender) for p in table[:2]]
        return [Place("head", max(table[0].age, 21), table[0].gender), *grown[1:], *table[2:]]
    return table
