"""`kindred serve`: the HTTP process, which reads what was published and never loads Spark."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import reporting
from api.cli.options import WorkspaceOption
from infra.workspace import Workspace

app = typer.Typer()


@app.command()
def serve(
    workspace: WorkspaceOption = Path(),
    host: Annotated[str | None, typer.Option(help="Where to listen; loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; kindred.yaml's by default.")] = None,
) -> None:
    """Serve profiles, consent and decisions over HTTP, with the console, and take events in, until it is ended."""
    with reporting():
        opened = Workspace.open(workspace)
        address = [
            host or opened.settings.serving.host,
            str(port if port is not None else opened.settings.serving.port),
        ]
        os.chdir("/")
        # A process of its own: what the command line has imported does not stay in the server's memory.
        os.execve(  # noqa: S606 - our own module, our own interpreter
            sys.executable,
            [sys.executable, "-m", "api.http.serve", str(opened.root), *address],
            dict(opened.environ),
        )
