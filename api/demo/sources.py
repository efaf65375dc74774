"""Every source system's rows for a stretch of households, and the files that they fill."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from api.demo import catalogue, consents, crm, helpdesk, loyalty, newsletter, web, webshop
from api.demo.baskets import Baskets
from api.demo.blemishes import Spoilers, blemished
from api.demo.catalogue import Redemptions
from api.demo.chance import dice
from api.demo.files import write_csv, write_ndjson, write_parquet, write_table_csv
from api.demo.model import Household, Row
from api.demo.receipts import Receipts, lines_of, shop_orders, till_receipts

PERSON_SOURCES = ("crm", "loyalty", "webshop_accounts", "webshop_guests", "newsletter")
TOUR = 3
_CSV = {
    "crm": crm.COLUMNS,
    "loyalty": loyalty.COLUMNS,
    "webshop_guests": webshop.GUEST_COLUMNS,
    "newsletter": newsletter.COLUMNS,
    "redemptions": catalogue.REDEMPTION_COLUMNS,
}
_NDJSON = ("webshop_accounts", "web", "helpdesk", "consents")


@dataclass(frozen=True)
class Shopping:
    """The real shopping that the rows draw on."""

    seed: int
    today: date
    lines: pd.DataFrame
    baskets: Baskets
    redemptions: Redemptions


@dataclass(frozen=True)
class Stretch:
    """What every source holds about some households."""

    rows: dict[str, list[Row]]
    tills: Receipts
    orders: Receipts


def stretch(shopping: Shopping, households: Sequence[Household]) -> Stretch:
    """Return what every source holds about these households, most rows one by one, basket lines by columns."""
    seed, guests = shopping.seed, shopping.baskets.guest_orders()
    products = _browsed(shopping.baskets, households)
    makers: dict[str, tuple[Callable[[Household], list[Row]], Spoilers]] = {
        "crm": (lambda h: crm.crm_rows(seed, h), crm.SPOILERS),
        "loyalty": (lambda h: loyalty.loyalty_rows(seed, h), loyalty.SPOILERS),
        "webshop_accounts": (lambda h: webshop.account_rows(seed, h), webshop.ACCOUNT_SPOILERS),
        "webshop_guests": (
            lambda h: webshop.guest_rows(seed, h, guests.get(h.household_id, [])),
            webshop.GUEST_SPOILERS,
        ),
        "newsletter": (lambda h: newsletter.newsletter_rows(seed, h), newsletter.SPOILERS),
        "web": (lambda h: web.web_rows(seed, h, products[h.household_id]), web.SPOILERS),
        "helpdesk": (lambda h: helpdesk.helpdesk_rows(seed, h), helpdesk.SPOILERS),
        "consents": (lambda h: consents.consent_rows(seed, h, shopping.today), consents.SPOILERS),
        "redemptions": (lambda h: shopping.redemptions.rows(seed, h), catalogue.SPOILERS),
    }
    rows = {
        source: list(_with_blemishes(seed, source, households, make, spoilers))
        for source, (make, spoilers) in makers.items()
    }
    mine = lines_of(shopping.lines, shopping.baskets, [h.household_id for h in households])
    typed = {int(r.key): r.values["email"] for r in rows["webshop_guests"] if r.fault is None}
    guest_mail = {order: str(email) if email else None for order, email in typed.items()}
    shoppers = shopping.baskets.shoppers
    return Stretch(rows, till_receipts(mine, shoppers), shop_orders(mine, shoppers, guest_mail))


def _with_blemishes(
    seed: int, source: str, households: Iterable[Household], make: Callable[[Household], list[Row]], spoilers: Spoilers
) -> Iterator[Row]:
    """Yield a source's rows with its blemishes; those of the tour are spared, so that six records are six."""
    for household in households:
        rows = make(household)
        if household.position < TOUR:
            yield from rows
        else:
            yield from blemished(dice(seed, "blemishes", source, household.household_id), rows, spoilers)


def _browsed(baskets: Baskets, households: Sequence[Household]) -> dict[int, list[int]]:
    """Return what each household looks at on the web: the first product of each of its baskets."""
    wanted = {h.household_id for h in households}
    frame = baskets.frame[baskets.frame["household_id"].isin(wanted)]
    return {int(str(h)): [int(p) for p in products] for h, products in frame.groupby("household_id")["product_id"]}


def write_stretch(data: Path, nth: int, stretch: Stretch) -> None:
    """Write one more file into each source's folder; earlier files stay as they are."""
    for source, columns in _CSV.items():
        write_csv(data / source / f"part-{nth}.csv", columns, (row.values for row in stretch.rows[source]))
    for source in _NDJSON:
        write_ndjson(data / source / f"part-{nth}.ndjson", (row.values for row in stretch.rows[source]))
    write_parquet(data / "tills" / f"part-{nth}.parquet", stretch.tills.table)
    write_table_csv(data / "webshop_orders" / f"part-{nth}.csv", stretch.orders.table)
