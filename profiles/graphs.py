"""What of an identity graph a reader is shown: values only of records that the purpose may use. Pure."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from infra.ids import ProfileId


def drawn(
    graph: Mapping[str, Any],
    seen: Mapping[str, Any],
    purpose: str,
    usable_of: Callable[[ProfileId], Collection[str]],
) -> dict[str, Any]:
    """Return a graph as a purpose may see it, beside the view that it is shown; asks which records of whom it may use.

    An edge is a comparison of values: what it weighs is told where both of its records may be used.
    """
    masked, usable = {w["field"] for w in seen["withheld"]}, set(usable_of(seen["profile_id"]))
    records = [{**record, "purposes": _purposes(record, purpose, usable)} for record in graph["records"]]
    for other in {edge["elsewhere"] for edge in graph["edges"]} - {None}:
        usable |= set(usable_of(other))
    return {
        **graph,
        "confidence": seen["confidence"],
        "records": [shown(record, purpose, masked) for record in records],
        "edges": [e if usable.issuperset((e["left"], e["right"])) else unweighed(e) for e in graph["edges"]],
    }


def _purposes(record: Mapping[str, Any], purpose: str, usable: Collection[str]) -> list[str]:
    rest = [one for one in record["purposes"] if one != purpose]
    return sorted([*rest, purpose] if record["record_key"] in usable else rest)


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
