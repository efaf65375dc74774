"""The commands that only look: quarantine, leak linter, score, export, digest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import consent.leaks
import ingestion.tables
from api.cli import export as exporting
from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.tables import TABLES
from infra import shelf
from infra.errors import Broken
from infra.workspace import Workspace
from profiles.digest import state_hashes

app = typer.Typer()
quarantine = typer.Typer(no_args_is_help=True)
app.add_typer(quarantine, name="quarantine", help="Rejected rows: where, which field, why.")

# People looked for in the lake's log: enough to hit every table, few enough to search every byte.
_NEEDLES = 2_000


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A table, or assignments, or event_assignments.")],
    to: Annotated[Path, typer.Option(help="A .csv, .parquet or .ndjson file.")],
    workspace: WorkspaceOption = Path(),
) -> None:
    """Write a table, or who each record and event belongs to, to a file."""
    with reporting():
        rows = exporting.export(Workspace.open(workspace).lake_path, name, to)
        say(f"{rows:,} rows of {name} in {to}")


@app.command()
def digest(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Print a hash of each table's content, whatever the order of its rows: equal content, equal hash."""
    with reporting():
        found = state_hashes(Workspace.open(workspace).lake_path, TABLES)
        if json:
            as_json(found)
            return
        table("content", ["table", "hash"], found.items())


@app.command()
def leaks(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Look for people in every byte of the lake's logs, checkpoints, statistics and paths."""
    with reporting():
        lake = Workspace.open(workspace).lake_path
        report = consent.leaks.lint(lake, TABLES, identifier_values(lake, _NEEDLES))
        if json:
            as_json({"clean": report.clean, "files": report.files, "lines": list(report.lines())})
        else:
            for line in report.lines():
                say(line)
        if not report.clean:
            raise Broken("the lake's log tells of people; see the findings above")


def identifier_values(lake: Path, limit: int) -> set[str]:
    """Return identifier values of people known to be in the lake, as needles for the linter."""
    found: set[str] = set()
    for values in _values(lake):
        found |= values
        if len(found) >= limit:
            break
    return set(sorted(found)[:limit])


def _values(lake: Path) -> Iterator[set[str]]:
    for batch in shelf.batches(lake, ingestion.tables.RECORDS, columns=["identifiers"]):
        yield {one["value"] for row in batch.to_pylist() for one in row["identifiers"]}


@quarantine.command("list")
def list_(workspace: WorkspaceOption = Path(), json: JsonOption = False, limit: int = 50) -> None:
    """List rejected rows, counted by source, field and rule, with the first places; values are not shown."""
    with reporting():
        columns = ["source", "file", "position", "field", "rule", "value_class", "reason"]
        lake = Workspace.open(workspace).lake_path
        rows = [
            row
            for batch in shelf.batches(lake, ingestion.tables.QUARANTINE, columns=columns)
            for row in batch.to_pylist()
        ]
        rows.sort(key=lambda row: (row["source"], row["file"], row["position"], row["field"] or ""))
        if json:
            as_json(rows)
            return
        table(f"{len(rows)} rejections", columns, [[row[column] for column in columns] for row in rows[:limit]])


@app.command()
def score(
    truth: Annotated[Path, typer.Option(help="A folder with records.csv: source, key, person_id.")],
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Score the identities against labels: precision, recall, F1, traps, and what the errors cost."""
    from api.cli.scoring import print_scorecard

    with reporting():
        print_scorecard(Workspace.open(workspace), truth, json=json)
