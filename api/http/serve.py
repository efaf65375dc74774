"""The process that serves: a server and its workers, with the stream workers and the sender of changes beside them.

Run as `python -m api.http.serve WORKSPACE HOST PORT`, which is what `kindred serve` does. Each worker is started in
the workspace's folder and opens what it finds there (`api.http.main`), so nothing is handed over but the place; and
this process loads nothing that only a worker needs.
"""

import gc
import importlib
import multiprocessing
import os
import resource
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

import activation
import consent
import identity
import infra
import ingestion
import profiles
from api.http.alongside import Alongside
from api.http.collector.sources import served
from infra.errors import ConfigurationError, KindredError
from infra.settings import KafkaSettings
from infra.workspace import Workspace

# A worker looks for modules in the workspace first, whose folders are called as our packages are: these it inherits.
_INHERITED: Final = (activation, consent, identity, infra, ingestion, profiles)
# To a worker that is about to be ended; one that does not listen is not disturbed.
ENDING: Final = signal.SIGURG
_CONNECTIONS = 16_384
_FEWEST = 256
_OTHER_FILES = 512
_BACKLOG = 4_096
_HEADERS_WITHIN = 10_000  # milliseconds
_ENDS_WITHIN = 20  # seconds, from SIGTERM on
_ONE_WRITER = "the event log on this machine's disk has one writer, and a source of this workspace writes to it"


def follows(workspace: Workspace) -> bool:
    """Say whether stream workers belong to the server; a broken source keeps nobody from being served."""
    return workspace.settings.serving.online and bool(served(workspace))


def sends(workspace: Workspace) -> bool:
    """Say whether anybody is sent the change feed."""
    changes = workspace.settings.serving.changes
    return bool(changes.webhooks or changes.topics)


def serve(workspace: Path, host: str = "", port: int | None = None) -> None:
    """Serve a workspace until the process is told to end; where to listen, its settings say unless it is told."""
    # The worker inherits the folder; what is wrong with the workspace is said here, before it starts.
    opened = Workspace.open(workspace)
    workers = opened.settings.serving.workers
    if workers > 1 and not isinstance(opened.settings.log, KafkaSettings) and served(opened):
        raise ConfigurationError("kindred.yaml", None, "serving.workers", _ONE_WRITER, "use 1, or log: {type: kafka}")
    host = host or opened.settings.serving.host
    port = opened.settings.serving.port if port is None else port
    os.chdir(opened.root)
    with ExitStack() as beside:
        for number in range(opened.settings.serving.stream_workers if follows(opened) else 0):
            beside.enter_context(Alongside("api.stream.main", opened.root, str(number)))
        if sends(opened):
            beside.enter_context(Alongside("api.changes.main", opened.root))
        server("api.http.serve:application", host, port, Interfaces.RSGI, workers).serve()


def application() -> Any:
    """Return the application over the workspace in the working folder; a worker calls it.

    What is here by then stays, and hardly anything of it is garbage: to look for some while all is loaded takes a fifth
    of the start, and to look through it later longer than most answers.
    """
    gc.disable()
    try:
        root = importlib.import_module("api.http.main")  # only a worker needs it
        made = root.application()
        gc.freeze()
    finally:
        gc.enable()
    return made


def server(target: str, host: str, port: int, interface: Interfaces = Interfaces.ASGI, workers: int = 1) -> Granian:
    """Return a server of an application, given as `module:factory`, that idle connections do not fill.

    As many connections are let in as the system lets this process have, and one that sends no request is closed soon.
    A worker that dies is started again at once, unless it died right after its start.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(soft, min(hard, _CONNECTIONS + _OTHER_FILES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    made = Granian(
        target,
        address=host,
        port=port,
        interface=interface,
        factory=True,
        workers=workers,
        respawn_failed_workers=True,
        workers_kill_timeout=_ENDS_WITHIN,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=max(_FEWEST, min(_CONNECTIONS, files - _OTHER_FILES)),
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN),
        log_level=LogLevels.warning,
        log_access=False,
    )
    interrupted = made.signal_handler_interrupt

    def interrupt(*args: object) -> None:
        # It waits for every answer to come to its end, and a stream has none: the workers hear of it first.
        for child in multiprocessing.active_children():
            with suppress(OSError):
                os.kill(child.pid or 0, ENDING)
        interrupted(*args)

    made.signal_handler_interrupt = interrupt
    return made


def main(workspace: str, host: str, port: str) -> None:
    """Serve, or end with the sentence of what is wrong with the workspace; empty words stand for its settings."""
    try:
        serve(Path(workspace), host, int(port) if port else None)
    except KindredError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
