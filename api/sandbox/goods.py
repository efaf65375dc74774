"""What the sandbox's shop sells, what goes together, and a campaign: enough for `decide` to have something to say."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import permutations
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the shop."""

    id: str
    label: str
    category: str
    price: float


PRODUCTS = tuple(
    Product(f"p-{number:02d}", label, category, price)
    for number, (label, category, price) in enumerate(
        (
            ("Mature cheddar", "cheese", 4.29),
            ("Blue goat's cheese", "cheese", 6.10),
            ("Sourdough loaf", "bread", 4.20),
            ("Rye bread", "bread", 3.70),
            ("Breakfast tea", "tea", 3.15),
            ("Green tea", "tea", 3.90),
            ("Dark roast coffee", "coffee", 7.80),
            ("Decaf coffee", "coffee", 8.20),
            ("Strawberries", "fruit", 3.99),
            ("Clementines", "fruit", 2.79),
            ("Baby spinach", "vegetables", 2.10),
            ("Vine tomatoes", "vegetables", 2.89),
            ("Oat drink", "dairy", 2.35),
            ("Whole milk", "dairy", 1.49),
            ("Dark chocolate", "sweets", 2.95),
            ("Oat biscuits", "sweets", 2.25),
        ),
        1,
    )
)
CATEGORIES = tuple(dict.fromkeys(one.category for one in PRODUCTS))


@dataclass(frozen=True, slots=True)
class Bought:
    """An order: when and where, and how many of what."""

    id: str
    days_ago: int
    channel: str
    lines: tuple[tuple[Product, int], ...]

    @property
    def amount(self) -> float:
        """What was paid."""
        return round(sum(product.price * count for product, count in self.lines), 2)


def orders(rng: Random, number: int) -> tuple[Bought, ...]:
    """Return somebody's orders, the newest first; everybody likes some things more than others."""
    liked = rng.sample(PRODUCTS, 6)
    days = sorted(rng.sample(range(1, 360), rng.choice((1, 3, 5, 8, 13))))
    return tuple(
        Bought(
            id=f"o-{number:04d}-{nth}",
            days_ago=ago,
            channel=rng.choice(("tills", "web")),
            lines=tuple((product, rng.randint(1, 3)) for product in rng.sample(liked, rng.randint(1, 4))),
        )
        for nth, ago in enumerate(days)
    )


def campaigns(today: date) -> dict[str, dict[str, Any]]:
    """Return what may be offered these weeks, in the form in which serving keeps it."""
    span = {"starts_on": str(today - timedelta(days=30)), "ends_on": str(today + timedelta(days=60))}
    return {
        f"{category}_weeks": {
            **span, "attributes": {"discount": "10%"}, "categories": {category: 1.0}, "redeemers": 12, "reached": 40,
        }
        for category in ("cheese", "coffee", "fruit")
    }  # fmt: skip


def together() -> dict[str, list[list[Any]]]:
    """Return which products are bought with which: those of one category, most of all."""
    near: dict[str, list[list[Any]]] = {one.id: [] for one in PRODUCTS}
    for one, other in permutations(PRODUCTS, 2):
        if one.category == other.category:
            near[one.id].append([other.id, 0.8])
        elif abs(PRODUCTS.index(one) - PRODUCTS.index(other)) == 2:
            near[one.id].append([other.id, 0.4])
    return near
