"""The whole product as a stranger runs it: `make demo CHECK=1` at a small size, and what its lake's log may hold."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
KINDRED = [sys.executable, "-m", "api.cli.main"]
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "TZ": "Pacific/Auckland"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kindred(*arguments: str, expect: int = 0, seconds: int = 600) -> str:
    done = subprocess.run(
        [*KINDRED, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=seconds, check=False
    )
    assert done.returncode == expect, f"{arguments}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.mark.timeout(2700)
def test_the_demo_holds_every_act(demo: Path) -> None:
    told = kindred(
        "demo", "start", "--check", "--households", "20", "--port", str(free_port()), "-w", str(demo), seconds=2650
    )
    assert "every act holds" in told
    assert "does not hold" not in told
    for expected in ("consent funnel", "read", "precision", "recall"):
        assert expected in told
