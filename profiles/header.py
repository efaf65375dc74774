"""Who a served profile is made of, as it lies in the serving store: never a value of theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.ids import ProfileId, Purpose, RecordKey, Token
from profiles.model import Link


@dataclass(frozen=True, slots=True)
class Holding:
    """A record of a person: the tokens it carries, and the purposes that may use it."""

    tokens: frozenset[Token]
    purposes: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class Header:
    """Who a profile is made of, without a single value of theirs."""

    profile_id: ProfileId
    anchor: RecordKey
    known: bool
    size: int
    confidence: float
    tokens: Mapping[Token, Link]
    records: Mapping[RecordKey, Holding]


def header_of(content: Mapping[str, Any]) -> Header:
    """Return a header as it was written."""
    return Header(
        profile_id=ProfileId(content["profile_id"]),
        anchor=RecordKey(content["anchor"]),
        known=content["known"],
        size=content["size"],
        confidence=content["confidence"],
        tokens={Token(token): link for token, link in content["tokens"].items()},
        records={
            RecordKey(key): Holding(frozenset(map(Token, one["tokens"])), frozenset(map(Purpose, one["purposes"])))
            for key, one in content["records"].items()
        },
    )
