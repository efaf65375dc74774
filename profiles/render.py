"""What a reader gets, in its final bytes: rendered once by the writer, so that a read is a look-up and nothing more."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from profiles.config import ProfileSettings, ValueKind
from profiles.mask import initials, masked_identifier

_OPTIONS = orjson.OPT_SORT_KEYS
_MICRO = 1_000_000
_NAMES = ("given_name", "family_name", "full_name")
LIST_SEPARATOR = "|"

Row = Mapping[str, Any]


def view(row: Row, kinds: Mapping[str, ValueKind], audiences: Sequence[str]) -> tuple[bytes, bytes]:
    """Return the ETag and the JSON of a profile as one purpose sees it.

    The version is a digest of what is shown, so the same facts give the same bytes in every run.
    """
    shown = {
        "profile_id": row["profile_id"],
        "as_of": moment(row["as_of"]),
        "attributes": {a["name"]: a["value"] for a in row["attributes"]},
        "traits": {name: trait(value, kinds.get(name, "text")) for name, value in row["traits"]},
        "identifiers": [{"type": i["type"], "value": i["value"]} for i in row["identifiers"]],
        "audiences": sorted(audiences),
        "consent": {
            "purpose": row["purpose"],
            "allowed": True,
            "reason": row["reason"],
            "policy": row["policy_line"],
        },
        "withheld": [{"field": w["field"], "because": w["because"]} for w in row["withheld"]],
        "confidence": row["confidence"],
        "provenance": {a["name"]: _provenance(a) for a in row["attributes"]},
    }
    version = digest(shown)
    return etag(version), orjson.dumps({**shown, "version": version}, option=_OPTIONS)


def shows_the_same(one: bytes, other: bytes) -> bool:
    """Say whether two views' JSON differs in nothing but the build it is from."""
    left, right = (
        {name: told for name, told in orjson.loads(body).items() if name not in {"as_of", "version"}}
        for body in (one, other)
    )
    return bool(left == right)


def digest(content: object) -> str:
    """Return sixteen hex digits that name a content."""
    return hashlib.sha256(orjson.dumps(content, option=_OPTIONS)).hexdigest()[:16]


def etag(version: str) -> bytes:
    """Return the quoted form that goes in front of a stored view: always eighteen bytes."""
    return f'"{version}"'.encode("ascii")


def _provenance(attribute: Row) -> dict[str, object]:
    return {
        "source": attribute["source"],
        "record": attribute["record_key"],
        "observed_at": moment(attribute["observed_at"]),
        "rule": attribute["rule"],
        "confidence": attribute["confidence"],
    }


def trait(text: str, kind: ValueKind) -> object:
    """Return a trait's text as the JSON value that it stands for."""
    if kind == "whole":
        return int(text)
    if kind == "money":
        return float(text)
    return text.split(LIST_SEPARATOR) if kind == "list" else text


def kinds(settings: ProfileSettings) -> dict[str, ValueKind]:
    """Return what each declared trait's text stands for."""
    return {declared.name: declared.value_kind for declared in settings.traits}


def moment(value: datetime | None) -> str | None:
    """Return a moment as RFC 3339 in UTC, to the microsecond where it has any."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def header(row: Row) -> bytes:
    """Return what the server must know before it shows anything: how identifiers are tied, what records may be used."""
    content = {
        "profile_id": row["profile_id"],
        "anchor": row["anchor"],
        "known": row["known"],
        "size": row["size"],
        "confidence": row["confidence"],
        "tokens": {t["token"]: t["link"] for t in row["tokens"]},
        "records": {
            r["record_key"]: {
                "tokens": sorted({i["token"] for i in r["identifiers"]}),
                "purposes": r["purposes"],
                # Only where one is told: what a read decides anew is judged by the laws of where the record is from.
                **({"jurisdiction": r["jurisdiction"]} if r.get("jurisdiction") else {}),
            }
            for r in row["records"]
        },
    }
    return orjson.dumps(content, option=_OPTIONS)


def graph(row: Row) -> bytes:
    """Return the identity graph with what each record says; a reader is shown what its purpose may use of it."""
    content = {
        "profile_id": row["profile_id"],
        "anchor": row["anchor"],
        "confidence": row["confidence"],
        "records": [_record(r) for r in row["records"]],
        "edges": [_edge(e) for e in row["edges"]],
    }
    return orjson.dumps(content, option=_OPTIONS)


def _record(record: Row) -> dict[str, object]:
    attributes = dict(record["attributes"])
    return {
        "record_key": record["record_key"],
        "source": record["source"],
        "kind": record["kind"],
        "known": record["known"],
        "link": record["link"],
        "observed_at": moment(record["observed_at"]),
        "label": initials(attributes),
        "purposes": record["purposes"],
        "attributes": attributes,
        "identifiers": [
            {
                "type": i["type"],
                "value": i["value"],
                "masked": masked_identifier(i["type"], i["value"]),
                "token": i["token"],
            }
            for i in record["identifiers"]
        ],
    }


def _edge(edge: Row) -> dict[str, object]:
    return {
        "left": edge["left"],
        "right": edge["right"],
        "weight": edge["weight_micro"] / _MICRO,
        "weight_micro": edge["weight_micro"],
        "kind": edge["kind"],
        "state": edge["state"],
        "why": edge["why"],
        "elsewhere": edge["elsewhere"],
        "reasons": [
            {
                "comparison": r["comparison"],
                "level": r["level"],
                "weight": r["weight_micro"] / _MICRO,
                "weight_micro": r["weight_micro"],
            }
            for r in edge["reasons"] or ()
        ],
    }


def timeline(row: Row) -> bytes:
    """Return the newest things of a person; each names its record, by which a reader is shown it or not."""
    entries = [
        {
            "at": moment(e["at"]),
            "kind": e["kind"],
            "source": e["source"],
            "record_key": e["record_key"],
            "name": e["name"],
            "channel": e["channel"],
            "order_id": e["order_id"],
            "amount": e["amount"],
            "line_count": e["line_count"],
            "lines": [dict(line) for line in e["lines"]],
            "details": dict(e["details"]),
        }
        for e in row["entries"]
    ]
    return orjson.dumps(entries, option=_OPTIONS)


def search_words(attributes: Iterable[Row]) -> set[str]:
    """Return the words under which a person is found: those of the names that the purpose may see."""
    return {word for a in attributes if a["name"] in _NAMES for word in folded_words(a["value"])}


def folded_words(text: str) -> list[str]:
    """Return the words of a text without case and accents, as they are searched for."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    # A key of the store holds 511 bytes; no name needs that much to be found.
    return [word[:40] for word in re.findall(r"\w+", plain.casefold())]
