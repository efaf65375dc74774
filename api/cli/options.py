"""Options that most commands share."""

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", envvar="KINDRED_WORKSPACE", help="The folder with kindred.yaml.", show_default="."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
