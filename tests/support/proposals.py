"""Labelled people as the product's own proposal maps them, row by row as ingestion would take them in."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from ruamel.yaml import YAML

from infra import dates
from infra.identifiers import IdentifierType
from ingestion.check import breaks, checks, trimmed
from ingestion.config import Source
from ingestion.packed import open_text
from ingestion.proposal.gather import Gathered, gather
from ingestion.proposal.looking import look
from ingestion.proposal.model import WorkspaceProposal
from ingestion.proposal.propose import propose
from ingestion.proposal.understood import Known
from ingestion.proposal.written import source_yaml

AT = datetime(2026, 11, 1, tzinfo=UTC)
TEMPLATE = Path(__file__).parents[2] / "api" / "templates" / "workspace" / "identity.yaml"


@dataclass(frozen=True)
class Taken:
    """A row as it was taken in: its place in its file, its key, what it says; nothing where it was quarantined."""

    source: str
    place: int
    key: str
    attributes: Mapping[str, str]
    identifiers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: bool = True


def without(source: Path, target: Path, columns: Sequence[str]) -> Path:
    """Write a file again without the columns that hold the answer; return where."""
    if source.suffix == ".parquet":
        pq.write_table(pq.read_table(source).drop_columns(list(columns)), target)
        return target
    with open_text(source, "utf-8") as stream, target.open("w", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(stream))
        kept = [place for place, name in enumerate(rows[0]) if name.strip() not in columns]
        csv.writer(file).writerows([row[place] for place in kept] for row in rows)
    return target


def known() -> Known:
    """What `kindred init` declares."""
    tree = YAML(typ="safe").load(TEMPLATE.read_text(encoding="utf-8"))
    types = {name: IdentifierType.model_validate(said) for name, said in tree["identifiers"].items()}
    return Known(types, ("service", "analytics", "email_marketing"))


def proposal_of(files: Sequence[Path]) -> tuple[Gathered, WorkspaceProposal]:
    """Return what is proposed for files."""
    gathered = gather(files, today=AT.date(), region=None)
    return gathered, propose(gathered.facts, known())


def types_of(proposal: WorkspaceProposal) -> dict[str, IdentifierType]:
    """Return the identifier types that a proposal adds."""
    return {one.name: IdentifierType.model_validate(one.settings) for one in proposal.types}


def declared(proposal: WorkspaceProposal) -> dict[str, Source]:
    """Return the proposed sources as the product reads their YAML."""
    found: dict[str, Source] = {}
    for one in proposal.sources:
        tree: Any = YAML(typ="safe").load(source_yaml(one))
        tree["connector"] |= {"type": "files", "path": "data/*"}
        found[one.source] = Source.model_validate(tree)
    return found


def taken_in(gathered: Gathered, proposal: WorkspaceProposal) -> Iterator[Taken]:
    """Yield the rows of people as the proposed mapping takes them in."""
    numbered = {one.source: one.numbered for one in proposal.sources}
    for name, source in declared(proposal).items():
        yield from rows_of(source, gathered.files[name], numbered[name])


def rows_of(source: Source, files: Sequence[Path], numbered: str | None = None) -> Iterator[Taken]:
    """Yield the rows of files as a declared source takes them in."""
    promised = checks(source, AT, {})
    place = 0
    for path in files:
        columns = {c: list(map(trimmed, v)) for c, v in look(path, path.name, 1 << 30).columns.items()}
        for number in range(len(next(iter(columns.values())))):
            row = dict.fromkeys(source.columns()) | {column: values[number] for column, values in columns.items()}
            if numbered is not None:
                row[numbered] = str(place)
            yield _taken(source, place, row, promised)
            place += 1


def _taken(source: Source, place: int, row: dict[str, str | None], promised: Sequence[Any]) -> Taken:
    for column in source.dates():
        text = row[column]
        row[column] = dates.day(text, source.date_order or "month_first", AT.date()) or text if text else text
    key = "|".join(row[column] or "" for column in source.key)
    if any(breaks(check, row[check.column], "UTC") for check in promised):
        return Taken(source.source, place, key, {}, kept=False)
    attributes = {name: text for name, column in source.fields.items() if (text := row[column])}
    held = {kind: [text for c in columns if (text := row[c])] for kind, columns in source.identifiers.items()}
    return Taken(source.source, place, key, attributes, held)
