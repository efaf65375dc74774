"""What the demo's world is made of: households, people, the traces they leave, and rows with the person behind them."""

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class Address:
    """A place on no map."""

    street: str
    city: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """Which traces a person leaves: how often and under which identifiers."""

    crm: int = 0
    cards: tuple[str, ...] = ()
    till_card: str | None = None
    accounts: tuple[str, ...] = ()
    guest_orders: int = 0
    subscriptions: int = 0
    cookies: tuple[str, ...] = ()
    device: str | None = None
    online: float = 0.0
    analytics_allowed: bool = True
    kiosk: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person: the truth that the sources only hint at."""

    person_id: str
    household_id: int
    number: int
    given: str
    family: str
    gender: str
    birth_date: date
    address: Address
    emails: tuple[str, ...] = ()
    mobile: str | None = None
    landline: str | None = None
    nickname: str | None = None
    suffix: str | None = None
    former_family: str | None = None
    former_address: Address | None = None
    former_mobile: str | None = None
    script: str | None = None
    traces: Footprint = field(default_factory=Footprint)

    def age(self, year: int) -> int:
        """Years of age reached in a year."""
        return year - self.birth_date.year


@dataclass(frozen=True, slots=True)
class Household:
    """People who live, shop and share things together."""

    household_id: int
    position: int
    people: tuple[Person, ...]
    trap: str | None = None
    tablet: str | None = None
    namesake_of: str | None = None

    @property
    def shoppers(self) -> tuple[Person, ...]:
        """Those old enough to shop and to leave traces."""
        return tuple(p for p in self.people if p.age(2017) >= GROWN)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source with what is true of it; `fault` names what is wrong with a row meant for quarantine."""

    key: str
    person_id: str
    values: dict[str, object]
    fault: str | None = None
    copy: bool = False


GROWN = 16
# Of the shop itself: operators type it when a customer will not say theirs.
SHOP_PHONE, SHOP_PHONE_TYPED = "+16145550100", "614-555-0100"
PLACEHOLDER_EMAILS = ("test@test.com", "noreply@example.com", "null")
