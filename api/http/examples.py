"""Examples for the OpenAPI document; its people live at example.org."""

from typing import Any

from fastapi.openapi.models import Example

_ANNA = {"type": "email", "value": "anna@example.org"}
_ID = "9f2c41d07be5a8632d10c4be7f58a9e3"

LOOKUP: dict[str, Example] = {
    "anyone": {
        "summary": "A person by email, for personalization, traits only",
        "value": {"identifier": _ANNA, "purpose": "personalization", "fields": ["traits.*"]},
    },
    "by phone": {
        "summary": "A person by phone, as people write it",
        "value": {"identifier": {"type": "phone", "value": "(202) 555-0143"}, "purpose": "service"},
    },
}
WHY: dict[str, Example] = {
    "two identifiers": {
        "summary": "Is the buyer at the till the subscriber?",
        "value": {"a": {"type": "loyalty", "value": "9000123"}, "b": _ANNA},
    }
}
WHY_NOT: dict[str, Example] = {
    "two customers": {
        "summary": "Why are father and son two?",
        "value": {"a": _ANNA, "b": {"type": "customer", "value": "C-4711"}},
    }
}
REVIEW: dict[str, Example] = {
    "two people": {
        "summary": "They are two",
        "value": {"answer": "different", "reason": "both birth certificates seen"},
    },
    "later": {
        "summary": "Ask again in spring",
        "value": {"answer": "skip", "reason": "papers are on their way", "until": "2027-03-01T00:00:00Z"},
    },
}
CONSENT: dict[str, Example] = {
    "withdrawal": {
        "summary": "A withdrawal in the preference centre",
        "value": {
            "identifier": _ANNA,
            "purpose": "email_marketing",
            "action": "withdrawn",
            "mechanism": "centre",
            "occurred_at": "2026-11-22T09:30:00Z",
        },
    }
}
CONSENT_SHOW: dict[str, Example] = {"one": {"summary": "What was said", "value": {"identifier": _ANNA}}}
CONSENT_DECIDE: dict[str, Example] = {
    "now": {"summary": "May we advertise?", "value": {"identifier": _ANNA, "purpose": "advertising"}},
}
DECIDE: dict[str, Example] = {
    "home page": {
        "summary": "The next best action on the home page, with a basket at hand",
        "value": {
            "identifier": _ANNA,
            "purpose": "personalization",
            "context": {"channel": "web", "device": "phone", "basket": ["995242"]},
        },
    }
}
PROFILE: dict[str, Any] = {
    "profile_id": _ID,
    "as_of": "2026-11-22T06:00:00Z",
    "version": "5be1c7a90d3f2e46",
    "attributes": {"given_name": "Anna", "city": "Dayton"},
    "traits": {"orders": 47, "spend": 1893.12, "rfm": "544", "favourite_categories": ["cheese", "bread"]},
    "identifiers": [_ANNA],
    "audiences": ["cheese_lovers"],
    "consent": {"purpose": "personalization", "allowed": True, "reason": "consent", "policy": "policy.yaml:31"},
    "withheld": [{"field": "birth_date", "because": "policy"}],
    "confidence": 0.987,
    "provenance": {
        "given_name": {
            "source": "crm",
            "record": "0c5d9e7f1a2b3c4d5e6f708192a3b4c5",
            "observed_at": "2026-09-14T08:00:00Z",
            "rule": "most_frequent",
            "confidence": 1.0,
        }
    },
}
