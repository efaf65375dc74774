"""The commands that write: each hands a job to the runner, follows it and ends with its exit code."""

import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.status import Status
from sqlalchemy import Row

from api.cli.console import ERR, OUT, reporting, say
from api.cli.options import WorkspaceOption
from api.cli.world import World, open_world
from infra import journal, writer
from infra.clock import system_clock
from infra.errors import Held, KindredError, Malformed, Unavailable
from infra.handover import RunnerEnded, follow
from ingestion.following import Following, collected

app = typer.Typer()
_LONGEST_REST = 300.0
_PASSING = (KindredError.exit_code, Held.exit_code, Unavailable.exit_code)

AtOption = Annotated[
    str | None,
    typer.Option("--at", help="The moment the run takes for now (ISO 8601 with zone): same input, same bytes."),
]


def hand_over(
    world: World, job: str, arguments: Mapping[str, str], *, anew: bool = False, quiet: bool = False
) -> Row[Any]:
    """Return the ended run of a job; raise its error where it failed.

    `anew` asks for a run that has not begun: one that hears every word spoken until now. `quiet` leaves stdout to
    what the command itself has to say.
    """
    orphaned = not writer.is_alive(world.workspace.state_path)
    run_id = world.runs.submit(job, arguments, anew=anew, orphaned=orphaned)
    begun = time.monotonic()
    with Status(f"{job}", console=ERR) as status:

        def show(message: Row[Any]) -> None:
            status.update(message.text.splitlines()[0])
            if quiet:
                return
            if is_json(world):
                told(world, message.text, run_id=run_id, job=job)
                return
            OUT.print(f"[dim]{time.monotonic() - begun:6.1f}s[/] ", end="")
            OUT.print(message.text, markup=False)

        row = follow(world.workspace, world.runs, run_id, show)
    if row.exit_code:
        failed = KindredError(row.error)
        # The run's own exit code, whatever class its error had in the runner.
        failed.exit_code = row.exit_code  # type: ignore[misc]
        raise failed
    return row


def is_json(world: World) -> bool:
    """Say whether lines are for machines in this workspace."""
    return world.workspace.settings.logs.format == "json"


def told(world: World, text: str, **facts: Any) -> None:
    """Print a line of what goes on, as the workspace's log has it: a sentence, or an object for machines."""
    if not is_json(world):
        say(text)
        return
    journal.configure("json", sys.stdout, journal.COMMANDS.name)
    journal.note(journal.COMMANDS, "said", **facts, text=text)


def _seconds(option: str, text: str) -> float:
    match = re.fullmatch(r"(\d+)(s|m|h)", text)
    if match is None:
        raise Malformed(f"{option} {text}: write a whole number with s, m or h, for example 60s")
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
        pause = _seconds("--every", every) if every else None
        world = open_world(workspace)
        if pause is None:
            hand_over(world, "run", arguments)
        else:
            until_ended(lambda: hand_over(world, "run", arguments), pause)


def until_ended(
    act: Callable[[], object],
    pause: float,
    *,
    patient: bool = False,
    tell: Callable[[str], object] = say,
    wait: Callable[[float], None] = time.sleep,
    stopwatch: Callable[[], float] = time.monotonic,
) -> None:
    """Act again and again until Ctrl-C or SIGTERM, which are the ways to end it and no failure.

    With `patient` what may pass by itself is told and tried again, each time after a longer rest.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failures = 0
    try:
        while True:
            begun = stopwatch()
            try:
                act()
            except KindredError as error:
                if not (patient and may_pass(error)):
                    raise
                failures += 1
                rest = rest_after(failures, pause)
                tell(f"{error}. Failed {failures} times in a row, tried again in {rest:.0f} s")
                wait(rest)
            else:
                failures = 0
                wait(max(0.0, pause - (stopwatch() - begun)))
    except KeyboardInterrupt:
        tell("ended; a run that is under way goes on in the job runner")


def may_pass(error: KindredError) -> bool:
    """Say whether an error may be gone by itself later: something is away or held, a runner died, or nobody knows."""
    return isinstance(error, RunnerEnded) or error.exit_code in _PASSING


def rest_after(failures: int, pause: float) -> float:
    """Return the seconds to rest after so many failures in a row: twice as long each time, five minutes at most."""
    return float(min(max(pause, 1.0) * 2 ** min(failures - 1, 16), max(pause, _LONGEST_REST)))


@app.command()
def ingest(
    source: Annotated[list[str] | None, typer.Argument()] = None,
    workspace: WorkspaceOption = Path(),
    follow: Annotated[bool, typer.Option("--follow", help="Go on taking in what a collector accepts.")] = False,
    pause: Annotated[
        str | None, typer.Option(help="With --follow: how often to look, for example 10s; 5s without it.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Take the named sources in, though their loads break what is expected.")
    ] = False,
) -> None:
    """Load the sources (all, or those named) into the lake; every row gets a verdict."""
    with reporting():
        if pause and not follow:
            raise Malformed("--pause says how often --follow looks; add --follow, or leave --pause out")
        if anyway and (follow or not source):
            raise Malformed("--anyway is for one load of sources that you name: kindred ingest crm --anyway")
        seconds = _seconds("--pause", pause or "5s")
        world = open_world(workspace)
        if not follow:
            asked = {"source": ",".join(source)} if source else {}
            hand_over(world, "ingest", asked | ({"anyway": "yes"} if anyway else {}))
            return
        log = Following(world.workspace, collected(world.workspace, source or ()))
        until_ended(lambda: _taken_in(world, log), seconds, patient=True, tell=lambda text: told(world, text))


def _taken_in(world: World, log: Following) -> None:
    """Take in what waits in the log, if anything does, and say how far behind the lake is."""
    before = log.look(system_clock())
    if before.segments or log.streams:
        hand_over(world, "ingest", {"source": ",".join(log.sources)})
        told(world, log.line(before, system_clock()))


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
def holder(workspace: WorkspaceOption = Path()) -> None:
    """Say which process may write the lake now."""
    with reporting():
        state = open_world(workspace).workspace.state_path
        say(writer.holder(state) if writer.is_held(state) else "nobody; the next command that writes starts a runner")
