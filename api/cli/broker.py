"""`kindred kafka`: a Kafka broker of the workspace's own, on this machine, for a start and for tests."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import as_json, reporting, say
from api.cli.options import JsonOption, WorkspaceOption
from infra.kafka import broker
from infra.settings import KafkaSettings
from infra.workspace import Workspace

app = typer.Typer(no_args_is_help=True)

_LOOPBACK = ("127.0.0.1:", "localhost:")
_LOOK_EVERY = 0.5


@app.command()
def up(
    workspace: WorkspaceOption = Path(),
    port: Annotated[int | None, typer.Option(help="0 takes any; else that of kindred.yaml, or of last time.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Come back at once; `kindred kafka down` ends it.")] = False,
) -> None:
    """Start a broker over state/kafka and print its address; one that runs already is found. Data are kept."""
    with reporting():
        opened = Workspace.open(workspace)
        folder = _folder(opened)
        if not detach:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        ours = broker.status(folder) is None and not detach
        with _ending(folder, ours):
            started = broker.start(folder, _declared(opened) if port is None else port)
            say(f"a broker {'runs already' if started.ran_already else 'runs'} at {started.broker.bootstrap}")
            if ours and not started.ran_already:
                say("Ctrl-C ends it")
                while broker.status(folder) == started.broker:
                    time.sleep(_LOOK_EVERY)


@contextlib.contextmanager
def _ending(folder: Path, ours: bool) -> Iterator[None]:
    """End the broker with the command that stands before it, while it still starts too."""
    try:
        yield
    except KeyboardInterrupt:
        if ours:
            broker.stop(folder)


@app.command()
def down(workspace: WorkspaceOption = Path()) -> None:
    """End the broker in an orderly way; its data stay in state/kafka."""
    with reporting():
        ended = broker.stop(_folder(Workspace.open(workspace)))
        say("the broker has ended; its data stay" if ended else "no broker runs")


@app.command()
def status(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Say whether the broker runs, where, and whether it answers."""
    with reporting():
        running = broker.status(_folder(Workspace.open(workspace)))
        answers = running is not None and broker.answers(running.port)
        if json:
            address = running.bootstrap if running else None
            as_json({"running": running is not None, "bootstrap": address, "answers": answers})
        elif running is None:
            say("no broker runs; `kindred kafka up` starts one")
        else:
            said = "answers" if answers else "does not answer yet"
            say(f"a broker runs at {running.bootstrap} (process {running.pid}) and {said}")


def _folder(workspace: Workspace) -> Path:
    return workspace.state_path / "kafka"


def _declared(workspace: Workspace) -> int | None:
    """Return the port that kindred.yaml expects a broker of this machine at, or None."""
    log = workspace.settings.log
    if isinstance(log, KafkaSettings) and log.bootstrap.startswith(_LOOPBACK):
        return int(log.bootstrap.partition(",")[0].rpartition(":")[2])
    return None
