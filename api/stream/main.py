"""The composition root of the stream worker: a workspace in, served profiles kept up to date until it is told to end.

Run as `python -m api.stream.main WORKSPACE`, which is what `kindred serve` does. It ends with its parent.
"""

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

import consent.store
import infra.runs
import ingestion.store
from api.http.following import STATUS
from api.http.wiring import Denied
from consent import officer
from identity.config import load_identity
from identity.online import state
from infra import journal
from infra.clock import Clock, system_clock
from infra.database import open_database
from infra.errors import Missing
from infra.keyvalue import LmdbStore
from infra.workspace import Workspace
from profiles.online.opened import Ledger, Log, Opened, state_folder
from profiles.online.places import FOLDER as STATE
from profiles.online.worker import OnlyOne, Worker
from profiles.serving import serving_store

_TOLD_EVERY: Final = 1.0


def open_worker(workspace: Workspace, clock: Clock = system_clock) -> Worker:
    """Return the worker of a workspace; it opens what is published when it takes its first step."""
    database = open_database(workspace, consent.store.METADATA, ingestion.store.METADATA, infra.runs.METADATA)
    desk = officer.Desk.open(workspace, database)
    words, denials = Ledger(desk, clock), Denied(desk.overlay)
    pa.array(["", None], pa.string())  # what this loads the first time is loaded before the first event waits for it
    log = Log.of(workspace, database, clock)

    def opener(name: str) -> Opened:
        folder = state_folder(workspace, name)
        if not _whole(folder):
            # A publication has built it, mostly; what builds it takes long to load.
            from identity.online import build  # noqa: PLC0415

            build.build_from_lake(folder, workspace.lake_path, load_identity(workspace))
        return Opened(workspace, log, name, folder, words, denials)

    return Worker(serving_store(workspace), log, opener, clock)


def _whole(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    store = LmdbStore(folder, durable=False)
    try:
        state.about(store)
    except Missing:
        return False
    finally:
        store.close()
    return True


@dataclass(slots=True)
class Teller:
    """Says once a second how the worker is, in a file that the server's readiness reads."""

    folder: Path
    clock: Callable[[], datetime]

    def tell(self, worker: Worker) -> None:
        """Write what the worker has done, and what stands in its way."""
        told = {
            "at": self.clock().isoformat(), "generation": worker.generation, "applied": worker.applied,
            "behind_seconds": round(worker.behind(), 3), "trouble": worker.trouble,
        }  # fmt: skip
        temporary = self.folder / f".{STATUS}"
        temporary.write_text(json.dumps(told), encoding="utf-8")
        temporary.replace(self.folder / STATUS)


def serve(workspace: Workspace) -> None:
    """Follow the log until the process is told to end, or its parent has ended."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_end_with_parent, args=(os.getppid(), stop), daemon=True).start()
    folder = workspace.state_path / STATE
    with OnlyOne(folder):
        worker, teller = open_worker(workspace), Teller(folder, system_clock)
        threading.Thread(target=_tell, args=(worker, teller, stop), daemon=True).start()
        worker.run(stop)


def _tell(worker: Worker, teller: Teller, stop: threading.Event) -> None:
    while not stop.is_set():
        teller.tell(worker)
        stop.wait(_TOLD_EVERY)


def _end_with_parent(parent: int, stop: threading.Event) -> None:
    while not stop.wait(_TOLD_EVERY):
        if os.getppid() != parent:
            stop.set()


if __name__ == "__main__":
    opened = Workspace.open(Path(sys.argv[1]))
    journal.configure(opened.settings.logs.format, sys.stderr)
    logging.getLogger("sqlglot").setLevel(logging.WARNING)  # it tells of each array that it reads
    serve(opened)
