"""Basket lines as the tills and the web shop record them; 1.47 million of them, so whole columns at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from api.demo.baskets import ACCOUNT, BY_CARD, BY_LANDLINE, BY_MOBILE, GUEST, TILL, Baskets
from api.demo.model import Person

COPIED, SPOILED, PLACEHOLDER = 4001, 6007, 211
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Receipts:
    """The lines of some households: as the source writes them, and whose each one is."""

    table: pa.Table
    truth: pa.Table
    copies: int
    faults: int


def lines_of(lines: pd.DataFrame, baskets: Baskets, households: list[int]) -> pd.DataFrame:
    """Return the lines of these households with their basket's buyer, channel and what was shown."""
    mine = lines[lines["household_id"].isin(households)]
    by_basket = baskets.frame.sort_values("basket_id", ignore_index=True)
    at = np.searchsorted(by_basket["basket_id"].to_numpy(), mine["basket_id"].to_numpy())
    return mine.assign(**{c: by_basket[c].to_numpy()[at] for c in ("buyer", "channel", "shown")})


def till_receipts(lines: pd.DataFrame, shoppers: tuple[Person, ...]) -> Receipts:
    """Return the till lines: the card number where one was shown, else the phone that was keyed in, else nothing."""
    mine = lines[lines["channel"] == TILL].reset_index(drop=True)
    buyer, shown = pa.array(mine["buyer"]), mine["shown"].to_numpy()
    cards = pa.array([p.traces.till_card for p in shoppers], pa.string()).take(buyer)
    mobiles = pa.array([_keyed(p.mobile) for p in shoppers], pa.string()).take(buyer)
    landlines = pa.array([_keyed(p.landline) for p in shoppers], pa.string()).take(buyer)
    none = pa.scalar(None, pa.string())
    waved_off = pa.array(_hashed(mine["basket_id"].to_numpy(), 3) % PLACEHOLDER == 0)
    phone = pc.case_when(
        pc.make_struct(pa.array(shown == BY_MOBILE), pa.array(shown == BY_LANDLINE), pa.array(shown != BY_CARD)),
        mobiles, landlines, pc.if_else(waved_off, "0000000000", none),
    )  # fmt: skip
    table = pa.table(
        {
            **_common(mine),
            "store_id": _text(mine["store_id"]),
            "retail_disc": pa.array(mine["retail_disc"]),
            "coupon_disc": pa.array(mine["coupon_disc"]),
            "card_no": pc.if_else(pa.array(shown == BY_CARD), cards, none),
            "phone": phone,
            "purchased_at": pa.array(mine["transaction_timestamp"]).cast(pa.timestamp("us")).cast(
                pa.timestamp("us", "UTC")
            ),
        }
    )  # fmt: skip
    return _blemished("tills", table, mine, shoppers)


def shop_orders(lines: pd.DataFrame, shoppers: tuple[Person, ...], guest_mail: Mapping[int, str | None]) -> Receipts:
    """Return the web shop's lines: the account that ordered, or the address that the guest typed."""
    mine = lines[lines["channel"] != TILL].reset_index(drop=True)
    by_account = pa.array((mine["channel"] == ACCOUNT).to_numpy())
    orders = mine["basket_id"].to_numpy()
    first = pa.array([(p.traces.accounts or (None,))[0] for p in shoppers], pa.string())
    last = pa.array([(p.traces.accounts or (None,))[-1] for p in shoppers], pa.string())
    account = pc.if_else(
        pa.array(orders % 4 == 0), last.take(pa.array(mine["buyer"])), first.take(pa.array(mine["buyer"]))
    )
    mails = [guest_mail.get(int(o)) for o in orders[(mine["channel"] == GUEST).to_numpy()]]
    typed = np.full(len(mine), None, dtype=object)
    typed[(mine["channel"] == GUEST).to_numpy()] = mails
    table = pa.table(
        {
            **_common(mine),
            "account_id": pc.if_else(by_account, account, pa.scalar(None, pa.string())),
            "guest_email": pa.array(typed, pa.string()),
            "ordered_at": pc.strftime(
                pa.array(mine["transaction_timestamp"]).cast("timestamp[s]"), "%Y-%m-%dT%H:%M:%SZ"
            ),
        }
    )
    return _blemished("webshop_orders", table, mine, shoppers)


def _common(mine: pd.DataFrame) -> dict[str, pa.Array]:
    basket, product = _text(mine["basket_id"]), _text(mine["product_id"])
    return {
        "line_id": pc.binary_join_element_wise(basket, product, "-"),
        "basket_id": basket,
        "product_id": product,
        "quantity": pa.array(mine["quantity"]),
        "sales_value": pa.array(mine["sales_value"]),
    }


def _blemished(source: str, table: pa.Table, mine: pd.DataFrame, shoppers: tuple[Person, ...]) -> Receipts:
    """Append the lines that a till sent twice and the few that it garbled, chosen by the line itself."""
    marks = _hashed(mine["basket_id"].to_numpy() * 31 + mine["product_id"].to_numpy(), 7)
    again = table.filter(pa.array(marks % COPIED == 0))
    garbled = table.filter(pa.array(marks % SPOILED == 1))
    at = table.schema.get_field_index("line_id")
    garbled = garbled.set_column(at, "line_id", pa.nulls(garbled.num_rows, pa.string()))
    owners = pa.array([p.person_id for p in shoppers], pa.string()).take(pa.array(mine["buyer"]))
    truth = pa.table({"source": pa.repeat(source, table.num_rows), "message_id": table["line_id"], "person_id": owners})
    return Receipts(pa.concat_tables([table, again, garbled]), truth, again.num_rows, garbled.num_rows)


def _hashed(numbers: np.ndarray, salt: int) -> np.ndarray:
    """Return numbers that look drawn but follow from the given ones, so that a subset draws the same."""
    mixed = (numbers.astype(np.uint64) + np.uint64(salt)) * _MIX
    return (mixed ^ (mixed >> np.uint64(31))) % np.uint64(2**31)


def _text(column: pd.Series) -> pa.Array:
    return pa.array(column).cast(pa.string())


def _keyed(phone: str | None) -> str | None:
    return phone[2:] if phone else None
