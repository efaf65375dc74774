"""What of which table lies where in a generation: what a row becomes, and what goes when the row is gone."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import orjson

from identity.tables import PROFILE_ALIAS
from infra import shelf
from infra.serving.store import Writer
from infra.tables import Table
from profiles import render
from profiles.config import ValueKind
from profiles.serving import (
    alias_key,
    borrowed_key,
    graph_key,
    header_key,
    holders_key,
    search_key,
    timeline_key,
    token_key,
    view_key,
)
from profiles.stored import answered, held_anew, packed
from profiles.tables import BORROWED_REFUSALS, PROFILE_GRAPH, PROFILE_TIMELINE, PROFILE_TOKENS, PROFILE_VIEWS

Row = Mapping[str, Any]
Audiences = Callable[[str, str], list[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """One table's part of a generation: `shown` are the columns that decide, beside its keys, what is put.

    What is not among them may change from run to run and changes nothing: `as_of` tells the build that last changed
    what is shown. `replace` puts a row in place of what was there under its keys, if anything was.
    """

    counted: str
    table: Table
    keys: tuple[str, ...]
    shown: tuple[str, ...]
    put: Callable[[Writer, Row], None]
    drop: Callable[[Writer, Row], None]
    replace: Callable[[Writer, Row], None]


def parts(
    kinds: Mapping[str, ValueKind], links: Mapping[str, Collection[str]], audiences: Audiences
) -> tuple[Part, ...]:
    """Return the parts of a generation, over what the settings and the policy say."""

    def put_view(writer: Writer, row: Row) -> None:
        keep_view(writer, row, *render.view(row, kinds, audiences(row["purpose"], row["profile_id"])))

    def replace_view(writer: Writer, row: Row) -> None:
        tag, body = render.view(row, kinds, audiences(row["purpose"], row["profile_id"]))
        stored = writer.get(view_key(row["purpose"], row["profile_id"]))
        if stored is None or not render.shows_the_same(answered(stored), body):
            _drop_view(writer, row)
            keep_view(writer, row, tag, body)

    def keep_view(writer: Writer, row: Row, tag: bytes, body: bytes) -> None:
        person, purpose = row["profile_id"], row["purpose"]
        writer.put(view_key(purpose, person), packed(tag, body, writer.get(holders_key(person))))
        for word in render.search_words(row["attributes"]):
            writer.put(search_key(purpose, word, person), b"")

    def put_token(writer: Writer, row: Row) -> None:
        closed = sorted(p for p, allowed in links.items() if row.get("link") and row["link"] not in allowed)
        ends = ",".join(row["profile_ids"]) + ("\n" + " ".join(closed) if closed else "")
        writer.put(token_key(row["token"]), ends.encode())

    views = ("attributes", "traits", "identifiers", "withheld", "reason", "policy_line", "confidence")
    graphs = ("anchor", "known", "size", "confidence", "tokens", "records", "edges")
    return (
        # Who is who comes first: each view is put with the list of tokens that was put for its person.
        Part("profiles", PROFILE_GRAPH, ("profile_id",), graphs, _put_graph, *_graphs(links)),
        Part("views", PROFILE_VIEWS, ("profile_id", "purpose"), views, put_view, _drop_view, replace_view),
        Part("timelines", PROFILE_TIMELINE, ("profile_id",), ("entries",), _put_events, _drop_events, _put_events),
        Part("identifiers", PROFILE_TOKENS, ("token",), ("profile_ids", "link"), put_token, _drop_token, put_token),
        Part("aliases", PROFILE_ALIAS, ("alias_id", "profile_id"), (), _put_alias, _drop_alias, _put_alias),
    )


def _drop_view(writer: Writer, row: Row) -> None:
    person, purpose = row["profile_id"], row["purpose"]
    stored = writer.get(view_key(purpose, person))
    if stored is None:
        return
    shown = orjson.loads(answered(stored))["attributes"]
    for word in render.search_words({"name": name, "value": value} for name, value in shown.items()):
        writer.delete(search_key(purpose, word, person))
    writer.delete(view_key(purpose, person))


def _put_graph(writer: Writer, row: Row) -> None:
    person = row["profile_id"]
    writer.put(header_key(person), render.header(row))
    writer.put(holders_key(person), "\n".join(sorted(t["token"] for t in row["tokens"])).encode())
    writer.put(graph_key(person), render.graph(row))


def _drop_graph(writer: Writer, row: Row) -> None:
    for key in (header_key, holders_key, graph_key):
        writer.delete(key(row["profile_id"]))


def _graphs(named: Collection[str]) -> tuple[Callable[[Writer, Row], None], Callable[[Writer, Row], None]]:
    """Return how who somebody is goes and is replaced beneath views that stay: each is held under the new list."""

    def drop(writer: Writer, row: Row) -> None:
        hold_anew(writer, row["profile_id"], lambda: _drop_graph(writer, row))

    def replace(writer: Writer, row: Row) -> None:
        hold_anew(writer, row["profile_id"], lambda: _put_graph(writer, row))

    def hold_anew(writer: Writer, person: str, change: Callable[[], None]) -> None:
        before = writer.get(header_key(person))
        change()
        held = writer.get(holders_key(person))
        headers = [orjson.loads(one) for one in (before, writer.get(header_key(person))) if one is not None]
        seen = {purpose for one in headers for record in one["records"].values() for purpose in record["purposes"]}
        for purpose in sorted({*named, *seen}):
            stored = writer.get(view_key(purpose, person))
            if stored is not None:
                writer.put(view_key(purpose, person), held_anew(stored, held))

    return drop, replace


def _put_events(writer: Writer, row: Row) -> None:
    writer.put(timeline_key(row["profile_id"]), render.timeline(row))


def _drop_events(writer: Writer, row: Row) -> None:
    writer.delete(timeline_key(row["profile_id"]))


def _drop_token(writer: Writer, row: Row) -> None:
    writer.delete(token_key(row["token"]))


def _put_alias(writer: Writer, row: Row) -> None:
    writer.put(alias_key(row["alias_id"], row["profile_id"]), b"")


def _drop_alias(writer: Writer, row: Row) -> None:
    writer.delete(alias_key(row["alias_id"], row["profile_id"]))


BORROWED: Final = borrowed_key("")


def borrowed(lake: Path) -> Iterable[tuple[bytes, bytes]]:
    """Yield what officers must know to decide as the build did: which refusals a person keeps of whom, until when."""
    kept: dict[str, dict[str, str]] = {}
    if shelf.exists(lake, BORROWED_REFUSALS):
        for batch in shelf.batches(lake, BORROWED_REFUSALS, columns=["profile_id", "sid", "until"]):
            for row in batch.to_pylist():
                sids, until = kept.setdefault(row["profile_id"], {}), row["until"].astimezone(UTC).isoformat()
                sids[row["sid"]] = max(until, sids.get(row["sid"], until))
    for profile_id, sids in kept.items():
        yield borrowed_key(profile_id), orjson.dumps(sids, option=orjson.OPT_SORT_KEYS)
