"""A lake with three people as `build` leaves it, written without a JVM, and its rows to be edited."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

AT = datetime(2026, 2, 1, 8, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")
TEXTS = pa.map_(pa.string(), pa.string())


def struct(**fields: pa.DataType) -> pa.DataType:
    return pa.struct(list(fields.items()))


TEXT, WHOLE, NUMBER, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
IDENTIFIERS = pa.list_(struct(type=TEXT, value=TEXT, token=TEXT))
ATTRIBUTES = pa.list_(
    struct(name=TEXT, value=TEXT, source=TEXT, record_key=TEXT, observed_at=MOMENT, rule=TEXT, confidence=NUMBER)
)
REASONS = pa.list_(struct(comparison=TEXT, level=TEXT, weight_micro=WHOLE))
SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "profile_views": {
        "profile_id": TEXT,
        "purpose": TEXT,
        "known": FLAG,
        "size": WHOLE,
        "confidence": NUMBER,
        "as_of": MOMENT,
        "attributes": ATTRIBUTES,
        "traits": TEXTS,
        "identifiers": IDENTIFIERS,
        "withheld": pa.list_(struct(field=TEXT, because=TEXT)),
        "reason": TEXT,
        "policy_line": TEXT,
    },
    "profile_timeline": {
        "profile_id": TEXT,
        "entries": pa.list_(
            struct(
                at=MOMENT,
                kind=TEXT,
                source=TEXT,
                record_key=TEXT,
                name=TEXT,
                channel=TEXT,
                order_id=TEXT,
                amount=NUMBER,
                line_count=WHOLE,
                lines=pa.list_(struct(product_id=TEXT, name=TEXT, quantity=NUMBER, amount=NUMBER)),
                details=TEXTS,
            )
        ),
    },
    "profile_graph": {
        "profile_id": TEXT,
        "anchor": TEXT,
        "known": FLAG,
        "size": WHOLE,
        "confidence": NUMBER,
        "tokens": pa.list_(struct(token=TEXT, link=TEXT)),
        "records": pa.list_(
            struct(
                record_key=TEXT,
                source=TEXT,
                key=TEXT,
                kind=TEXT,
                known=FLAG,
                link=TEXT,
                observed_at=MOMENT,
                attributes=TEXTS,
                identifiers=IDENTIFIERS,
                purposes=pa.list_(TEXT),
            )
        ),
        "edges": pa.list_(
            struct(
                left=TEXT,
                right=TEXT,
                weight_micro=WHOLE,
                kind=TEXT,
                state=TEXT,
                why=TEXT,
                reasons=REASONS,
                elsewhere=TEXT,
            )
        ),
    },
    "profile_tokens": {"token": TEXT, "shared": FLAG, "profile_ids": pa.list_(TEXT), "link": TEXT},
    "profile_alias": {"alias_id": TEXT, "profile_id": TEXT, "since_batch": WHOLE},
    "audience_members": {"audience": TEXT, "profile_id": TEXT, "purpose": TEXT, "since_batch": WHOLE},
}


def name_of(person: str) -> dict[str, Any]:
    given = {"ann": "Ánn", "bob": "Bob", "cat": "Cat"}[person]
    return {
        "name": "given_name",
        "value": given,
        "source": "crm",
        "record_key": f"{person}-1",
        "observed_at": AT,
        "rule": "unopposed",
        "confidence": 0.9,
    }


def identifier(person: str) -> dict[str, str]:
    return {"type": "email", "value": f"{person}@example.org", "token": f"1:{person}"}


def view(person: str, purpose: str) -> dict[str, Any]:
    return {
        "profile_id": person,
        "purpose": purpose,
        "known": True,
        "size": 2,
        "confidence": 0.9,
        "as_of": AT,
        "attributes": [name_of(person)],
        "traits": [("orders", "3"), ("spend", "12.50"), ("likes", "Milk|Soap"), ("rfm", "555")],
        "identifiers": [identifier(person)],
        "withheld": [{"field": "email", "because": "policy"}] if purpose == "analytics" else [],
        "reason": "contract",
        "policy_line": "policy.yaml:7",
    }


def record(person: str, number: int, purposes: list[str]) -> dict[str, Any]:
    return {
        "record_key": f"{person}-{number}",
        "source": "crm",
        "key": f"C{number}",
        "kind": "person",
        "known": True,
        "link": "own" if number == 1 else "probable",
        "observed_at": AT,
        "attributes": [("given_name", person), ("email", f"{person}@example.org")],
        "identifiers": [identifier(person)] if number == 1 else [],
        "purposes": purposes,
    }


def graph(person: str) -> dict[str, Any]:
    reason = {"comparison": "email", "level": "shared", "weight_micro": 9_500_000}
    return {
        "profile_id": person,
        "anchor": f"{person}-1",
        "known": True,
        "size": 2,
        "confidence": 0.9,
        "tokens": [{"token": f"1:{person}", "link": "own"}, {"token": f"1:{person}-near", "link": "probable"}],
        "records": [record(person, 1, ["analytics", "service"]), record(person, 2, ["analytics"])],
        "edges": [
            {
                "left": f"{person}-1",
                "right": f"{person}-2",
                "weight_micro": 9_500_000,
                "kind": "both",
                "state": "kept",
                "why": "",
                "reasons": [reason],
                "elsewhere": None,
            }
        ],
    }


def happened(person: str, number: int) -> dict[str, Any]:
    return {
        "at": AT,
        "kind": "order",
        "source": "tills",
        "record_key": f"{person}-{number}",
        "name": "receipt",
        "channel": "store",
        "order_id": f"o{number}",
        "amount": 1.5,
        "line_count": 1,
        "lines": [{"product_id": "p", "name": "Milk", "quantity": 1.0, "amount": 1.5}],
        "details": [("till", "4")],
    }


PEOPLE = ("ann", "bob", "cat")
ROWS: dict[str, list[dict[str, Any]]] = {
    "profile_views": [view(p, purpose) for p in PEOPLE for purpose in ("analytics", "service")],
    "profile_timeline": [{"profile_id": p, "entries": [happened(p, 2), happened(p, 1)]} for p in PEOPLE],
    "profile_graph": [graph(p) for p in PEOPLE],
    "profile_tokens": [
        *({"token": f"1:{p}", "shared": False, "profile_ids": [p], "link": "own"} for p in PEOPLE),
        {"token": "1:home", "shared": True, "profile_ids": ["ann", "bob"], "link": None},
        {"token": "1:guess", "shared": False, "profile_ids": ["ann"], "link": "probable"},
    ],
    "profile_alias": [
        {"alias_id": "old", "profile_id": "ann", "since_batch": 2},
        {"alias_id": "both", "profile_id": "ann", "since_batch": 2},
        {"alias_id": "both", "profile_id": "bob", "since_batch": 2},
    ],
    "audience_members": [
        {"audience": "loyal", "profile_id": "ann", "purpose": "service", "since_batch": 1},
        {"audience": "big", "profile_id": "ann", "purpose": "service", "since_batch": 1},
        {"audience": "other", "profile_id": "ann", "purpose": "analytics", "since_batch": 1},
    ],
}


def write(lake: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Replace every table by rows, as a run does."""
    for table, content in rows.items():
        schema = pa.schema([pa.field(name, kind) for name, kind in SCHEMAS[table].items()])
        write_deltalake(str(lake / table), pa.Table.from_pylist(content, schema=schema), mode="overwrite")
