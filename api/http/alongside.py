"""A process beside the server: started with it, started again when it dies, ended with it; seen from both sides."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

LOG = logging.getLogger("kindred.http")
# One that cannot live is started again ever more seldom; one that lived a while, at once.
_PAUSE: Final = 1.0
_LONGEST: Final = 60.0
_ENDS_WITHIN: Final = 10.0
# How often such a process looks whether its server is still there.
_LOOKED_EVERY: Final = 1.0


class Alongside:
    """One module of ours, run over a workspace as long as the `with` lasts."""

    def __init__(self, module: str, workspace: Path, *words: str) -> None:
        self._command = [sys.executable, "-m", module, str(workspace), *words]
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = threading.Thread(target=self._run, name=module, daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        process = self._process
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_WITHIN)
            process.kill()
        self._watch.join(_ENDS_WITHIN)

    def _run(self) -> None:
        pause = _PAUSE / 2
        while not self._stop.is_set():
            begun = time.monotonic()
            # Not in the workspace, whose folders are called as our packages are.
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, cwd="/")  # noqa: S603 - our own
            if self._stop.is_set():  # ended in this moment: nobody else will end it
                self._process.terminate()
            code = self._process.wait()
            if not self._stop.is_set():
                pause = min(_LONGEST, pause * 2 if time.monotonic() - begun < _LONGEST else _PAUSE)
                LOG.warning("the process beside the server ended (%d); it is started again in %.0f s", code, pause)
                self._stop.wait(pause)


def told_to_end() -> threading.Event:
    """Return what is set when this process is to end: by a signal, or because its server ended without one."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_end_with_parent, args=(os.getppid(), stop), daemon=True).start()
    return stop


def _end_with_parent(parent: int, stop: threading.Event) -> None:
    while not stop.wait(_LOOKED_EVERY):
        if os.getppid() != parent:
            stop.set()
