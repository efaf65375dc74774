"""A rejected row under the names that it would have in the lake, beside what is wrong with it."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.errors import value_class
from ingestion.check import trimmed
from ingestion.config import Source, property_name
from ingestion.quarantine.again import is_line
from ingestion.quarantine.opened import Rejection
from ingestion.quarantine.payload import Tree, parsed, text_at

_FAILURE = ("field", "rule", "value_class", "reason", "received_at", "batch")


def shown(one: Rejection, source: Source | None, *, reveal: bool) -> dict[str, Any]:
    """Return a rejected row as its place, its failure and its columns; values only as their kind, unless revealed.

    A row that could not be taken apart, or whose source is no longer declared, has its fields as they came.
    """
    tree = parsed(one.payload) or {}
    unread = source is None or is_line(one.rule, tree)
    columns = _raw(tree) if unread or source is None else dict(_columns(source, tree))
    if source is not None and one.field is not None and one.field not in {column for _, column in _mapped(source)}:
        columns[one.field] = text_at(tree, one.field)  # a column that is promised and goes nowhere
    values = {name: value if reveal else value_class(value) for name, value in columns.items()}
    return {"place": one.place, **{name: getattr(one, name) for name in _FAILURE}, "row": values}


def _raw(tree: Tree) -> dict[str, str | None]:
    return {name: text_at(tree, name) for name in tree}


def _columns(source: Source, tree: Tree) -> Iterator[tuple[str, str | None]]:
    """Yield the columns of a row's table (`ingestion.tables`) with what the row says, `properties.url` as one."""
    key = {"event": "message_id", "consent": "event_id"}.get(source.record, "key")
    yield key, "|".join(_told(tree, column) or "" for column in source.key) or None
    time = "occurred_at" if source.record in ("event", "consent") else "observed_at"
    yield time, _told(tree, getattr(source, time))
    for name, column in _mapped(source):
        yield name, _told(tree, column)
    if source.record == "catalogue" and not source.fields:
        yield from ((f"attributes.{name}", _told(tree, name)) for name in tree if name not in source.key)


def _told(tree: Tree, column: str | None) -> str | None:
    if column is None:
        return None
    return column[1:] if column.startswith("=") else trimmed(text_at(tree, column))


def _mapped(source: Source) -> Iterator[tuple[str, str]]:
    """Yield what the declaration maps, name by name, in the order of the tables."""
    for kind, columns in source.identifiers.items():
        for index, column in enumerate(columns):
            yield f"identifiers.{kind}" + (f"[{index}]" if len(columns) > 1 else ""), column
    yield from ((f"attributes.{name}", column) for name, column in source.fields.items())
    yield from ((f"properties.{property_name(c)}", c) for c in (*source.properties, *source.free_text))
    for part in (source.event, source.order, source.consent):
        said: Mapping[str, str | None] = part.model_dump() if part is not None else {}
        yield from ((name, column) for name, column in said.items() if column is not None)
    if source.channel:
        yield "channel", source.channel
