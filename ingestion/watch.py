"""Personal data where none is declared, row by row on the way in: told, rejected or redacted, as the source says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson
import pyarrow as pa

from consent.discovery.evident import cleaned, tellable
from consent.discovery.kinds import KINDS
from infra.errors import value_class
from ingestion.config import Source, property_name
from ingestion.discover import Role, role_of
from ingestion.sampling import leaves

RULE: Final = "personal_data"
_ORDER: Final = ("order_id", "product_id", "coupon", "campaign")

Mode = Literal["alarm", "quarantine", "redact"]
# Where a column's value lies in a row of the lake: the row's column, and the key if that is a map.
Target = tuple[str, str | None]
# What was found in a row: the path, the value, what it becomes, and the kinds.
Hit = tuple[tuple[str, ...], str, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Watch:
    """Which columns of a source are watched and how; `sure` are those that the sample says surely hold a kind.

    Rows that may still be rejected for what they refer to keep their payload: that is `whole`.
    """

    mode: Mode
    region: str
    record: str
    known: Mapping[str, Role]
    labelled: frozenset[str]
    sure: Mapping[str, str]
    targets: Mapping[str, tuple[Target, ...]]
    whole: bool = False
    _passed: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    def applied(
        self, batch: pa.RecordBatch, payloads: Sequence[str | None]
    ) -> tuple[list[str | None], dict[str, pa.Array]]:
        """Return the payloads that are kept, and the columns of a batch that the watch makes anew.

        Each row comes with its payload, whole; only rejected rows keep it. Notes are always made anew, the other
        columns where they change.
        """
        broken = batch.column("broken").to_pylist()
        notes = batch.column("notes").to_pylist()
        # Of a row that is gone nothing but its key is kept, and nothing may hold its deletion back.
        gone = batch.column("gone").to_pylist()
        changed: dict[str, list[Any]] = {}
        kept: list[str | None] = []
        for row, payload in enumerate(payloads):
            tree = _tree(payload)
            hits = self._hits(tree) if tree is not None and not gone[row] else []
            if hits and self.mode == "quarantine" and broken[row] is None:
                broken[row] = _fault(hits[0])
                changed["broken"] = broken
            elif hits and self.mode == "redact" and tree is not None:
                payload = self._redacted(tree, hits)  # noqa: PLW2901 - the row's payload from here on
                self._replace(batch, changed, row, hits)
            kept.append(payload if self.whole or broken[row] is not None else None)
            notes[row] = [
                *(notes[row] or ()),
                *dict.fromkeys(f"field {_name(h)}: {RULE} {k}" for h in hits for k in h[3]),
            ]
        made = {name: pa.array(values, batch.schema.field(name).type) for name, values in changed.items()}
        made["notes"] = pa.array(notes, batch.schema.field("notes").type)
        return kept, made

    def _hits(self, tree: Mapping[str, Any]) -> list[Hit]:
        found: list[Hit] = []
        for path, text in leaves(tree, frozenset(self.targets)):
            column = ".".join(path)
            if not text or self._passes(column):
                continue
            kind = self.sure.get(column)
            if kind is not None and text.strip():
                written = KINDS[kind].written
                found.append((path, text, f"[{written}]", (written,)))
                continue
            clean, kinds = cleaned(text, self.region)
            if kinds:
                found.append((path, text, clean, kinds))
        return found

    def _passes(self, column: str) -> bool:
        """Say whether a column is declared as personal, and thus expected to hold what it holds."""
        passes = self._passed.get(column)
        if passes is None:
            role = role_of(column, self.known, self.labelled)
            passes = self._passed[column] = role is not None and role.personal
        return passes

    def _redacted(self, tree: dict[str, Any], hits: Sequence[Hit]) -> str:
        for path, _, clean, _ in hits:
            node = tree
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = clean
        return json.dumps(tree, ensure_ascii=False)

    def _replace(self, batch: pa.RecordBatch, changed: dict[str, list[Any]], row: int, hits: Sequence[Hit]) -> None:
        for path, _, clean, _ in hits:
            column = ".".join(path)
            for name, key in self.targets.get(column) or self._elsewhere(column):
                if name not in batch.schema.names:
                    continue
                if name not in changed:  # taken out of the batch once, not for each row
                    changed[name] = batch.column(name).to_pylist()
                values = changed[name]
                if key is None:
                    values[row] = clean if values[row] is not None else None
                elif values[row] is not None:
                    values[row] = [(k, clean if k == key else v) for k, v in values[row]]

    def _elsewhere(self, column: str) -> tuple[Target, ...]:
        into = "properties" if self.record == "event" else "attributes"
        return ((into, property_name(column)),)


def targets_of(source: Source) -> dict[str, tuple[Target, ...]]:
    """Return where each declared column's text ends up; keys, times and numbers are never redacted."""
    found: dict[str, list[Target]] = {}
    for name, column in source.fields.items():
        found.setdefault(column, []).append(("attributes", name))
    for column in source.properties:
        found.setdefault(column, []).append(("properties", property_name(column)))
    told = source.event.model_dump() if source.event else {}
    order = {name: getattr(source.order, name) for name in _ORDER}
    for name, column in {**told, **order, "channel": source.channel}.items():
        if column and not column.startswith("="):
            found.setdefault(column, []).append((name, None))
    return {column: tuple(places) for column, places in found.items()}


def _name(hit: Hit) -> str:
    return ".".join(map(tellable, hit[0]))


def _fault(hit: Hit) -> dict[str, Any]:
    kinds = " and ".join(hit[3])
    reason = f"{_name(hit)} holds personal data ({kinds}); declare it, label it, or leave it out"
    return {"field": _name(hit), "rule": RULE, "value_class": value_class(hit[1]), "reason": reason, "vital": False}


def _tree(payload: str | None) -> dict[str, Any] | None:
    """Return a row as an object, or None where it could not be read."""
    if payload is None:
        return None
    try:
        tree = orjson.loads(payload)
    except ValueError:  # numbers of hundreds of digits, nesting beyond its reach
        try:
            tree = json.loads(payload)
        except (ValueError, RecursionError):
            return None
    return tree if isinstance(tree, dict) and set(tree) != {"line"} else None
