"""`kindred features`: training sets, handed out as files."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli import featuring
from api.cli.console import as_json, reporting, say
from api.cli.jobs import hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from infra.errors import Malformed, Missing, Refused
from profiles.features.asked import asked_for

app = typer.Typer(no_args_is_help=True)


@app.callback()
def features() -> None:
    """Feature sets: training sets for models."""


@app.command("training-set")
def training_set(
    name: Annotated[str, typer.Argument(help="A feature set of the workspace.")],
    labels: Annotated[
        Path, typer.Option(help="CSV or Parquet: at, label, and profile_id, or type and value of an identifier.")
    ],
    out: Annotated[Path, typer.Option(help="The Parquet file to write, outside the workspace's state.")],
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Write a feature set's rows as they were at each label's moment, of people who may be used for its purpose."""
    with reporting():
        world = open_world(workspace)
        asked_for(featuring.checked(world.workspace), name)
        arguments = {"feature_set": name, "labels": str(_readable(labels)), "out": str(_writable(world, out))}
        row = hand_over(world, "training-set", arguments, anew=True, quiet=json)
        told = next(step["summary"] for step in row.steps if step["name"] == "training-set")
        facts = {key: told[key] for key in ("labels", "rows", "nobody", "left_out", "version")}
        if json:
            as_json(facts)
            return
        say(f"{out}: {facts['rows']:,} rows, readable by you alone; an erasure does not reach it, so let it go in time")


def _readable(labels: Path) -> Path:
    if not labels.is_file():
        raise Missing(f"there is no file {labels}")
    return labels.resolve()


def _writable(world: World, out: Path) -> Path:
    place = out.resolve()
    if place.suffix != ".parquet":
        raise Malformed(f"{out.name}: a training set is Parquet; let its name end in .parquet")
    if not place.parent.is_dir():
        raise Missing(f"there is no folder {out.parent}")
    if place.is_relative_to(world.workspace.state_path):
        raise Refused("a training set is handed out: write it outside the workspace's state, where erasures search")
    return place
