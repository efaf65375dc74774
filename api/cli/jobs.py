"""The commands that write: each hands a job to the runner, follows it and ends with its exit code."""

import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.status import Status
from sqlalchemy import Row

from api.cli.console import ERR, OUT, reporting, say, table
from api.cli.options import WorkspaceOption
from api.cli.world import World, open_world
from infra import writer
from infra.errors import KindredError, Malformed
from infra.handover import follow

app = typer.Typer()

AtOption = Annotated[
    str | None,
    typer.Option("--at", help="The moment the run takes for now (ISO 8601 with zone): same input, same bytes."),
]


def hand_over(world: World, job: str, arguments: Mapping[str, str], *, anew: bool = False) -> Row[Any]:
    """Return the ended run of a job; raise its error where it failed.

    `anew` asks for a run that has not begun: one that hears every word spoken until now.
    """
    orphaned = not writer.is_alive(world.workspace.state_path)
    run_id = world.runs.submit(job, arguments, anew=anew, orphaned=orphaned)
    begun = time.monotonic()
    with Status(f"{job}", console=ERR) as status:

        def show(message: Row[Any]) -> None:
            status.update(message.text.splitlines()[0])
            OUT.print(f"[dim]{time.monotonic() - begun:6.1f}s[/] ", end="")
            OUT.print(message.text, markup=False)

        row = follow(world.workspace, world.runs, run_id, show)
    if row.exit_code:
        failed = KindredError(row.error)
        # The run's own exit code, whatever class its error had in the runner.
        failed.exit_code = row.exit_code  # type: ignore[misc]
        raise failed
    return row


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)(s|m|h)", text)
    if match is None:
        raise Malformed(f"--every {text}: write a whole number with s, m or h, for example 60s")
    return int(match[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[match[2]]


@app.command()
def run(
    workspace: WorkspaceOption = Path(),
    every: Annotated[str | None, typer.Option(help="Run again and again, for example every 60s.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Derive everything anew, though nothing has changed.")] = False,
    at: AtOption = None,
) -> None:
    """Ingest, resolve, build, materialise audiences, publish and sync; resumable, with one manifest."""
    with reporting():
        arguments = ({"full": "yes"} if full else {}) | ({"at": at} if at else {})
        pause = _seconds(every) if every else None
        world = open_world(workspace)
        if pause is None:
            hand_over(world, "run", arguments)
        else:
            _again_and_again(world, arguments, pause)


def _again_and_again(world: World, arguments: Mapping[str, str], pause: float) -> None:
    """Run until Ctrl-C or SIGTERM, which are the ways to end it and no failure."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            begun = time.monotonic()
            hand_over(world, "run", arguments)
            time.sleep(max(0.0, pause - (time.monotonic() - begun)))
    except KeyboardInterrupt:
        say("ended; a run that is under way goes on in the job runner")


@app.command()
def ingest(source: Annotated[list[str] | None, typer.Argument()] = None, workspace: WorkspaceOption = Path()) -> None:
    """Load the sources (all, or those named) into the lake; every row gets a verdict."""
    with reporting():
        hand_over(open_world(workspace), "ingest", {"source": ",".join(source)} if source else {})


@app.command()
def resolve(
    workspace: WorkspaceOption = Path(),
    full: Annotated[bool, typer.Option("--full", help="Resolve every record, not only what changed.")] = False,
    at: AtOption = None,
) -> None:
    """Bring identities up to date with the facts there are, rebuild the profiles and publish them."""
    with reporting():
        arguments = ({"full": "yes"} if full else {}) | ({"at": at} if at else {})
        hand_over(open_world(workspace), "apply", arguments)


@app.command()
def train(
    workspace: WorkspaceOption = Path(),
    labels: Annotated[
        Path | None, typer.Option(help="A CSV of judged pairs: source_a, key_a, source_b, key_b, same.")
    ] = None,
) -> None:
    """Train a new version of the identity model from the records, without labels or with them, and resolve with it."""
    with reporting():
        world = open_world(workspace)
        if labels is not None:
            from identity.modelling import labelled

            labelled.read(labels)  # what is wrong with it is told before a run begins
        hand_over(world, "train", {"labels": str(labels.resolve())} if labels is not None else {})


@app.command()
def runs(workspace: WorkspaceOption = Path(), limit: int = 20) -> None:
    """List the newest runs: what was asked, how far it is, what came of it."""
    with reporting():
        rows = open_world(workspace).runs.latest(limit)
        table(
            "runs",
            ["number", "job", "status", "submitted", "seconds by step", "error"],
            [
                (
                    row.number,
                    row.job,
                    row.status,
                    f"{row.submitted_at:%Y-%m-%d %H:%M:%S}Z",
                    " ".join(f"{step['name']} {step['seconds']:.0f}" for step in row.steps),
                    row.error,
                )
                for row in rows
            ],
        )


@app.command()
def holder(workspace: WorkspaceOption = Path()) -> None:
    """Say which process may write the lake now."""
    with reporting():
        state = open_world(workspace).workspace.state_path
        say(writer.holder(state) if writer.is_held(state) else "nobody; the next command that writes starts a runner")
