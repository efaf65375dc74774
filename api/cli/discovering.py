"""`kindred discover`: which columns of the sources hold personal data, and which labels they should stand under."""

import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

import consent.config
import ingestion.config
from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from consent.config import LABELS_FILE
from consent.discovery.proposal import Proposal, amended
from infra.clock import system_clock
from infra.workspace import Workspace
from ingestion.config import Source
from ingestion.discover import Found, found_in, labelled_fields, patience, source_lines
from ingestion.errors import SourceFilesMissing, UnknownSource
from ingestion.sampling import ROWS, Sample, files_of, sampled

app = typer.Typer()

# A source with hundreds of columns of prose is looked at for so long; what was not is told.
_SECONDS = 60.0


@app.command()
def discover(
    sources: Annotated[list[str] | None, typer.Argument(help="Sources; all if none is named.")] = None,
    rows: Annotated[int, typer.Option(min=20, max=100_000, help="Rows to sample of each source.")] = ROWS,
    write: Annotated[bool, typer.Option("--write", help="Add the proposed labels to consent/labels.yaml.")] = False,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Look for personal data in samples of the sources: what is declared, what is not, and which label it needs.

    Values are never shown. Nothing is fetched, and no data is changed.
    """
    with reporting():
        place = Workspace.open(workspace)
        looked = [_looked(place, source, rows, named=bool(sources)) for source in _chosen(place, sources or [])]
        proposals = [p for one in looked for p in one["proposals"]]
        written = _write(place, proposals) if write else None
        if json:
            as_json([_plain(one) for one in looked])
        else:
            for one in looked:
                _show(one)
            _propose(place, looked, written)


def _chosen(place: Workspace, names: Sequence[str]) -> list[Source]:
    known = {source.source: source for source in ingestion.config.load_sources(place)}
    for name in names:
        if name not in known:
            raise UnknownSource(name, tuple(known))
    return [known[name] for name in dict.fromkeys(names or known)]


def _looked(place: Workspace, source: Source, rows: int, *, named: bool) -> dict[str, Any]:
    files = files_of(place, source)
    if not files and named:
        raise SourceFilesMissing(source.source, getattr(source.connector, "path", "the event log"))
    sample: Sample = sampled(files, source.connector, source.source, rows)
    patient = patience(_SECONDS)
    region = source.region or place.settings.region
    found = list(
        found_in(source, sample, labelled_fields(place), region=region, today=system_clock().date(), patient=patient)
    )
    proposals: dict[str, Proposal] = {}
    for one in found:
        if one.proposal is not None:
            proposals.setdefault(one.proposal.field, one.proposal)
    return {
        "source": source,
        "rows": sample.rows,
        "columns": len(sample.columns),
        "whole": patient(),
        "found": found,
        "proposals": list(proposals.values()),
    }


def _plain(looked: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: looked[name] for name in ("rows", "columns", "whole")},
        "source": looked["source"].source,
        "findings": [
            {**asdict(one.finding), "standing": one.standing, "declared": one.declared} for one in looked["found"]
        ],
        "proposals": [asdict(one) for one in looked["proposals"]],
    }


def _show(looked: dict[str, Any]) -> None:
    found: list[Found] = looked["found"]
    title = f"{looked['source'].source}: {looked['rows']:,} rows of {looked['columns']:,} columns sampled"
    if not looked["whole"]:
        title += ", not all looked at in time"
    if not found:
        say(f"{title}; nothing personal found")
        return
    columns = ["column", "kind", "confidence", "declared as", "standing", "because"]
    rows = [
        [f.finding.column, f.finding.kind, f"{f.finding.confidence:.2f}", f.declared, f.standing, f.finding.reason]
        for f in sorted(found, key=lambda f: (f.standing == "declared", f.finding.column))
    ]
    table(title, columns, rows)


def _propose(place: Workspace, looked: Sequence[dict[str, Any]], written: int | None) -> None:
    proposals = [p for one in looked for p in one["proposals"]]
    if not proposals:
        say("every column that looks personal is declared as such")
        return
    if written is None:
        say(f"# for {LABELS_FILE} (or run again with --write):")
        say(_pasted(place, proposals).rstrip())
    else:
        say(f"{written} fields added to {LABELS_FILE}; look through them before the next run")
    for one in looked:
        lines = [line for found in one["found"] if found.proposal for line in source_lines(one["source"], found)]
        if lines:
            say(f"# for the file of source {one['source'].source}, what you want to keep:")
            for line in dict.fromkeys(lines):
                say(line)


def _pasted(place: Workspace, proposals: Sequence[Proposal]) -> str:
    """Return the proposals as they would stand in labels.yaml, each with its reason."""
    by_label: dict[str, list[Proposal]] = {}
    for proposal in proposals:
        by_label.setdefault(proposal.label, []).append(proposal)
    known = place.load(LABELS_FILE, consent.config.LabelsConfig).labels
    purposes = ", ".join(consent.config.load_policy(place).purposes)
    lines = ["labels:"]
    for label, members in by_label.items():
        lines.append(f"  {label}:")
        fields = [*(known[label].fields if label in known else ()), *dict.fromkeys(p.field for p in members)]
        lines.append(f"    fields: [{', '.join(fields)}]")
        lines += [] if label in known else [f"    masked_for: [{purposes}]"]
        lines += [f"    # {one.field}: {one.reason}" for one in members]
    return "\n".join(lines)


def _write(place: Workspace, proposals: Sequence[Proposal]) -> int:
    """Add the proposals to the labels file, whole or not at all, and return how many fields are new."""
    purposes = tuple(consent.config.load_policy(place).purposes)
    tree = place.draft(LABELS_FILE)
    new = amended(tree, proposals, purposes)
    if new:
        text = io.StringIO()
        yaml = YAML()
        yaml.width = 120
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.dump(tree, text)
        path = place.root / LABELS_FILE
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".labels-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
        consent.config.load_policy(place)
    return new
