"""A server's start: what it loads, what it costs, that it answers at once, and what it says when it cannot."""

import gc
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from serving_world import profile_id, world

from api.http.serve import application
from infra.errors import Missing

PEOPLE = 1_000
# What answering a read, keeping a word or taking an event in does without. Each takes a tenth of a second or more.
HEAVY = (
    *("pyspark", "delta", "splink", "duckdb", "pandas", "presidio_analyzer", "spacy", "sqlglot", "alembic", "kafka"),
    *("redis", "psycopg", "tldextract", "requests", "urllib3", "openlineage", "typer", "rich", "fsspec", "rapidfuzz"),
)
SERVE = [sys.executable, "-m", "api.cli.entry", "serve"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("start")
    return root, world(root, PEOPLE)


@contextmanager
def started(root: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Start a server as `kindred serve` does, with its bytecode kept as an installed package has it."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"PYTHONPYCACHEPREFIX": str(root / "compiled"), "KINDRED_SERVING__ERASE": "false"}
    log = (root / "server.log").open("ab")
    command = [*SERVE, "--workspace", str(root), "--port", str(port)]
    process = subprocess.Popen(command, cwd="/", env=environ, stdout=log, stderr=log)
    try:
        for _ in range(6_000):
            assert process.poll() is None, (root / "server.log").read_text()
            if asked(port, "/readyz")[0] == 200:
                break
            time.sleep(0.02)
        yield port, process
    finally:
        process.terminate()
        process.wait(timeout=60)
        log.close()


def asked(port: int, path: str, key: str = "none") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"authorization": f"Bearer {key}"})
    with suppress(ConnectionError, TimeoutError):
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own address
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except urllib.error.URLError:
            pass
    return 0, b""


def cpu_seconds(process: int) -> float:
    """Return what a process and its children have spent, those that were started a moment ago included."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent + sum(cpu_seconds(int(child)) for child in children)


def test_it_is_ready_when_it_can_answer_and_soon(place: tuple[Path, str]) -> None:
    root, key = place
    for _ in range(2):  # the second finds everything compiled
        with started(root) as (port, process):
            status, body = asked(port, f"/v1/profiles/{profile_id(7)}?purpose=service", key)
            spent = cpu_seconds(process.pid)
        assert status == 200, body
        assert b"given_name 7" in body
    # A quiet machine waits less than two seconds for it (docs/operations.md); here others have the cores too.
    assert spent < 3.0


def test_nothing_that_only_some_need_is_loaded(place: tuple[Path, str]) -> None:
    program = (
        "import sys; sys.path.remove(''); from api.http.serve import application; application();"
        f"print(sorted({set(HEAVY)} & set(sys.modules)), 'opentelemetry.sdk' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place[0], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[] False"


def test_what_is_wrong_with_the_workspace_is_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SERVE, "-w", str(tmp_path)], capture_output=True, text=True, check=False, timeout=120, cwd="/"
    )
    assert done.returncode == 3
    assert done.stderr.startswith("Missing: no kindred.yaml in ")
    assert "Traceback" not in done.stderr


def test_the_whole_command_line_has_it_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "serve", "--help"],
        capture_output=True, text=True, check=False, timeout=120, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0
    assert "--port" in done.stdout


def test_a_start_that_fails_leaves_the_collector_of_garbage_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Missing, match="kindred init"):
        application()
    assert gc.isenabled()
