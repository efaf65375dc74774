"""The composition root of the stream worker: a workspace in, served profiles kept up to date until it is told to end.

Run as `python -m api.stream.main WORKSPACE [WORKER]`, which is what `kindred serve` does: worker 0, and where
`serving.stream_workers` says so 1 and so on. It ends with its parent.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

import consent.store
import infra.runs
import ingestion.store
from api.http.alongside import told_to_end
from api.http.following import status_name
from api.http.told import Lookout, open_teller
from api.http.wiring import Denied
from consent import officer
from identity.config import load_identity
from identity.online import state
from infra import journal
from infra.clock import Clock, system_clock
from infra.database import open_database
from infra.errors import Missing
from infra.keyvalue import LmdbStore
from infra.serving.store import Live
from infra.workspace import Workspace
from profiles.changefeed.store import METADATA as CHANGES
from profiles.history.store import METADATA as HISTORY
from profiles.online.opened import Ledger, Log, Opened, state_folder
from profiles.online.places import FOLDER as STATE
from profiles.online.shares import Shares
from profiles.online.telling import Telling
from profiles.online.turns import Turns
from profiles.online.worker import Worker
from profiles.serving import serving_store

_TOLD_EVERY: Final = 1.0


def open_worker(workspace: Workspace, shares: Shares, clock: Clock = system_clock) -> Worker:
    """Return a worker of a workspace; it opens what is published when it takes its first step."""
    tables = (consent.store.METADATA, ingestion.store.METADATA, infra.runs.METADATA, CHANGES, HISTORY)
    database = open_database(workspace, *tables)
    desk = officer.Desk.open(workspace, database)
    words, denials = Ledger(desk, clock), Denied(desk.overlay)
    pa.array(["", None], pa.string())  # what this loads the first time is loaded before the first event waits for it
    log = Log.of(workspace, database, clock)

    def opener(name: str) -> Opened:
        folder = state_folder(workspace, name)
        with closing(Turns(workspace.state_path / STATE)) as turns, turns.answering():
            if not _whole(folder):
                # A publication has built it, mostly; what builds it takes long to load.
                from identity.online import build  # noqa: PLC0415

                build.build_from_lake(folder, workspace.lake_path, load_identity(workspace))
        return Opened(workspace, log, name, folder, words, denials)

    feed, look = open_teller(workspace, database, desk.overlay, clock)
    lookout = Lookout(look, clock)

    def tell(live: Live) -> int:
        lookout.take(live.name)
        with closing(Turns(workspace.state_path / STATE)) as turns:
            return feed.tell_outbox(live, turns.serving)

    return Worker(serving_store(workspace), log, opener, clock, shares, Telling(tell))


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
    number: int = 0

    def tell(self, worker: Worker) -> None:
        """Write what the worker has done, and what stands in its way."""
        told = {
            "at": self.clock().isoformat(), "generation": worker.generation, "applied": worker.applied,
            "behind_seconds": round(worker.behind(), 3), "trouble": worker.ails, "waiting": dict(worker.waiting),
        }  # fmt: skip
        name = status_name(self.number)
        temporary = self.folder / f".{name}"
        temporary.write_text(json.dumps(told), encoding="utf-8")
        temporary.replace(self.folder / name)


def serve(workspace: Workspace, number: int = 0) -> None:
    """Follow the log until the process is told to end, or its parent has ended."""
    stop = told_to_end()
    folder = workspace.state_path / STATE
    with Shares(folder, number, workspace.settings.serving.stream_workers) as shares:
        worker, teller = open_worker(workspace, shares), Teller(folder, system_clock, number)
        threading.Thread(target=_tell, args=(worker, teller, stop), daemon=True).start()
        if worker.telling is not None:
            threading.Thread(target=worker.telling.run, args=(stop,), daemon=True).start()
        worker.run(stop)


def _tell(worker: Worker, teller: Teller, stop: threading.Event) -> None:
    while not stop.is_set():
        teller.tell(worker)
        stop.wait(_TOLD_EVERY)


if __name__ == "__main__":
    opened = Workspace.open(Path(sys.argv[1]))
    journal.configure(opened.settings.logs.format, sys.stderr)
    logging.getLogger("sqlglot").setLevel(logging.WARNING)  # it tells of each array that it reads
    logging.getLogger("kafka").setLevel(logging.WARNING)  # it tells of each connection
    serve(opened, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
