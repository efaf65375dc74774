"""kill -9 of the process that writes the spool, at each named step (fault F1): what it acknowledged is there, once."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from spool_child import STEPS
from spool_world import read_sealed

from infra.log.folder import recover

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SEEDS = range(100) if NIGHTLY else range(2)
ROOT = Path(__file__).parents[3]


def killed(spool: Path, step: str, count: int, start: int) -> list[str]:
    """Run a collector until it kills itself and return the names that it acknowledged."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "spool_child.py"), str(spool), step, str(count), str(start)],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    return done.stdout.decode().split()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_acknowledged_is_there_once_and_in_order(tmp_path: Path, step: str, seed: int) -> None:
    chance = random.Random(f"{step}{seed}")  # noqa: S311 - a seed, no secret
    acked: list[str] = []
    for start in range(2):  # the second finds what the first left
        most = 20 if step == "rename" else 200
        acked += killed(tmp_path, step, chance.randint(1, most), start)
    assert recover(tmp_path) is not None
    found = [json.loads(body) for body in read_sealed(tmp_path / "web")]
    names = [f"{one['m']}/{one['half']}" for one in found]
    assert len(names) == len(set(names))
    assert {f"{name}/{half}" for name in acked for half in (0, 1)} <= set(names)
    by_sender: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in found:
        start, sender, number = one["m"].split(".")
        by_sender[f"{start}.{sender}"].append((int(number), one["half"]))
    assert all(numbers == sorted(numbers) for numbers in by_sender.values())
