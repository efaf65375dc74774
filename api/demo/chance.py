"""Seeded chance: each topic has dice of its own, so that one household's throws never move another's."""

from collections.abc import Sequence
from math import gcd
from random import Random
from typing import TypeVar
from uuid import UUID

Thing = TypeVar("Thing")


def dice(seed: int, *topic: object) -> Random:
    """Return the generator of one topic; the same topic throws the same on every machine."""
    return Random("/".join(str(part) for part in (seed, *topic)))


def happens(rng: Random, probability: float) -> bool:
    """Say whether something of this probability comes to pass."""
    return rng.random() < probability


def maybe(rng: Random, probability: float, thing: Thing) -> Thing | None:
    """Return the thing with this probability, else nothing."""
    return thing if rng.random() < probability else None


def common_first(rng: Random, things: Sequence[Thing]) -> Thing:
    """Pick with a long tail, as names are: the first of the list often, the last seldom."""
    return things[int(len(things) * float(rng.random() ** 1.9))]


def scattered(seed: int, name: str, number: int, digits: int) -> int:
    """Return a number of so many digits, different for each `number`, that shows nothing of their order.

    Neighbours in a household must not have neighbouring customer numbers, or the numbers would tell the truth.
    """
    low = int(10 ** (digits - 1))
    size = 9 * low
    rng = dice(seed, "scattered", name)
    step = rng.randrange(size // 3, size)
    while gcd(step, size) != 1:
        step += 1
    return low + (step * number + rng.randrange(size)) % size


def uuid_of(rng: Random) -> str:
    """Return a random UUID (RFC 9562, version 4) of these dice."""
    return str(UUID(int=rng.getrandbits(128), version=4))
