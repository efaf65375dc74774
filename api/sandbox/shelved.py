"""People as serving keeps them, written with the renderers of a real publication."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from activation import serving as chosen
from api.sandbox.cast import Cast, Invented
from api.sandbox.goods import PRODUCTS, Bought, campaigns, together
from infra.ids import Purpose, Token
from profiles import render, serving
from profiles.config import ValueKind
from profiles.stored import packed

SOURCES = ("crm", "webshop", "tills")
Entry = tuple[bytes, bytes]
Tokens = Callable[[str, str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a publication knows beside the people: purposes with what each may not see, kinds of traits, the moment."""

    masks: Mapping[Purpose, tuple[str, ...]]
    kinds: Mapping[str, ValueKind]
    named: Tokens
    at: datetime


def entries(everybody: Cast, shelf: Shelf) -> Iterator[Entry]:
    """Yield all keys and values of a generation."""
    shared = shelf.named("phone", everybody.shared_phone)["token"]
    first, second = everybody.sharers
    yield serving.token_key(shared), f"{first.id},{second.id}".encode()
    yield serving.alias_key(everybody.merged_id, everybody.survivor.id), b""
    for successor in everybody.successors:
        yield serving.alias_key(everybody.split_id, successor.id), b""
    for one in everybody.people:
        yield from _person(one, shelf)
    yield from _choices(everybody, shelf)
    manifest = {"generation": "sandbox", "started_at": render.moment(shelf.at)}
    yield serving.MANIFEST, orjson.dumps(manifest)


def _person(one: Invented, shelf: Shelf) -> Iterator[Entry]:
    named = [shelf.named(kind, value) for kind, value in one.identifiers]
    row = _graph(one, named, shelf)
    held = sorted(each["token"] for each in named)
    yield serving.header_key(one.id), render.header(row)
    listed = "\n".join(held).encode()
    yield serving.holders_key(one.id), listed
    yield serving.graph_key(one.id), render.graph(row)
    yield serving.timeline_key(one.id), render.timeline({"entries": _timeline(one, shelf.at)})
    for each in named:
        yield serving.token_key(each["token"]), one.id.encode()
    for purpose, masked in shelf.masks.items():
        seen = _view(one, purpose, masked, named, shelf.at)
        tag, body = render.view(seen, shelf.kinds, ["regulars"] if _recent(one, 90) >= 3 else [])
        yield serving.view_key(purpose, one.id), packed(tag, body, listed)
        for word in render.search_words(seen["attributes"]):
            yield serving.search_key(purpose, word, one.id), b""


def _values(one: Invented) -> dict[str, str]:
    return {
        "given_name": one.given, "family_name": one.family, "birth_date": one.born, "street": one.street,
        "postcode": one.postcode, "city": one.city, "email": one.email, "phone": one.phone,
    }  # fmt: skip


def _view(
    one: Invented, purpose: Purpose, masked: tuple[str, ...], named: list[dict[str, str]], at: datetime
) -> dict[str, Any]:
    attributes = [
        {
            "name": name, "value": value, "source": SOURCES[n % 3], "record_key": one.records[n % 3],
            "observed_at": at - timedelta(days=20 + n), "rule": "most_recent", "confidence": 1.0,
        }
        for n, (name, value) in enumerate(_values(one).items())
        if name not in masked
    ]  # fmt: skip
    return {
        "profile_id": one.id,
        "purpose": purpose,
        "as_of": at,
        "attributes": attributes,
        "traits": traits(one, at),
        "identifiers": [each for each in named if each["type"] not in masked],
        "withheld": [{"field": name, "because": "policy"} for name in sorted(masked)],
        "confidence": 0.99,
        "reason": "",
        "policy_line": "",
    }


def traits(one: Invented, at: datetime) -> list[tuple[str, str]]:
    """Return what the orders add up to, as text, as the job computes it."""
    spend = sum(order.amount for order in one.orders)
    liked = Counter[str]()
    for order in one.orders:
        for product, count in order.lines:
            liked[product.category] += count
    told = {
        "orders": str(len(one.orders)),
        "orders_90d": str(_recent(one, 90)),
        "spend": f"{spend:.2f}",
        "average_basket": f"{spend / len(one.orders):.2f}",
        "items": str(sum(count for order in one.orders for _, count in order.lines)),
        "last_order": str(render.moment(at - timedelta(days=one.orders[0].days_ago))),
        "days_since_order": str(one.orders[0].days_ago),
        "favourite_categories": render.LIST_SEPARATOR.join(name for name, _ in liked.most_common(3)),
        "channel": Counter(order.channel for order in one.orders).most_common(1)[0][0],
    }
    return sorted(told.items())


def _recent(one: Invented, days: int) -> int:
    return sum(order.days_ago <= days for order in one.orders)


def _graph(one: Invented, named: list[dict[str, str]], shelf: Shelf) -> dict[str, Any]:
    carried = ([0, 1, 2], [0, 3], [0, 4])  # which identifiers each record brings: the email is on all of them
    records = [
        {
            "record_key": key, "source": source, "kind": "person", "known": True, "link": "own",
            "observed_at": shelf.at - timedelta(days=20), "attributes": list(_values(one).items()),
            "identifiers": [named[n] for n in places], "purposes": list(shelf.masks),
        }
        for key, source, places in zip(one.records, SOURCES, carried, strict=True)
    ]  # fmt: skip
    reasons = [{"comparison": "email", "level": "equal", "weight_micro": 14_000_000}]
    edges = [
        {"left": one.records[0], "right": other, "weight_micro": 14_000_000, "kind": "identifier", "state": "kept",
         "why": "", "elsewhere": None, "reasons": reasons}
        for other in one.records[1:]
    ]  # fmt: skip
    tokens = [{"token": each["token"], "link": "own"} for each in named]
    return {
        "profile_id": one.id, "anchor": one.records[0], "known": True, "size": 3, "confidence": 0.99,
        "records": records, "edges": edges, "tokens": tokens,
    }  # fmt: skip


def _timeline(one: Invented, at: datetime) -> list[dict[str, Any]]:
    asked = [
        {**_entry(one, 0, at - timedelta(days=2 + n)), "source": "helpdesk", "name": question,
         "details": {"status": "open"}}
        for n, question in enumerate(one.questions)
    ]  # fmt: skip
    bought = [_order(one, order, at) for order in one.orders]
    return sorted(asked + bought, key=lambda entry: entry["at"], reverse=True)


def _order(one: Invented, order: Bought, at: datetime) -> dict[str, Any]:
    lines = [
        {"product_id": product.id, "name": product.label, "quantity": float(count),
         "amount": round(product.price * count, 2)}
        for product, count in order.lines
    ]  # fmt: skip
    return {
        **_entry(one, 1 if order.channel == "web" else 2, at - timedelta(days=order.days_ago)),
        "kind": "order", "name": "order", "order_id": order.id, "amount": order.amount, "line_count": len(lines),
        "lines": lines,
    }  # fmt: skip


def _entry(one: Invented, record: int, at: datetime) -> dict[str, Any]:
    source = SOURCES[record]
    return {
        "at": at, "kind": "event", "source": source, "record_key": one.records[record], "name": "", "channel": source,
        "order_id": None, "amount": None, "line_count": 0, "lines": [], "details": {},
    }  # fmt: skip


def _choices(everybody: Cast, shelf: Shelf) -> Iterator[Entry]:
    yield chosen.META, orjson.dumps({"identity_version": 1})
    for name, told in campaigns(shelf.at.date()).items():
        yield chosen.CAMPAIGN + name.encode(), orjson.dumps(told)
    near = together()
    items = [
        {"product_id": p.id, "label": p.label, "category": p.category, "rank": n} for n, p in enumerate(PRODUCTS, 1)
    ]
    for item in items:
        name = str(item["product_id"])
        yield chosen.item_key(name), orjson.dumps({**item, "neighbours": near[name]})
    yield chosen.POPULAR, orjson.dumps(items)
    for one in everybody.people:
        counts, spent = Counter[str](), Counter[str]()
        for order in one.orders:
            for product, count in order.lines:
                counts[product.id] += count
                spent[product.category] += round(product.price * count * 100)
        whole = sum(counts.values())
        habits = {
            "items": [{"product_id": name, "score": round(n / whole, 4)} for name, n in counts.most_common(5)],
            "likes": {name: round(cents / sum(spent.values()), 4) for name, cents in spent.items()},
        }
        yield chosen.again_key(one.id), orjson.dumps(habits)


def tokens_of(one: Invented, named: Tokens) -> list[Token]:
    """Return the tokens of somebody's identifiers, in the order of `identifiers`."""
    return [Token(named(kind, value)["token"]) for kind, value in one.identifiers]
