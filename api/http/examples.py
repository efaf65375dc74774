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
BATCH: dict[str, Example] = {
    "three people": {
        "summary": "Three people, by email, by phone and by id, for personalization",
        "value": {
            "people": [_ANNA, {"type": "phone", "value": "(202) 555-0143"}, {"profile_id": _ID}],
            "purpose": "personalization",
        },
    }
}
FEATURES: dict[str, Example] = {
    "two people": {
        "summary": "What the basket model is fed with, of two people",
        "value": {"feature_set": "basket", "purpose": "personalization", "people": [_ANNA, {"profile_id": _ID}]},
    }
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
SIGNAL: dict[str, Example] = {
    "banner": {
        "summary": "A browser that wishes privacy, with a banner's categories",
        "value": {"identifiers": [_ANNA], "gpc": True, "categories": {"Advertising": False}},
    }
}
OPT_IN: dict[str, Example] = {
    "newsletter": {
        "summary": "Somebody typed their address to get the newsletter",
        "value": {"identifier": _ANNA, "purpose": "email_marketing", "channel": "email", "notice": "newsletter@3"},
    }
}
CONFIRM: dict[str, Example] = {"slip": {"summary": "The slip of the mail", "value": {"token": "eyJuIjoi…"}}}
CONSENT_SHOW: dict[str, Example] = {"one": {"summary": "What was said", "value": {"identifier": _ANNA}}}
PREFERENCES: dict[str, Example] = {"one": {"summary": "A link for Anna", "value": {"identifier": _ANNA, "hours": 48}}}
CONSENT_RECEIPTS: dict[str, Example] = {"one": {"summary": "Proof of what was said", "value": {"identifier": _ANNA}}}
CONSISTENCY: dict[str, Example] = {"since": {"summary": "Was anything changed since?", "value": {"first": 1}}}
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
NEXT_BEST: dict[str, Any] = {
    "decision_id": "2b7d0c5e9f1a4c6d8e0f1a2b3c4d5e6f",
    "decision": "next_best_action",
    "purpose": "personalization",
    "at": "2026-11-22T09:30:00+00:00",
    "chosen": "spring_cheese",
    "propensity": 0.71,
    "holdout": False,
    "because": "softmax",
    "candidates": [
        {"campaign": "spring_cheese", "score": 0.8, "propensity": 0.71, "excluded": None},
        {"campaign": "no_action", "score": 0.15, "propensity": 0.29, "excluded": None},
    ],
    "recommendations": {
        "buy_again": [
            {
                "product_id": "995242",
                "label": "Cheddar",
                "category": "cheese",
                "score": 0.9,
                "because": "buy again",
            }
        ]
    },
}
VERDICT: dict[str, Example] = {
    "event": {"summary": "An event by its message id", "value": {"key": "m-1"}},
    "row": {"summary": "A row by its source and key", "value": {"key": "crm:C-1001"}},
}
COLLECTED: dict[str, dict[str, Example]] = {
    "track": {"one": {"summary": "An order", "value": {"userId": "u-1", "event": "Order Completed"}}},
    "identify": {"one": {"summary": "Who it is", "value": {"userId": "u-1", "traits": {"email": "anna@example.org"}}}},
    "group": {"one": {"summary": "Where they work", "value": {"userId": "u-1", "groupId": "g-1"}}},
    "alias": {"one": {"summary": "A new id", "value": {"previousId": "c-1", "userId": "u-1"}}},
    "page": {"one": {"summary": "A page", "value": {"anonymousId": "c-1", "name": "Home"}}},
    "screen": {"one": {"summary": "A screen", "value": {"anonymousId": "c-1", "name": "Home"}}},
    "metrics": {"one": {"summary": "Nothing measured", "value": {"series": []}}},
    "webhook": {"one": {"summary": "Of a shop", "value": {"order": 7, "customer": {"id": "u-1"}}}},
    "events": {
        "two": {
            "summary": "Two events of one person",
            "value": {
                "batch": [
                    {"type": "identify", "userId": "u-1", "traits": {"email": "anna@example.org"}},
                    {"type": "track", "userId": "u-1", "event": "Order Completed", "properties": {"revenue": 14.99}},
                ],
                "sentAt": "2026-11-22T09:30:00Z",
            },
        }
    },
}
PRIVACY_REQUEST: dict[str, Example] = {
    "erasure": {
        "summary": "Somebody in Germany wants to be forgotten",
        "value": {"right": "erasure", "identifiers": [_ANNA], "jurisdiction": "DE"},
    },
    "objection": {
        "summary": "Somebody in California opts out",
        "value": {
            "right": "objection",
            "identifiers": [_ANNA],
            "jurisdiction": "US-CA",
            "purposes": ["advertising"],
            "external_id": "ticket-4711",
        },
    },
}
CHANGES: dict[str, Any] = {
    "changes": [
        {
            "id": "pF2c0Iq5k3MAAAAAAAAABwAAAAAAAAAAtGkR2A==",
            "profile_id": _ID,
            "kind": "updated",
            "version": "4be77b1f1d2c9a08",
            "at": "2026-11-22T09:30:00Z",
            "others": [],
        }
    ],
    "next": "pF2c0Iq5k3MAAAAAAAAABwAAAAAAAAAAtGkR2A==",
    "more": False,
    "anew": False,
}
ACKNOWLEDGEMENT: dict[str, Example] = {
    "through a change": {
        "summary": "Everything up to this change is done here",
        "value": {"purpose": "service", "through": "pF2c0Iq5k3MAAAAAAAAABwAAAAAAAAAAtGkR2A=="},
    }
}
