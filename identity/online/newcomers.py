"""What comes to the online resolver, a record or an event, and how it is made ready to be found and weighed. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson

from identity.config import IdentityConfig
from identity.fields.features import Features, Value
from identity.matching.compiled import Frequencies, Scorer
from identity.matching.registry import MatchModel
from identity.model import ALWAYS, Seen
from identity.online.keys import Key, Keys
from identity.online.state import Known
from infra.ids import RecordKey

_NAMES = tuple(one.name for one in fields(Features))


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A record that asks who it is, normalised: a row of `record_features` as the batch would have it."""

    record_key: RecordKey
    source: str
    key: str
    kind: str
    known: bool
    arrival: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened under an anonymous id or other identifiers; `at` in microseconds.

    `record_key` is drawn for it, in case nobody is found and an anonymous record begins with it. `subject` is the key
    under which its source's records know whom it names, where its reader has found that out.
    """

    record_key: RecordKey
    source: str
    at: int
    identifiers: tuple[Value, ...]
    anonymous_id: str | None = None
    signs_out: bool = False
    subject: str | None = None


def newcomer_of(row: Mapping[str, Any]) -> Newcomer:
    """Return a row of `record_features` as it would have come."""
    # a lake of before has no numbers
    told = {"numbers": [], **{name: row[name] for name in _NAMES if name in row}}
    return Newcomer(
        RecordKey(row["record_key"]), row["source"], row["key"], row["kind"], row["known"], row["arrival"], told
    )


def as_fields(made: Features) -> dict[str, Any]:
    """Return features as a row of `record_features` holds them."""
    told = {name: getattr(made, name) for name in _NAMES}
    return {**told, "identifiers": [asdict(value) for value in made.identifiers]}


def content(newcomer: Newcomer) -> str:
    """Return a digest of what a record says, to know it again; when it said so makes no difference."""
    names = [[one["type"], one["value"], one["token"]] for one in newcomer.fields["identifiers"]]
    told = {**newcomer.fields, "identifiers": names}
    return hashlib.blake2b(orjson.dumps(told, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


class Describer:
    """A model and a configuration, ready to say how a record is kept and what it is found by."""

    def __init__(self, model: MatchModel, config: IdentityConfig, often: Frequencies) -> None:
        self.scorer = Scorer(model, config, often)
        self._keys = Keys(config)
        self._limited = frozenset(name for name, kind in config.identifiers.items() if kind.limit)

    def known(self, newcomer: Newcomer) -> tuple[Known, list[Key]]:
        """Return a record as the state keeps it, and the keys that it is found by."""
        row: dict[str, Any] = {**newcomer.fields, "kind": newcomer.kind, "key": newcomer.key}
        keys = self._keys.of(row)
        values = row["identifiers"]
        return Known(
            newcomer.record_key,
            newcomer.source,
            newcomer.known,
            newcomer.arrival,
            tuple([_seen(one) for one in values if one["type"] in self._limited]),
            tuple([(key.bit, key.block.hex(), *(key.span or ())) for key in keys]),
            None if row["bare"] else self.scorer.described({**row, "record_key": newcomer.record_key}),
            content(newcomer),
        ), keys


def _seen(one: Mapping[str, Any]) -> Seen:
    """Return an identifier of a row of `record_features` as clustering reads it."""
    first, last = one.get("seen_from"), one.get("seen_to")
    return Seen(one["type"], one["token"], ALWAYS[0] if first is None else first, ALWAYS[1] if last is None else last)
