"""Files into facts: each is looked at once, those that are parts of one export are one source."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from consent.discovery.evident import tellable
from consent.discovery.kinds import worded
from ingestion.packed import PACKED
from ingestion.proposal.facts import ColumnFacts, FileFacts, column_facts
from ingestion.proposal.keys import key_of
from ingestion.proposal.looked import Looked, NotUnderstood
from ingestion.proposal.looking import look
from ingestion.proposal.meanings import meanings_of
from ingestion.proposal.model import Unread
from ingestion.proposal.regions import countries_in, hints_of, region_of
from ingestion.proposal.words import roles_of

_ENDINGS: Final = frozenset(
    (".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl", ".parquet", ".dat", ".tab", ".psv", ".pq")
)
_NAMELESS: Final = "file"
_GENERIC: Final = frozenset(
    (*("part", "data", "export", "file", "files", "dump", "output", "extract"),
     *("sheet", "table", "chunk", "batch", "segment", "page", "raw"))
)  # fmt: skip
_LONGEST: Final = 40
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts of each source, the files that belong to it, and the files that were not understood."""

    facts: tuple[FileFacts, ...]
    files: Mapping[str, tuple[Path, ...]]
    unread: tuple[Unread, ...]


def gather(paths: Sequence[Path], *, today: date, region: str | None, taken: Iterable[str] = ()) -> Gathered:
    """Return what files hold, as facts; a file that holds no rows is told with why, and stops nobody else's."""
    looked: list[Looked] = []
    unread: list[Unread] = []
    for path in spread(paths):
        shown = tellable(path.name)
        try:
            one = look(path, shown)
        except NotUnderstood as error:
            unread.append(Unread(shown, f"{error.wrong}; {error.right}"))
            continue
        if one.rows:
            looked.append(one)
        else:
            unread.append(Unread(shown, "it has a header and no rows; name a file with rows"))
    found: list[FileFacts] = []
    files: dict[str, tuple[Path, ...]] = {}
    names = set(taken)
    for alike in _grouped(looked):
        for parts, facts in _sources(alike, today=today, region=region):
            name = _free(facts.name, names)
            names.add(name)
            found.append(replace(facts, name=name))
            files[name] = tuple(part.path for part in parts)
    return Gathered(tuple(found), files, tuple(unread))


def spread(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are named, a folder as the files in it; each once, in the order given."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.iterdir()) if p.is_file() and not p.name.startswith("."))
            found |= dict.fromkeys(p for p in inside if p.suffix.lower() in (*_ENDINGS, *PACKED))
        else:
            found[path] = None
    return list(found)


def source_name(path: Path) -> str:
    """Return what a source is called by its file: small letters, digits and `_`, without a value in it."""
    return _called(_slug(_stem(path)), path)


def _called(name: str, path: Path) -> str:
    """Return a name that says something, or that of the folder: many a file is but `part-1` of it."""
    says = re.sub(r"[\d_]+", "", name) not in _GENERIC
    return (name if says else "") or _slug(path.resolve().parent.name) or name or _NAMELESS


def _stem(path: Path) -> str:
    name = path.name
    for ending in sorted((*PACKED, *_ENDINGS), key=lambda e: e not in PACKED):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return tellable(name)


def _slug(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", text).lower().encode("ascii", "ignore").decode()).strip("_")
    return re.sub(r"^[0-9_]+", "", plain)[:_LONGEST].strip("_")


def _free(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _grouped(looked: Sequence[Looked]) -> list[list[Looked]]:
    """Return files that have the same columns and are called alike but for numbers, as groups."""
    groups: dict[tuple[object, ...], list[Looked]] = {}
    for one in looked:
        called = re.sub(r"[\d_.\- ]+", "", _stem(one.path).lower())
        key = (
            one.path.parent,
            called,
            tuple(sorted(one.connector.items())),
            tuple(one.columns),
            tuple(one.path.suffixes[-2:]),
        )
        groups.setdefault(key if one.connector["format"] in ("csv", "parquet") else (one.path,), []).append(one)
    return list(groups.values())


def _sources(parts: list[Looked], *, today: date, region: str | None) -> Iterable[tuple[list[Looked], FileFacts]]:
    """Yield the parts of one export as one source, or each alone where a key, or a whole row, is in several of them."""
    if len(parts) > 1:
        whole = _facts(parts, today=today, region=region)
        if key_of(whole).single is not None or (not _keyed(parts[0], today) and _are_apart(parts)):
            yield parts, whole
            return
    for part in parts:
        yield [part], _facts([part], today=today, region=region)


def _keyed(part: Looked, today: date) -> bool:
    return key_of(_facts([part], today=today, region="US")).single is not None


def _are_apart(parts: Sequence[Looked]) -> bool:
    """Say whether no row of one part stands in another: what tells the same again is another source's word."""
    rows = [set(zip(*part.columns.values(), strict=True)) for part in parts]
    return len(set().union(*rows)) == sum(map(len, rows))


def _facts(parts: Sequence[Looked], *, today: date, region: str | None) -> FileFacts:
    first = parts[0]
    columns = {name: [value for part in parts for value in part.columns[name]] for name in first.columns}
    name = source_name(first.path) if len(parts) == 1 else _common(parts)
    countries = [v for n, values in columns.items() if "country" in roles_of(n) for v in values[:1000] if v]
    hints = (*countries_in(countries), *hints_of([worded(n) for n in columns]))
    dialled = region or next(iter(hints), "US")
    made = [column_facts(n, values, region=dialled, today=today) for n, values in columns.items()]
    rows = sum(part.rows for part in parts)
    file = FileFacts(name, first.connector, rows, tuple(made), first.unusable, _notes(parts))
    if region is not None:
        return file
    phones = [m.column for m in meanings_of(file).identifiers.get("phone", ())]
    return replace(
        file, columns=tuple(_with_region(c, columns[c.name], hints) if c.name in phones else c for c in made)
    )


def _with_region(column: ColumnFacts, values: Sequence[str | None], hints: Sequence[str]) -> ColumnFacts:
    return replace(column, region=region_of([value for value in values if value], hints))


def _common(parts: Sequence[Looked]) -> str:
    plain = _slug(re.sub(r"[\d_.\- ]+", " ", _stem(parts[0].path)))
    return _called(plain, parts[0].path)


def _notes(parts: Sequence[Looked]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for part in parts for note in part.notes))
