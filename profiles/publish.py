"""From the lake to the serving store, without a JVM: a new generation beside the live one, then one atomic switch."""

import heapq
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from identity.tables import PROFILE_ALIAS
from infra import shelf
from infra.keyvalue import KeyValue, LmdbReader, LmdbWriter
from infra.serving.embedded import Generations
from infra.serving.store import UNDO, ServingStore, Undo, Writer
from profiles import changes, render
from profiles.audiences import AUDIENCE_MEMBERS, Memberships
from profiles.config import ProfileSettings
from profiles.errors import GenerationTorn
from profiles.parts import BORROWED, Part, borrowed, parts
from profiles.serving import FOLDER, MANIFEST
from profiles.start import Start, rules, start_of
from profiles.tables import PROFILE_GRAPH, PROFILE_TIMELINE, PROFILE_TOKENS, PROFILE_VIEWS

Put = Callable[[bytes, bytes], None]
# Puts keys of a higher package into the generation and returns how many; the composition root hands them in.
Filler = Callable[[Put], int]
# Brings a built generation up to date, given its store and name; the composition root hands it in.
Bring = Callable[[ServingStore, str], None]
# Hears of a generation once it is served: what it began from, if it did not begin from nothing.
Then = Callable[[Start | None], None]

# What a generation is made from, with audiences and aliases; a run replaces each of them whole.
PUBLISHED: Final = (PROFILE_VIEWS, PROFILE_GRAPH, PROFILE_TIMELINE, PROFILE_TOKENS)
_WHERE_THERE: Final = (PROFILE_ALIAS, AUDIENCE_MEMBERS)


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


def publish_edition(
    edition: Edition, fillers: Sequence[Filler] = (), bring: Bring | None = None, then: Then | None = None
) -> dict[str, int]:
    """Build a generation, count it, and switch to it; return what it holds, and what of its views is new.

    It begins from the served one where what differs can be told for certain, and is else written whole; both come to
    the same, but that a view in which nothing changed keeps its bytes. Nothing that is served is touched before the
    switch; `bring` brings what was built up to date before it. A run that is killed leaves an unfinished generation,
    which the next try throws away.
    """
    generations = edition.generations()
    edition.serving.mkdir(parents=True, exist_ok=True)
    versions = _versions(edition.lake)
    digest = rules(edition.settings.model_dump(mode="json"), {p: sorted(ways) for p, ways in edition.links.items()})
    scratch = edition.serving / f".audiences-{edition.name}"
    with Memberships(edition.lake, scratch, versions.get(AUDIENCE_MEMBERS.name)) as audiences:
        wanted = parts(render.kinds(edition.settings), edition.links, audiences.of)
        start = None if edition.whole else start_of(generations, edition.lake, wanted, versions, digest)
        with generations.building(edition.name, start.base if start else None) as writer:
            counts = {part.counted: _put(edition.lake, part, versions, writer, start) for part in wanted}
            filled = _fill(edition, fillers, writer, generations.reader(start.base) if start else None, start)
            counts["other"] = filled.count
            became = start.told() if start else {"changed": counts["views"], "removed": 0, "kept": 0}
            manifest = {
                "generation": edition.name, **edition.run, "tables": versions, "counts": counts, "rules": digest,
                "filled": filled.prefixes, "views": {"from": start.base if start else None, **became},
            }  # fmt: skip
            writer.put(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS))
    counted = shelf.count(edition.lake, PROFILE_VIEWS, versions[PROFILE_VIEWS.name])
    if counts["views"] != counted:
        raise GenerationTorn(counted, counts["views"])
    if bring is not None:
        bring(generations, edition.name)
    generations.publish(edition.name)
    if then is not None:
        then(start)
    return counts | {f"views_{name}": count for name, count in became.items()}


def _versions(lake: Path) -> dict[str, int]:
    there = (*PUBLISHED, *(table for table in _WHERE_THERE if shelf.exists(lake, table)))
    return {table.name: shelf.version(lake, table) for table in there}


def _put(lake: Path, part: Part, versions: Mapping[str, int], writer: Writer, start: Start | None) -> int:
    """Put a table's part, or what of it differs from the generation begun from; return how many rows it has."""
    name = part.table.name
    if name not in versions:
        return 0
    if start is None:
        count = 0
        for row in _rows(lake, part, versions[name]):
            part.put(writer, row)
            count += 1
        return count
    difference = start.differences[part.counted]
    for batch in difference.gone.to_batches(1_024):
        for key in batch.to_pylist():
            part.drop(writer, key)
    for row in changes.rows(lake, part.table, versions[name], difference.changed):
        part.replace(writer, row)
    return difference.after


def _rows(lake: Path, part: Part, version: int) -> Iterator[Mapping[str, object]]:
    for batch in shelf.batches(lake, part.table, version, columns=None if part.shown else list(part.keys)):
        # A row of a timeline is large as Python objects, so few of them are made at a time.
        for start in range(0, batch.num_rows, 256):
            yield from batch.slice(start, 256).to_pylist()


@dataclass(frozen=True, slots=True)
class _Filled:
    """What others put: how many keys, and with which first parts."""

    count: int
    prefixes: list[str]


def _fill(
    edition: Edition, fillers: Sequence[Filler], writer: Writer, base: KeyValue | None, start: Start | None
) -> _Filled:
    """Put what is kept of partings and what others have to put, and remove what of theirs is no more.

    It goes by a store of its own on disk: what is put comes in any order, and is compared in that of the keys.
    """
    path = edition.serving / f".filling-{edition.name}"
    shutil.rmtree(path, ignore_errors=True)
    try:
        with LmdbWriter(path, durable=False) as filling:
            count = 0
            for key, value in borrowed(edition.lake):
                filling.put(key, value)
                count += 1
            count += sum(fill(filling.put) for fill in fillers)
        reader = LmdbReader(path)
        prefixes = {BORROWED.partition(b"|")[0].decode()}
        prefixes |= {key.partition(b"|")[0].decode() for key, _ in reader.items(b"")}
        for prefix in sorted(prefixes | set(start.filled if start else ())):
            begun = f"{prefix}|".encode()
            before = () if base is None else _as_published(base, begun)
            for name, now in _differing(before, reader.items(begun)):
                if now is None:
                    writer.delete(name)
                else:
                    writer.put(name, now)
        reader.close()
    finally:
        shutil.rmtree(path, ignore_errors=True)
    return _Filled(count, sorted(prefixes))


def _as_published(base: KeyValue, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what a generation held when it was published, in key order, whatever was changed since."""
    undone = {undo.key: undo.was for undo in (Undo.read(*row) for row in base.items(UNDO + prefix))}
    kept = (row for row in base.items(prefix) if row[0] not in undone)
    return heapq.merge(kept, ((key, was) for key, was in sorted(undone.items()) if was is not None))


def _differing(
    before: Iterable[tuple[bytes, bytes]], after: Iterable[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield what to put and, with None, what to remove to come from one sorted list of keys to the other."""
    old, new = iter(before), iter(after)
    was, now = next(old, None), next(new, None)
    while was is not None or now is not None:
        if was is not None and (now is None or was[0] < now[0]):
            yield was[0], None
            was = next(old, None)
        elif now is not None:
            if was != now:
                yield now
            was, now = (next(old, None) if was is not None and was[0] == now[0] else was), next(new, None)


def run_facts(run_id: str, number: int, started_at: datetime) -> dict[str, object]:
    """Return what a manifest tells of the run that made it."""
    return {"run": run_id, "number": number, "started_at": render.moment(started_at)}
