"""A real server over a workspace with a collector source, in a process of its own, and what its log holds."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.http.keys import create_key
from api.http.store import METADATA
from infra.database import open_database
from infra.log.segments import Damage, read_lines
from ingestion.collector.entry import merged, unfolded

ROOT = Path(__file__).parents[2]
KEY = "a-key-of-tests-that-guards-nothing-at-all"
TEMPLATES = ROOT / "api" / "templates" / "workspace"
SERVE = (
    "from api.http.serve import server; from granian.constants import Interfaces;"
    "server('collector_app:application', '127.0.0.1', {port}, Interfaces.RSGI).serve()"
)


@dataclass
class Served:
    """A running server: where it is, its write key, and the process."""

    root: Path
    port: int
    key: str
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        asked = urllib.request.Request(self.url + path, body, headers)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def kill(self) -> None:
        """Kill the server with its workers, so that nobody closes anything."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (str(pid), *children):
            os.kill(int(one), 9)
        self.process.wait(timeout=10)

    def restart(self) -> None:
        """Start it again at the same place."""
        self.process = started(self.root, self.port, "")

    def end(self) -> list[dict[str, Any]]:
        """End the server as an operator would and return the events of its log, as readers see them."""
        self.process.terminate()
        self.process.wait(timeout=30)
        return logged(self.root)


def logged(root: Path) -> list[dict[str, Any]]:
    """Return the events of a workspace's log, in order."""
    found: list[dict[str, Any]] = []
    for segment in sorted((root / "state" / "spool" / "web").glob("*.ndjson")):
        with segment.open("rb") as lines:
            for body in read_lines(lines):
                assert not isinstance(body, Damage)
                found += map(merged, unfolded(body))
    return found


def workspace(root: Path) -> str:
    """Make a fresh workspace, where nothing was ever published, with a collector source; return its write key."""
    shutil.copytree(TEMPLATES, root)
    page = root / "kindred.yaml"
    page.write_text(page.read_text().replace("NAME", "web"))
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={KEY}\n")
    (root / "sources" / "web.yaml").write_text("source: web\nconnector: {type: collector}\nrecord: event\n")
    (root / "state").mkdir(exist_ok=True)
    database = open_database(f"sqlite:///{root}/state/kindred.db", METADATA)
    at = datetime(2026, 11, 22, tzinfo=UTC)
    key = create_key(database, name="web", scopes={"events:write"}, purposes=(), source="web", at=at)
    database.dispose()
    return key


def started(root: Path, port: int, first: str) -> "subprocess.Popen[bytes]":
    """Start the server and return its process once it answers."""
    paths = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    environ = {**os.environ, "PYTHONPATH": paths, "FIRST": first}
    command = [sys.executable, "-c", SERVE.format(port=port)]
    with (root / "server.log").open("ab") as told:
        process = subprocess.Popen(command, env=environ, cwd=root, stdout=told, stderr=told)
    for _ in range(600):
        assert process.poll() is None, (root / "server.log").read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    return process


@contextmanager
def serving(root: Path, first: str = "") -> Iterator[Served]:
    """Serve a fresh workspace on a free port; `first` names how the log refuses its first appends."""
    key = workspace(root)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = Served(root, port, key, started(root, port, first))
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.process.terminate()
            served.process.wait(timeout=30)
