"""The process that serves: a server and its workers, and the stream worker beside them.

Run as `python -m api.http.serve WORKSPACE HOST PORT`, which is what `kindred serve` does. Each worker is started in
the workspace's folder and opens what it finds there (`api.http.main`), so nothing is handed over but the place; and
this process loads nothing that only a worker needs.
"""

import os
import resource
import sys
from contextlib import nullcontext
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from api.http.alongside import Alongside
from api.http.collector.sources import served
from infra.errors import ConfigurationError
from infra.settings import KafkaSettings
from infra.workspace import Workspace

_CONNECTIONS = 16_384
_FEWEST = 256
_OTHER_FILES = 512
_BACKLOG = 4_096
_HEADERS_WITHIN = 10_000  # milliseconds
_ENDS_WITHIN = 20  # seconds, from SIGTERM on
_ONE_WRITER = "the event log on this machine's disk has one writer, and a source of this workspace writes to it"


def follows(workspace: Workspace) -> bool:
    """Say whether a stream worker belongs to the server; a broken source keeps nobody from being served."""
    settings = workspace.settings
    return settings.serving.online and not isinstance(settings.log, KafkaSettings) and bool(served(workspace))


def serve(workspace: Path, host: str, port: int) -> None:
    """Serve a workspace until the process is told to end."""
    # The worker inherits the folder; what is wrong with the workspace is said here, before it starts.
    opened = Workspace.open(workspace)
    workers = opened.settings.serving.workers
    if workers > 1 and not isinstance(opened.settings.log, KafkaSettings) and served(opened):
        raise ConfigurationError("kindred.yaml", None, "serving.workers", _ONE_WRITER, "use 1, or log: {type: kafka}")
    os.chdir(opened.root)
    with Alongside("api.stream.main", opened.root) if follows(opened) else nullcontext():
        server("api.http.main:application", host, port, Interfaces.RSGI, workers).serve()


def server(target: str, host: str, port: int, interface: Interfaces = Interfaces.ASGI, workers: int = 1) -> Granian:
    """Return a server of an application, given as `module:factory`, that idle connections do not fill.

    As many connections are let in as the system lets this process have, and one that sends no request is closed soon.
    A worker that dies is started again at once, unless it died right after its start.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(soft, min(hard, _CONNECTIONS + _OTHER_FILES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return Granian(
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


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
