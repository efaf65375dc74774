"""`kindred serve`: the HTTP process, which reads what was published and never loads Spark."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import WorkspaceOption

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    workspace: WorkspaceOption = Path(),
    host: Annotated[str | None, typer.Option(help="Where to listen; loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; kindred.yaml's by default.")] = None,
) -> None:
    """Serve profiles, consent and decisions over HTTP, with the console, and take events in, until it is ended."""
    place = str(workspace.resolve())
    os.chdir("/")
    # A process of its own: what the command line has imported does not stay in the server's memory. It opens the
    # workspace itself, once, and says what is wrong with it.
    words = [place, host or "", "" if port is None else str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "api.http.serve", *words])  # noqa: S606 - our own module
