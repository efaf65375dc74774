"""Segment's Profile API in Segment's words: what a profile's view and timeline are called there.

Pure rules from our answers to theirs; `routes/segment.py` is the door.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from api.http.paging import digest_of, page
from api.http.ports import Json

_DEFAULT: Final = 10
# Their pages say 100 in one place and 200 for traits in another; what either allows is allowed.
_MOST: Final = 200
_MOST_LINKS: Final = 20
_CLASSES: Final = ("audience", "computed_trait")


class Refused(Exception):
    """An answer in their form that is no profile: status, code and sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


def not_found() -> Refused:
    """Return their one sentence for everybody who is not there, whatever the reason."""
    return Refused(404, "not_found", "Profile was not found.")


def invalid(name: str, right: str) -> Refused:
    """Return what is wrong with a parameter, without its value."""
    return Refused(400, "invalid_request_error", f"The parameter `{name}` is invalid; {right}")


@dataclass(frozen=True, slots=True)
class Address:
    """Whose profile, and what of it: an identifier as type and value, or one of our ids as the value alone."""

    kind: str | None
    value: str
    what: str


def address(rest: bytes) -> Address:
    """Return whom a raw path names behind `/profiles/`. A plus is a plus in a path, written as itself or as %2B."""
    who, _, what = rest.rpartition(b"/")
    text = unquote_to_bytes(who).decode("utf-8", "replace")
    kind, colon, value = text.partition(":")
    if not colon:
        return Address(None, text.removeprefix("use_"), what.decode("latin-1"))
    return Address(kind, value, what.decode("latin-1"))


Query = Mapping[str, str]


def traits(view: Json, query: Query, url: str) -> Json:
    """Return attributes, computed traits and audiences as their traits, by name."""
    kind = query.get("class")
    if kind is not None and kind not in _CLASSES:
        raise invalid("class", "use audience or computed_trait")
    found: dict[str, Any] = {}
    if kind is None:
        found |= view.get("attributes") or {}
    if kind in (None, "computed_trait"):
        found |= view.get("traits") or {}
    if kind in (None, "audience"):
        found |= dict.fromkeys(view.get("audiences") or (), True)
    wanted = _listed(query, "include")
    named = [{"at": name} for name in sorted(found) if wanted is None or name in wanted]
    shown = page(named, _limit(query, _MOST), _next(query), oldest_first=True)
    names = [str(one["at"]) for one in shown.items]
    if _flag(query, "verbose"):
        origin = view.get("provenance") or {}
        told = {name: _verbose(found[name], origin.get(name), view) for name in names}
    else:
        told = {name: found[name] for name in names}
    return {"traits": told, "cursor": _cursor(url, shown.following, _limit(query, _MOST))}


def external_ids(view: Json, query: Query, url: str, theirs: Callable[[str], str]) -> Json:
    """Return the identifiers that the purpose may see."""
    wanted = _listed(query, "include")
    held = [(theirs(one["type"]), one["value"]) for one in view.get("identifiers") or () if "value" in one]
    held = [one for one in held if wanted is None or one[0] in wanted]
    # Numbered: a cursor made of an identifier would carry it into the next request's address.
    numbered = [{"at": f"{place:06d}"} for place in range(len(held))]
    shown = page(numbered, _limit(query, _MOST), _next(query), oldest_first=True)
    data = [_external(*held[int(str(one["at"]))], view) for one in shown.items]
    return {"data": data, "cursor": _cursor(url, shown.following, _limit(query, _MOST))}


def events(view: Json, items: Sequence[Json], query: Query, url: str, theirs: Callable[[str], str]) -> Json:
    """Return what happened, as far back as the timeline goes; the newest first unless asked otherwise."""
    order = query.get("sort", "desc")
    if order not in ("asc", "desc"):
        raise invalid("sort", "use asc or desc")
    start, end = _moment(query, "start"), _moment(query, "end")
    wanted, unwanted = _listed(query, "include"), _listed(query, "exclude")
    kept = [
        one
        for one in items
        if (wanted is None or one["name"] in wanted)
        and (unwanted is None or one["name"] not in unwanted)
        and _within(one["at"], start, end)
    ]
    if order == "asc":
        kept.reverse()
    shown = page(kept, _limit(query, _MOST), _next(query), oldest_first=order == "asc")
    ids = [
        _external(theirs(one["type"]), one["value"], view) for one in view.get("identifiers") or () if "value" in one
    ]
    data = [_event(one, ids) for one in shown.items]
    return {"data": data, "cursor": _cursor(url, shown.following, _limit(query, _MOST))}


def metadata(view: Json, items: Sequence[Json]) -> Json:
    """Return when the profile began and was last decided, and the first and the last thing that happened."""
    first, last = (items[-1], items[0]) if items else (None, None)
    return {
        "metadata": {
            "created_at": None if first is None else first["at"],
            "updated_at": view.get("as_of"),
            "expires_at": None,
            "first_message_id": "" if first is None else digest_of(first).hex(),
            "first_source_id": "" if first is None else first["source"],
            "last_message_id": "" if last is None else digest_of(last).hex(),
            "last_source_id": "" if last is None else last["source"],
        }
    }


def links(query: Query) -> Json:
    """Return the accounts of a person: none, for we keep people."""
    _limit(query, _MOST_LINKS)
    return {"data": []}


def _verbose(value: object, origin: Json | None, view: Json) -> Json:
    if origin is None:
        return {"value": value, "source_id": "", "updated_at": view.get("as_of")}
    return {"value": value, "source_id": origin["source"], "updated_at": origin["observed_at"]}


def _external(kind: str, value: str, view: Json) -> Json:
    return {
        "source_id": "",
        "collection": "users",
        "id": value,
        "type": kind,
        "created_at": view.get("as_of"),
        "encoding": "none",
        "first_message_id": "",
    }


def _event(one: Json, ids: Sequence[Json]) -> Json:
    facts = {name: one[name] for name in ("channel", "order_id", "amount") if one.get(name) is not None}
    if one.get("lines"):
        facts["products"] = one["lines"]
    return {
        "external_ids": ids,
        "context": {},
        "type": one["kind"],
        "message_id": digest_of(one).hex(),
        "source_id": one["source"],
        "timestamp": one["at"],
        "properties": {**(one.get("details") or {}), **facts},
        "event": one["name"],
        "related": {"users": []},
    }


def _cursor(url: str, following: str | None, limit: int) -> Json:
    return {"url": url, "has_more": following is not None, "next": following or "", "limit": limit}


def _next(query: Query) -> str | None:
    return query.get("next") or None


def _limit(query: Query, most: int) -> int:
    said = query.get("limit")
    if said is None:
        return _DEFAULT
    if not (said.isascii() and said.isdigit() and len(said) < 6 and 1 <= int(said) <= most):
        raise invalid("limit", f"use 1 to {most}")
    return int(said)


def _flag(query: Query, name: str) -> bool:
    said = query.get(name, "false")
    if said not in ("true", "false"):
        raise invalid(name, "use true or false")
    return said == "true"


def _listed(query: Query, name: str) -> frozenset[str] | None:
    said = query.get(name)
    return None if not said else frozenset(said.split(","))


def _moment(query: Query, name: str) -> datetime | None:
    said = query.get(name)
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(name, "write it as ISO 8601") from None


def _within(at: object, start: datetime | None, end: datetime | None) -> bool:
    if start is None and end is None:
        return True
    when = datetime.fromisoformat(str(at))
    return (start is None or when >= start) and (end is None or when <= end)
