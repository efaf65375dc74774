"""The whole product as a stranger runs it: `make demo CHECK=1` at a small size, and what its lake's log may hold."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
KINDRED = [sys.executable, "-m", "api.cli.main"]
# Spark broadcasts tables of up to 10 MB of its own accord and gathers them on the driver for that; a guard that lets
# them pass and little else. A job that gathers rows of people fails here and not at a customer's, and ten times the
# households must do with the same driver.
ENGINE = {"KINDRED_ENGINE__MAX_RESULT_SIZE": "16m", "KINDRED_ENGINE__DRIVER_MEMORY": "1g"}
ENVIRONMENT = {**os.environ, **ENGINE, "COLUMNS": "200", "TZ": "Pacific/Auckland"}


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


def start(demo: Path, acts: str, seconds: int, households: int = 20) -> str:
    options = ("--households", str(households), "--port", str(free_port()), "--acts", acts, "-w", str(demo))
    told = kindred("demo", "start", "--check", *options, seconds=seconds)
    assert "every act holds" in told
    assert "does not hold" not in told
    return told


@pytest.mark.timeout(1500)
def test_a_stranger_runs_the_demo(demo: Path) -> None:
    told = start(demo, "ab", 1400)
    for expected in ("consent at build", "quarantined", "precision", "recall", "what it costs"):
        assert expected in told
    assert "0 findings" in kindred("leaks", "-w", str(demo))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_demo_holds_every_act(demo: Path) -> None:
    start(demo, "abcdefg", 3500)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_ten_times_the_households_need_no_larger_driver(tmp_path: Path) -> None:
    start(tmp_path / "demo", "ab", 3500, households=200)
