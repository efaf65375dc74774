"""A Spark cluster of processes on this machine: a master and its workers, each with folders of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

HOME = Path(pyspark.__file__).parent
ROOT = Path(__file__).parents[2]
WORKERS = ("ann", "bob")
_ADDRESS = re.compile(r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """A cluster that listens on the loopback, and the folder of each worker, where its executors live."""

    master: str
    workers: tuple[Path, ...]


def environment(own: Path) -> Mapping[str, str]:
    """Return the environment of a process of the cluster: all that it writes for itself lies in its own folder.

    Its Python is that of the tests, and finds the code by its path, as an installed wheel would be found.
    """
    own.mkdir(parents=True)
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(own),
        "TMPDIR": str(own),
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(own / "local"),
        "SPARK_DAEMON_MEMORY": "256m",
        # of the executors too, whose lives are short and whose plans are many
        "JAVA_TOOL_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }


@contextmanager
def cluster(folder: Path, workers: Sequence[str] = WORKERS) -> Iterator[Cluster]:
    """Return a cluster whose logs and work lie in `folder`; it ends with the context, process by process."""
    started: list[subprocess.Popen[bytes]] = []
    own = tuple(folder / name for name in workers)
    try:
        ports = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        log = _start(started, folder / "master", "master.Master", *ports)
        address = _told(log, _ADDRESS, started)
        size = ("--cores", "1", "--memory", "1g")
        logs = [
            _start(started, place, "worker.Worker", *ports, *size, "--work-dir", str(place / "work"), address)
            for place in own
        ]
        for one in logs:
            _told(one, re.compile("(Successfully registered) with master"), started)
        yield Cluster(address, own)
    finally:
        # the workers first: they end their executors
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(started: list["subprocess.Popen[bytes]"], own: Path, deployed: str, *arguments: str) -> Path:
    """Start a process of Spark's; return the file that it logs to."""
    environ = environment(own)
    log = own / "log"
    with log.open("wb") as file:
        command = [str(HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{deployed}", *arguments]
        started.append(subprocess.Popen(command, env=environ, cwd=own, stdout=file, stderr=subprocess.STDOUT))
    return log


def _told(log: Path, wanted: re.Pattern[str], started: list["subprocess.Popen[bytes]"]) -> str:
    """Return what a process says of itself, once it has said it."""
    deadline = time.monotonic() + _SECONDS
    while True:
        text = log.read_text(errors="replace")
        found = wanted.search(text)
        if found:
            return found[1]
        assert all(process.poll() is None for process in started), text[-2000:]
        assert time.monotonic() < deadline, text[-2000:]
        time.sleep(0.1)
