"""Who bought which basket, where, and what they showed at the till: every basket of the chosen households, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from api.demo.model import Household, Person
from api.demo.world import World

TILL, ACCOUNT, GUEST = 0, 1, 2
BY_CARD, BY_MOBILE, BY_LANDLINE, BY_NOTHING = 0, 1, 2, 3


@dataclass(frozen=True)
class Baskets:
    """One row per basket: basket_id, household_id, store_id, at, buyer (index into the shoppers), channel, shown."""

    frame: pd.DataFrame
    shoppers: tuple[Person, ...]

    def guest_orders(self) -> dict[int, list[tuple[Person, int, datetime]]]:
        """Return the guests' orders by household."""
        out: dict[int, list[tuple[Person, int, datetime]]] = {}
        mine = self.frame[self.frame["channel"] == GUEST]
        for household, buyer, basket, at in zip(
            mine["household_id"], mine["buyer"], mine["basket_id"], mine["at"], strict=True
        ):
            out.setdefault(int(household), []).append(
                (self.shoppers[buyer], int(basket), at.to_pydatetime().replace(tzinfo=UTC))
            )
        return out


def deal_baskets(world: World, baskets: pd.DataFrame) -> Baskets:
    """Return the baskets of the world's households with buyer, channel and what was shown.

    `baskets` lies in the order of household and time. The head shops half of the time, the others in turn.
    """
    starts = _slices(baskets["household_id"].to_numpy())
    parts: list[tuple[slice, np.ndarray, np.ndarray, np.ndarray]] = []
    shoppers: list[Person] = []
    for household in world.households:
        span = starts[household.household_id]
        rng = np.random.default_rng([world.seed, household.household_id, 17])
        buyer, channel, shown = _dealt(rng, household, span.stop - span.start)
        parts.append((span, buyer + len(shoppers), channel, shown))
        shoppers.extend(household.shoppers)
    rows = np.concatenate([np.arange(span.start, span.stop) for span, *_ in parts])
    frame = baskets.take(rows).reset_index(drop=True).rename(columns={"transaction_timestamp": "at"})
    frame["buyer"] = np.concatenate([p[1] for p in parts])
    frame["channel"] = np.concatenate([p[2] for p in parts])
    frame["shown"] = np.concatenate([p[3] for p in parts])
    return Baskets(frame, tuple(shoppers))


def _slices(household_ids: np.ndarray) -> Mapping[int, slice]:
    ids, first = np.unique(household_ids, return_index=True)
    ends = [*first[1:], len(household_ids)]
    return {int(i): slice(int(a), int(b)) for i, a, b in zip(ids, first, ends, strict=True)}


def _dealt(rng: np.random.Generator, household: Household, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    people = household.shoppers
    weights = np.array([1.2 * len(people) if i == 0 else 1.0 for i in range(len(people))])
    buyer = rng.choice(len(people), size=count, p=weights / weights.sum())
    online = np.array([p.traces.online for p in people])
    channel = np.where(rng.random(count) < online[buyer], ACCOUNT, TILL)
    for index, person in enumerate(people):
        mine = np.flatnonzero((buyer == index) & (channel == TILL))
        wanted = min(person.traces.guest_orders, len(mine))
        channel[rng.choice(mine, size=wanted, replace=False) if wanted else mine[:0]] = GUEST
    return buyer, channel, _shown(rng, people, buyer)


def _shown(rng: np.random.Generator, people: tuple[Person, ...], buyer: np.ndarray) -> np.ndarray:
    """Return what each buyer showed: the card mostly, else a phone, else nothing."""
    has_card = np.array([p.traces.till_card is not None for p in people])[buyer]
    mobile = np.array([p.mobile is not None for p in people])[buyer]
    landline = np.array([p.landline is not None for p in people])[buyer]
    roll, second = rng.random(len(buyer)), rng.random(len(buyer))
    by_phone = np.where(landline & (second < 0.3), BY_LANDLINE, np.where(mobile, BY_MOBILE, BY_NOTHING))
    no_card = np.where(second < 0.35, by_phone, BY_NOTHING)
    return np.where(has_card & (roll < 0.88), BY_CARD, no_card)
