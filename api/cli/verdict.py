"""`kindred verdict`: what became of one row or event."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import as_json, reporting, table
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import open_world
from api.http.verdicts import Registry

app = typer.Typer()
_COLUMNS = ("verdict", "source", "received_at", "where", "run", "table", "because", "first", "profile_id")


@app.command()
def verdict(
    key: Annotated[str, typer.Argument(help="A message id, or source:key such as crm:C17.")],
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Tell what became of an event or row: the verdict, when it came, where it is now, and whose it is."""
    with reporting():
        world = open_world(workspace)
        found = Registry(world.workspace, world.database).of(key)
        if json:
            as_json(found)
            return
        table(f"{len(found)} verdicts", _COLUMNS, [[row[column] for column in _COLUMNS] for row in found])
