"""The commands that only look: leak linter, score, export, digest."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli import export as exporting
from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.tables import TABLES
from infra.errors import Broken
from infra.workspace import Workspace
from profiles.digest import state_hashes

app = typer.Typer()

# People looked for in the lake's log: enough to hit every table; each has some sixty spellings.
_NEEDLES = 300


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
    import consent.leaks  # its decoders and Spark take longer to load than most commands to run
    from api.cli.linting import identifier_values

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
