"""What of an identity graph a reader is shown: values only of records that the purpose may use. Pure."""

from collections.abc import Mapping
from typing import Any


def shown(record: Mapping[str, Any], purpose: str, masked: set[str]) -> dict[str, Any]:
    """Return a record as a purpose may see it: without its values where it may not use it, and without masked ones."""
    if purpose not in record["purposes"]:
        return {**record, "attributes": {}, "identifiers": [], "label": "", "observed_at": None}
    return {
        **record,
        "attributes": {n: v for n, v in record["attributes"].items() if n not in masked},
        "identifiers": [i if i["type"] not in masked else _faceless(i) for i in record["identifiers"]],
    }


def unweighed(edge: Mapping[str, Any]) -> dict[str, Any]:
    """Return an edge without what it says of the values that it compares."""
    return {**edge, "weight": 0.0, "weight_micro": 0, "kind": "withheld", "why": "withheld", "reasons": []}


def outlined(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with every value masked."""
    return {**record, "attributes": {}, "identifiers": [_faceless(i) for i in record["identifiers"]]}


def _faceless(identifier: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": identifier["type"], "masked": identifier["masked"], "token": identifier["token"]}
