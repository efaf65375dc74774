"""What the golden tables of a lake say of people, in the words of the HTTP interface; no code of the server."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra import shelf
from infra.tables import Table
from profiles.config import ProfileSettings
from profiles.tables import PROFILE_GRAPH, PROFILE_TIMELINE, PROFILE_VIEWS

Key = tuple[str, str]
# All of an answer that the golden record settles: not its version, nor audiences, which activation owns.
FIELDS = ("as_of", "attributes", "traits", "identifiers", "consent", "withheld", "confidence", "provenance")


def views(lake: Path, settings: ProfileSettings) -> dict[Key, dict[str, Any]]:
    """Return what each purpose may see of each person, as far as the lake knows."""
    kinds = {declared.name: declared.value_kind for declared in settings.traits}
    return {(row["profile_id"], row["purpose"]): _view(row, kinds) for row in _rows(lake, PROFILE_VIEWS)}


def happenings(lake: Path) -> dict[str, list[tuple[dict[str, Any], set[str]]]]:
    """Return what happened to each person, newest first, each with the purposes that may use its record."""
    uses = {
        record["record_key"]: set(record["purposes"])
        for row in _rows(lake, PROFILE_GRAPH)
        for record in row["records"]
    }  # fmt: skip
    return {
        row["profile_id"]: [(_happening(one), uses.get(one["record_key"], set())) for one in row["entries"]]
        for row in _rows(lake, PROFILE_TIMELINE)
    }


def _happening(entry: Mapping[str, Any]) -> dict[str, Any]:
    lines = [dict(line) for line in entry["lines"]]
    return {**entry, "at": _moment(entry["at"]), "lines": lines, "details": dict(entry["details"])}


def _view(row: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    values = {one["name"]: one for one in row["attributes"]}
    return {
        "as_of": _moment(row["as_of"]),
        "attributes": {name: one["value"] for name, one in values.items()},
        "traits": {name: _value(text, kinds.get(name, "text")) for name, text in row["traits"]},
        "identifiers": [{"type": one["type"], "value": one["value"]} for one in row["identifiers"]],
        "consent": {"purpose": row["purpose"], "allowed": True, "reason": row["reason"], "policy": row["policy_line"]},
        "withheld": [{"field": one["field"], "because": one["because"]} for one in row["withheld"]],
        "confidence": row["confidence"],
        "provenance": {
            name: {"source": one["source"], "record": one["record_key"], "observed_at": _moment(one["observed_at"]),
                   "rule": one["rule"], "confidence": one["confidence"]}
            for name, one in values.items()
        },
    }  # fmt: skip


def _value(text: str, kind: str) -> Any:
    made = {"whole": int, "money": float, "list": lambda joined: joined.split("|")}
    return made.get(kind, str)(text)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _rows(lake: Path, table: Table) -> Iterator[Mapping[str, Any]]:
    for batch in shelf.batches(lake, table):
        yield from batch.to_pylist()
