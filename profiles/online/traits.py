"""The declared traits of a person after one more event, or after another profile's past joined theirs. Pure.

Batch is the truth (`profiles.transforms.traits`); this is what of it can be kept up to date event by event. What needs
the whole population (scores), the catalogue (favourites) or all orders at once (the preferred channel) waits for the
next build, and so does what has left a window since the last one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from profiles.config import Trait

_CENT: Final = Decimal("0.01")
Traits = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """What an event adds to its person: `order` where it is an order's line, `fresh` where the order was not known."""

    at: datetime
    order: bool = False
    fresh: bool = False
    amount: Decimal = Decimal(0)
    items: int = 0

    @property
    def counts(self) -> bool:
        """Whether it is one more thing that happened: an order counts once, whatever its lines."""
        return not self.order or self.fresh


@dataclass(frozen=True, slots=True)
class Declared:
    """Declared traits, laid out once for all events: the rule of each that can be kept up to date, and the averages."""

    ruled: tuple[tuple[Trait, "_Rule"], ...]
    joined: tuple[tuple[str, "_Join"], ...]
    # An average, and the total and the count of the same window that it is of.
    averages: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, traits: Iterable[Trait], masked: Collection[str] = ()) -> "Declared":
        """Return the layout of what a purpose sees: all but what is masked."""
        seen = [trait for trait in traits if trait.name not in masked]
        by = {(trait.compute, trait.window_days): trait.name for trait in seen}
        averages = ((name, window) for (compute, window), name in by.items() if compute == "average_order")
        return cls(
            tuple((trait, _RULES[trait.compute]) for trait in seen if trait.compute in _RULES),
            tuple((trait.name, _JOINED[trait.compute]) for trait in seen if trait.compute in _JOINED),
            tuple((n, by.get(("order_total", w), ""), by.get(("order_count", w), "")) for n, w in averages),
        )


def after(traits: Traits, happened: Happening, declared: Declared, as_of: tuple[datetime, datetime]) -> dict[str, Any]:
    """Return the traits with one more event; `as_of` is the moment they are of before and after it."""
    told = dict(traits)
    for trait, rule in declared.ruled:
        value = rule(told.get(trait.name), trait, happened, as_of)
        if value is not None:
            told[trait.name] = value
    return _averaged(told, declared)


def together(left: Traits, right: Traits, declared: Declared) -> dict[str, Any]:
    """Return the traits of a person whose past lay in two profiles that share no event."""
    told = {**right, **left}
    for name, joined in declared.joined:
        if name in left and name in right:
            told[name] = joined(left[name], right[name])
    return _averaged(told, declared)


def second(at: datetime) -> str:
    """Return a moment as traits tell it: in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_AsOf = tuple[datetime, datetime]
_Rule = Callable[[Any, Trait, Happening, _AsOf], Any]
_Join = Callable[[Any, Any], Any]


def _within(trait: Trait, happened: Happening, as_of: _AsOf) -> bool:
    return trait.window_days is None or happened.at > as_of[1] - timedelta(days=trait.window_days)


def _count(old: Any, trait: Trait, happened: Happening, as_of: _AsOf) -> Any:
    return (old or 0) + int(happened.counts and _within(trait, happened, as_of))


def _orders(old: Any, trait: Trait, happened: Happening, as_of: _AsOf) -> Any:
    return (old or 0) + int(happened.fresh and _within(trait, happened, as_of))


def _total(old: Any, trait: Trait, happened: Happening, as_of: _AsOf) -> Any:
    more = happened.amount if happened.order and _within(trait, happened, as_of) else Decimal(0)
    return _money(Decimal(str(old or 0)) + more)


def _items(old: Any, trait: Trait, happened: Happening, as_of: _AsOf) -> Any:
    return (old or 0) + (happened.items if happened.order and _within(trait, happened, as_of) else 0)


def _first(old: Any, _trait: Trait, happened: Happening, _as_of: _AsOf) -> Any:
    return min(filter(None, (old, second(happened.at))))


def _last(old: Any, _trait: Trait, happened: Happening, _as_of: _AsOf) -> Any:
    return max(filter(None, (old, second(happened.at))))


def _first_order(old: Any, trait: Trait, happened: Happening, as_of: _AsOf) -> Any:
    return _first(old, trait, happened, as_of) if happened.order else old


def _last_order(old: Any, trait: Trait, happened: Happening, as_of: _AsOf) -> Any:
    return _last(old, trait, happened, as_of) if happened.fresh else old


def _days(old: Any, _trait: Trait, happened: Happening, as_of: _AsOf) -> Any:
    before, now = (moment.astimezone(UTC).date() for moment in as_of)
    since = None if old is None else old + (now - before).days
    if not happened.fresh:
        return since
    mine = (now - happened.at.astimezone(UTC).date()).days
    return mine if since is None else min(mine, since)


_RULES: Final[Mapping[str, _Rule]] = {
    "first_seen": _first,
    "last_seen": _last,
    "event_count": _count,
    "order_count": _orders,
    "order_total": _total,
    "item_count": _items,
    "first_order": _first_order,
    "last_order": _last_order,
    "days_since_order": _days,
}
_JOINED: Final[Mapping[str, _Join]] = {
    "first_seen": min,
    "last_seen": max,
    "event_count": lambda a, b: a + b,
    "order_count": lambda a, b: a + b,
    "order_total": lambda a, b: _money(Decimal(str(a)) + Decimal(str(b))),
    "item_count": lambda a, b: a + b,
    "first_order": min,
    "last_order": max,
    "days_since_order": min,
}


def _averaged(told: dict[str, Any], declared: Declared) -> dict[str, Any]:
    """Return the traits with averages worked out anew where total and count of the same window are told."""
    for name, of_total, of_count in declared.averages:
        total, count = told.get(of_total), told.get(of_count)
        if total is not None and count:
            told[name] = _money(Decimal(str(total)) / count)
    return told


def _money(value: Decimal) -> float:
    return float(value.quantize(_CENT, ROUND_HALF_UP))
