"""`kindred publish`: serve what was built once more, or the generation before; nothing of the lake is written."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import reporting
from api.cli.jobs import hand_over, told
from api.cli.options import WorkspaceOption
from api.cli.world import World, open_world
from consent.officer import Desk
from infra import writer
from infra.clock import system_clock
from profiles.rollback import Refusals, RolledBack, roll_back, told_of
from profiles.serving import serving_store

app = typer.Typer()


@app.command()
def publish(
    workspace: WorkspaceOption = Path(),
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Serve the generation before the served one again.")
    ] = False,
) -> None:
    """Publish what the last run built into the serving store anew and whole, or go back by one generation."""
    with reporting():
        world = open_world(workspace)
        if not rollback or writer.is_alive(world.workspace.state_path):
            # A runner may be publishing now, so one that lives goes back itself, in its turn.
            hand_over(world, "publish", {"rollback": "yes"} if rollback else {}, anew=True)
        else:
            told(world, told_of(_rolled_back(world)))


def _rolled_back(world: World) -> RolledBack:
    desk = Desk.open(world.workspace, world.database)
    refusals = Refusals(world.database, desk.overlay, desk.policy)
    return roll_back(serving_store(world.workspace), refusals, system_clock())
