"""What is sold and what is on offer: the real products, the 27 campaigns, and the coupons that were handed in."""

from collections import defaultdict

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice
from api.demo.journey import Journey
from api.demo.model import Household, Row

PRODUCTS_NAMED = 200
REDEMPTION_COLUMNS = ("redemption_id", "card_no", "coupon_upc", "campaign_id", "redeemed_at")
SPOILERS: Spoilers = {
    "missing key": ("redemption_id", beheading("redemption_id")),
    "impossible time": ("redemption_id", setting("redeemed_at", "2017-00-00T00:00:00Z")),
}


def product_table(journey: Journey) -> pa.Table:
    """Return every product under readable column names."""
    frame = journey.products
    return pa.table(
        {
            "product_id": pa.array(frame["product_id"]).cast(pa.string()),
            "department": _plain(frame["department"]),
            "brand": _plain(frame["brand"]),
            "category": _plain(frame["product_category"]),
            "type": _plain(frame["product_type"]),
            "size": _plain(frame["package_size"]),
        }
    )


def _plain(column: pd.Series) -> pa.Array:
    return pc.utf8_trim_whitespace(pa.array(column, pa.string(), from_pandas=True))


def campaign_table(journey: Journey) -> pa.Table:
    """Return the campaigns with how many households received each and the first products its coupons are good for."""
    frame = journey.campaigns.sort_values("campaign_id")
    mailed = journey.mailings.groupby("campaign_id")["household_id"].nunique()
    good_for = journey.coupons.drop_duplicates(["campaign_id", "product_id"]).groupby("campaign_id")["product_id"]
    named = {int(str(c)): sorted(int(p) for p in products)[:PRODUCTS_NAMED] for c, products in good_for}
    ids = [int(c) for c in frame["campaign_id"]]
    return pa.table(
        {
            "campaign_id": [str(c) for c in ids],
            "type": _plain(frame["campaign_type"]),
            "start": [d.date().isoformat() for d in frame["start_date"]],
            "end": [d.date().isoformat() for d in frame["end_date"]],
            "eligible_households": [int(mailed.get(c, 0)) for c in ids],
            "products": [" ".join(str(p) for p in named.get(c, [])) for c in ids],
        }
    )


class Redemptions:
    """The coupons handed in, by household."""

    def __init__(self, journey: Journey) -> None:
        self._of: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        frame = journey.redemptions.sort_values(["household_id", "redemption_date", "coupon_upc"])
        days = frame["redemption_date"].dt.strftime("%Y-%m-%d")
        for household, coupon, campaign, day in zip(
            frame["household_id"], frame["coupon_upc"], frame["campaign_id"], days, strict=True
        ):
            self._of[int(household)].append((int(coupon), int(campaign), str(day)))

    def rows(self, seed: int, household: Household) -> list[Row]:
        """Return what one household handed in, each under a card that one of them uses."""
        rng = dice(seed, "redemptions", household.household_id)
        buyers = [p for p in household.shoppers if p.traces.till_card]
        rows: list[Row] = []
        for nth, (coupon, campaign, day) in enumerate(self._of.get(household.household_id, [])):
            buyer = rng.choice(buyers)
            key = f"R{household.household_id:04d}{nth:03d}"
            values: dict[str, object] = {
                "redemption_id": key,
                "card_no": buyer.traces.till_card,
                "coupon_upc": str(coupon),
                "campaign_id": str(campaign),
                "redeemed_at": f"{day}T12:{rng.randint(0, 59):02d}:00Z",
            }
            rows.append(Row(key, buyer.person_id, values))
        return rows
