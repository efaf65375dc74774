"""From the lake to the serving store, without a JVM: a new generation beside the live one, then one atomic switch."""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import orjson

from identity.tables import PROFILE_ALIAS
from infra import shelf
from infra.keyvalue import LmdbReader, LmdbWriter
from infra.serving.embedded import Generations
from infra.serving.store import ServingStore
from infra.tables import Table
from profiles import render
from profiles.config import ProfileSettings
from profiles.errors import GenerationTorn
from profiles.serving import (
    FOLDER,
    MANIFEST,
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
from profiles.tables import BORROWED_REFUSALS, PROFILE_GRAPH, PROFILE_TIMELINE, PROFILE_TOKENS, PROFILE_VIEWS

Put = Callable[[bytes, bytes], None]
# Puts keys of a higher package into the generation and returns how many; the composition root hands them in.
Filler = Callable[[Put], int]


@dataclass(frozen=True, slots=True)
class _Member:
    """What publishing reads of activation's `audience_members`, where that exists."""

    audience: str
    profile_id: str
    purpose: str


_AUDIENCE_MEMBERS: Final = Table("audience_members", _Member, keys=("audience", "profile_id"))
# What a generation is made from, with audiences and aliases; a run replaces each of them whole.
PUBLISHED: Final = (PROFILE_VIEWS, PROFILE_GRAPH, PROFILE_TIMELINE, PROFILE_TOKENS)


@dataclass(frozen=True, slots=True)
class Edition:
    """One publication: what it is called, what it is made from, and what its manifest tells of the run."""

    lake: Path
    serving: Path
    name: str
    settings: ProfileSettings
    run: Mapping[str, object]
    # The links over which each purpose may come to somebody; a purpose that is not named, over all.
    links: Mapping[str, Collection[str]] = field(default_factory=dict)
    # Where it is served from; files below `serving` where nobody says otherwise.
    store: ServingStore | None = None
    # Whether all is written anew, though it might begin from the served generation.
    whole: bool = False

    def generations(self) -> ServingStore:
        """Return the store that it is published to."""
        return self.store or Generations(self.serving / FOLDER)


def is_published(edition: Edition) -> bool:
    """Say whether the edition is the one that is served; then a resumed run has nothing left to do."""
    return edition.generations().name() == edition.name


def publish_edition(edition: Edition, fillers: Sequence[Filler] = ()) -> dict[str, int]:
    """Write a whole generation, count it, and switch to it; return what it holds.

    Nothing that is served is touched before the switch. A run that is killed leaves an unfinished folder, which
    the next try throws away.
    """
    generations = edition.generations()
    versions = {table.name: shelf.version(edition.lake, table) for table in PUBLISHED}
    with generations.building(edition.name) as writer:
        counts = {
            "views": _put_views(edition, versions, writer.put),
            "profiles": _put_graphs(edition, versions, writer.put),
            "timelines": _put_timelines(edition, versions, writer.put),
            "identifiers": _put_tokens(edition, versions, writer.put),
            "aliases": _put_aliases(edition, writer.put),
            "other": _put_borrowed(edition, writer.put) + sum(fill(writer.put) for fill in fillers),
        }
        manifest = {"generation": edition.name, **edition.run, "tables": versions, "counts": counts}
        writer.put(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS))
    wanted = shelf.count(edition.lake, PROFILE_VIEWS, versions[PROFILE_VIEWS.name])
    if counts["views"] != wanted:
        raise GenerationTorn(wanted, counts["views"])
    generations.publish(edition.name)
    return counts


def _rows(edition: Edition, versions: Mapping[str, int], table: Table) -> Iterator[dict[str, Any]]:
    for batch in shelf.batches(edition.lake, table, versions[table.name]):
        # A row of a timeline is large as Python objects, so few of them are made at a time.
        for start in range(0, batch.num_rows, 256):
            yield from batch.slice(start, 256).to_pylist()


def _put_views(edition: Edition, versions: Mapping[str, int], put: Put) -> int:
    kinds, count = render.kinds(edition.settings), 0
    with _Memberships(edition) as audiences:
        for row in _rows(edition, versions, PROFILE_VIEWS):
            person, purpose = row["profile_id"], row["purpose"]
            tag, body = render.view(row, kinds, audiences.of(purpose, person))
            put(view_key(purpose, person), tag + body)
            for word in render.search_words(row["attributes"]):
                put(search_key(purpose, word, person), b"")
            count += 1
    return count


def _put_graphs(edition: Edition, versions: Mapping[str, int], put: Put) -> int:
    count = 0
    for row in _rows(edition, versions, PROFILE_GRAPH):
        person = row["profile_id"]
        put(header_key(person), render.header(row))
        put(holders_key(person), "\n".join(sorted(t["token"] for t in row["tokens"])).encode())
        put(graph_key(person), render.graph(row))
        count += 1
    return count


def _put_timelines(edition: Edition, versions: Mapping[str, int], put: Put) -> int:
    count = 0
    for row in _rows(edition, versions, PROFILE_TIMELINE):
        put(timeline_key(row["profile_id"]), render.timeline(row))
        count += 1
    return count


def _put_tokens(edition: Edition, versions: Mapping[str, int], put: Put) -> int:
    count = 0
    for row in _rows(edition, versions, PROFILE_TOKENS):
        closed = sorted(p for p, links in edition.links.items() if row.get("link") and row["link"] not in links)
        ends = ",".join(row["profile_ids"]) + ("\n" + " ".join(closed) if closed else "")
        put(token_key(row["token"]), ends.encode())
        count += 1
    return count


def _put_borrowed(edition: Edition, put: Put) -> int:
    """Put what officers must know to decide as the build did: which refusals a person keeps of whom, and until when."""
    kept: dict[str, dict[str, str]] = {}
    if shelf.exists(edition.lake, BORROWED_REFUSALS):
        for batch in shelf.batches(edition.lake, BORROWED_REFUSALS, columns=["profile_id", "sid", "until"]):
            for row in batch.to_pylist():
                sids, until = kept.setdefault(row["profile_id"], {}), row["until"].astimezone(UTC).isoformat()
                sids[row["sid"]] = max(until, sids.get(row["sid"], until))
    for profile_id, sids in kept.items():
        put(borrowed_key(profile_id), orjson.dumps(sids, option=orjson.OPT_SORT_KEYS))
    return len(kept)


def _put_aliases(edition: Edition, put: Put) -> int:
    if not shelf.exists(edition.lake, PROFILE_ALIAS):
        return 0
    count = 0
    for batch in shelf.batches(edition.lake, PROFILE_ALIAS, columns=["alias_id", "profile_id"]):
        for row in batch.to_pylist():
            put(alias_key(row["alias_id"], row["profile_id"]), b"")
            count += 1
    return count


class _Memberships:
    """Who is in which audience, in a store of its own on disk, so that memory does not grow with the members."""

    def __init__(self, edition: Edition) -> None:
        self._lake = edition.lake
        self._path = edition.serving / f".audiences-{edition.name}"
        self._reader: LmdbReader | None = None

    def __enter__(self) -> Self:
        shutil.rmtree(self._path, ignore_errors=True)
        if shelf.exists(self._lake, _AUDIENCE_MEMBERS):
            with LmdbWriter(self._path, durable=False) as writer:
                for batch in shelf.batches(
                    self._lake, _AUDIENCE_MEMBERS, columns=["audience", "profile_id", "purpose"]
                ):
                    for row in batch.to_pylist():
                        writer.put(f"{row['purpose']}|{row['profile_id']}|{row['audience']}".encode(), b"")
            self._reader = LmdbReader(self._path)
        return self

    def of(self, purpose: str, profile_id: str) -> list[str]:
        """Return the audiences of a purpose that a person is in, in alphabetical order."""
        if self._reader is None:
            return []
        prefix = f"{purpose}|{profile_id}|".encode()
        return [key[len(prefix) :].decode() for key, _ in self._reader.items(prefix)]

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.close()
        shutil.rmtree(self._path, ignore_errors=True)


def run_facts(run_id: str, number: int, started_at: datetime) -> dict[str, object]:
    """Return what a manifest tells of the run that made it."""
    return {"run": run_id, "number": number, "started_at": render.moment(started_at)}
