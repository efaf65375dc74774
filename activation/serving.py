"""What activation keeps in the serving store: campaigns, products with what goes with them, habits, what sells."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson

from activation.errors import PayloadMismatch
from activation.model import Campaign, Suggestion
from activation.tables import CAMPAIGNS, HABITS, ITEMS
from identity.tables import MEMBERSHIP
from infra import shelf
from infra.keyvalue import KeyValue
from infra.tables import Table

META: Final = b"c|meta"
POPULAR: Final = b"c|popular"
CAMPAIGN: Final = b"c|campaign|"
_SOLD_MOST: Final = 100

Entry = tuple[bytes, bytes]
Put = Callable[[bytes, bytes], None]


def item_key(product_id: str) -> bytes:
    """Return where a product lies, with what goes with it."""
    return f"c|item|{product_id}".encode()


def again_key(profile_id: str) -> bytes:
    """Return where the habits of a person lie who allows personalization."""
    return f"c|again|{profile_id}".encode()


def entries(lake_path: Path, versions: Mapping[str, int]) -> Iterator[Entry]:
    """Yield all keys and values of a generation, a batch in memory at a time.

    `versions` is the manifest's; a table that it does not name is read at its newest version, and one that
    does not exist yet gives nothing.
    """
    if shelf.exists(lake_path, MEMBERSHIP):
        version = versions.get(MEMBERSHIP.name)
        version = shelf.version(lake_path, MEMBERSHIP) if version is None else version
        yield META, _json({"identity_version": version})
    for row in _rows(lake_path, versions, CAMPAIGNS):
        yield CAMPAIGN + row["campaign"].encode(), _json(_campaign_out(row))
    sold: list[dict[str, Any]] = []
    for row in _rows(lake_path, versions, ITEMS):
        item = {name: row[name] for name in ("product_id", "label", "category", "rank")}
        if row["rank"] <= _SOLD_MOST:
            sold.append(item)
        near = [[one["product_id"], one["score"]] for one in row["neighbours"]]
        yield item_key(row["product_id"]), _json({**item, "neighbours": near})
    yield POPULAR, _json(sorted(sold, key=lambda item: int(item["rank"])))
    for row in _rows(lake_path, versions, HABITS):
        items = [{**one, "last_at": one["last_at"].isoformat()} for one in row["items"]]
        yield again_key(row["profile_id"]), _json({"items": items, "likes": dict(row["likes"])})


def filler(lake_path: Path, versions: Mapping[str, int]) -> Callable[[Put], int]:
    """Return what `profiles.publish` calls to have activation's keys put into a generation; it answers how many."""

    def fill(put: Put) -> int:
        count = 0
        for key, value in entries(lake_path, versions):
            put(key, value)
            count += 1
        return count

    return fill


def identity_version(store: KeyValue) -> int:
    """Return the version of `membership` that the generation was made from; -1 where it does not say."""
    return int(_read(store, META, {}).get("identity_version", -1))


def campaigns(store: KeyValue) -> tuple[Campaign, ...]:
    """Return all campaigns."""
    return tuple(_campaign_in(key, value) for key, value in store.items(CAMPAIGN))


def likes(store: KeyValue, profile_id: str) -> Mapping[str, float]:
    """Return the shares of the categories that a person spends on; empty where they allow no personalization."""
    found: Mapping[str, float] = _read(store, again_key(profile_id), {}).get("likes", {})
    return found


def again(store: KeyValue, profile_id: str, take: int) -> list[Suggestion]:
    """Return what a person buys again and again, best first."""
    items = _read(store, again_key(profile_id), {}).get("items", [])
    return _named(store, [(one["product_id"], one["score"]) for one in items], take, "buy again")


def together(store: KeyValue, basket: Sequence[str], take: int) -> list[Suggestion]:
    """Return what goes with a basket and is not in it: the products whose cosines with it add up to most."""
    scores: dict[str, int] = {}
    for product in sorted(set(basket)):
        for near, score in _read(store, item_key(product), {}).get("neighbours", []):
            if near not in basket:
                # Whole millionths: the order of the basket must not decide a tie.
                scores[near] = scores.get(near, 0) + round(score * 1e6)
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return _named(store, [(product, score / 1e6) for product, score in ranked[:take]], take, "bought together")


def popular(store: KeyValue, basket: Iterable[str], take: int) -> list[Suggestion]:
    """Return what sells most and is not in the basket: the same for everybody."""
    held = set(basket)
    rows = [row for row in _read(store, POPULAR, []) if row["product_id"] not in held]
    return [
        Suggestion(row["product_id"], row["label"], row["category"], 1.0 / row["rank"], "popular")
        for row in rows[:take]
    ]


def _named(store: KeyValue, scored: Sequence[tuple[str, float]], take: int, because: str) -> list[Suggestion]:
    named = []
    for product, score in scored[:take]:
        item = _read(store, item_key(product), {})
        named.append(Suggestion(product, item.get("label", product), item.get("category", ""), score, because))
    return named


def _rows(lake: Path, versions: Mapping[str, int], table: Table) -> Iterator[dict[str, Any]]:
    if shelf.exists(lake, table):
        for batch in shelf.batches(lake, table, versions.get(table.name)):
            yield from batch.to_pylist()


def _campaign_out(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "starts_on": row["starts_on"].isoformat(),
        "ends_on": row["ends_on"].isoformat(),
        "attributes": dict(row["attributes"]),
        "categories": dict(row["categories"]),
        "redeemers": row["redeemers"],
        "reached": row["reached"],
    }


def _campaign_in(key: bytes, value: bytes) -> Campaign:
    try:
        said = orjson.loads(value)
        starts_on, ends_on = (date.fromisoformat(said.pop(name)) for name in ("starts_on", "ends_on"))
        return Campaign(campaign=key[len(CAMPAIGN) :].decode(), starts_on=starts_on, ends_on=ends_on, **said)
    except (ValueError, KeyError, TypeError) as error:
        raise PayloadMismatch(key.decode()) from error


def _read(store: KeyValue, key: bytes, otherwise: Any) -> Any:
    value = store.get(key)
    return otherwise if value is None else orjson.loads(value)


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
