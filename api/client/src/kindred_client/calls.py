"""The calls of the interface, one function each: facts in, a `Call` out. A new route is one more function here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kindred_client import answers
from kindred_client.answers import (
    ChangePage,
    Decision,
    EventPage,
    FeatureRows,
    NextBest,
    People,
    PreferenceLink,
    Profile,
    Receipt,
)
from kindred_client.wire import Call


def lookup(kind: str, value: str, purpose: str, fields: Sequence[str] | None) -> Call[Profile]:
    """Ask for a profile by any identifier, which travels in the body."""
    body = _told(identifier={"type": kind, "value": value}, purpose=purpose, fields=_list(fields))
    return Call("POST", "/v1/profiles:lookup", answers.profile, body=body, cached=True)


def by_id(profile_id: str, purpose: str, fields: Sequence[str] | None, as_of: datetime | None = None) -> Call[Profile]:
    """Ask for a profile by its id, as of a moment where one is named; a merged id answers with the survivor."""
    moment = () if as_of is None else (("as_of", as_of.isoformat()),)
    query = (("purpose", purpose), *(("fields", one) for one in fields or ()), *moment)
    return Call("GET", _profile(profile_id), answers.profile, query=query, cached=True)


def batch(identifiers: Sequence[tuple[str, str]], purpose: str, fields: Sequence[str] | None) -> Call[People]:
    """Ask for many profiles at once, at most a thousand."""
    named = [{"type": kind, "value": value} for kind, value in identifiers]
    body = _told(people=named, purpose=purpose, fields=_list(fields))
    return Call("POST", "/v1/profiles:batchLookup", answers.people, body=body)


def features(name: str, identifiers: Sequence[tuple[str, str]], purpose: str) -> Call[FeatureRows]:
    """Ask for the rows of a declared feature set, of at most a thousand people."""
    people = [{"type": kind, "value": value} for kind, value in identifiers]
    body = {"feature_set": name, "purpose": purpose, "people": people}
    return Call("POST", "/v1/features", answers.feature_rows, body=body)


def events(profile_id: str, purpose: str, limit: int, cursor: str | None) -> Call[EventPage]:
    """Ask for a page of what happened, the newest first."""
    further = () if cursor is None else (("cursor", cursor),)
    query = (("purpose", purpose), ("limit", str(limit)), *further)
    return Call("GET", _profile(profile_id) + "/events", answers.event_page, query=query)


def changes(purpose: str, since: str | None, wait: float) -> Call[ChangePage]:
    """Ask for what changed behind a place, and wait for it where nothing has."""
    further = () if since is None else (("since", since),)
    query = (("purpose", purpose), ("wait", f"{wait:g}"), *further)
    return Call("GET", "/v1/changes", answers.change_page, query=query)


def confirm(purpose: str, through: str) -> Call[int]:
    """Say that everything up to a change is done."""
    body = {"purpose": purpose, "through": through}
    return Call("POST", "/v1/changes/acknowledgements", answers.confirmed, body=body)


def consent(kind: str, value: str, purpose: str, action: str, repeat_key: str, **more: str | None) -> Call[Receipt]:
    """Record what somebody said; under the same repeat key it is recorded once."""
    body = _told(identifier={"type": kind, "value": value}, purpose=purpose, action=action, **more)
    headers = {"idempotency-key": repeat_key}
    return Call("POST", "/v1/consent", answers.receipt, body=body, headers=headers)


def may(kind: str, value: str, purpose: str, channel: str | None) -> Call[Decision]:
    """Ask whether somebody may be used for a purpose, now."""
    body = _told(identifier={"type": kind, "value": value}, purpose=purpose, channel=channel)
    return Call("POST", "/v1/consent:decide", answers.decision, body=body)


def preferences(kind: str, value: str, hours: int) -> Call[PreferenceLink]:
    """Ask for a signed link to somebody's preference centre."""
    body = {"identifier": {"type": kind, "value": value}, "hours": hours}
    return Call("POST", "/v1/preferences:link", answers.preference_link, body=body)


def decide(identifier: tuple[str, str] | None, purpose: str, **context: Any) -> Call[NextBest]:
    """Ask what to do next. Each answer is logged as a contact, so it is not asked twice without need."""
    who = None if identifier is None else {"type": identifier[0], "value": identifier[1]}
    body = _told(identifier=who, purpose=purpose, context=_told(**context))
    return Call("POST", "/v1/decide", answers.next_best, body=body, repeats="never")


def _profile(profile_id: str) -> str:
    return f"/v1/profiles/{quote(profile_id, safe='', errors='replace')}"


def _told(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _list(fields: Sequence[str] | None) -> list[str] | None:
    return None if fields is None else list(fields)
