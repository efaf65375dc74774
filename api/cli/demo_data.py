"""`kindred demo-data`: a shop's files around invented people and real baskets, with the truth beside them."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import reporting, say
from api.cli.options import WorkspaceOption
from api.cli.scaffold import write_workspace

app = typer.Typer()
SEED = 7


@app.command("demo-data")
def demo_data(
    workspace: WorkspaceOption = Path("demo"),
    households: Annotated[int | None, typer.Option(help="How many of the 2,469 households; all by default.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people.")] = SEED,
) -> None:
    """Fill a workspace with the demo's sources; called again with more households, only adds files."""
    with reporting():
        make_data(workspace, households, seed)


def make_data(workspace: Path, households: int | None, seed: int = SEED) -> None:
    """Write the demo's workspace, where there is none yet, and its data."""
    from api.demo.generate import generate

    if not (workspace / "kindred.yaml").exists():
        write_workspace(workspace)
    generate(workspace, households=households, seed=seed, say=say)
