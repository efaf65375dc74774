"""A standalone cluster, a master and two workers in processes of their own, resolves as one machine does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark
DRIVER = Path(__file__).parents[2] / "support" / "far.py"


def test_a_cluster_resolves_as_one_machine_does(tmp_path: Path) -> None:
    from standalone import ROOT, cluster

    own, shared = tmp_path / "driver", tmp_path / "shared"
    own.mkdir()
    with cluster(tmp_path) as running:
        done = subprocess.run(
            [sys.executable, str(DRIVER), running.master, str(shared)],
            cwd=own,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(own)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads((own / "told.json").read_text())
    # two executors, each in a folder of its own, neither of which has what the driver keeps for itself
    assert [sum(place.startswith(str(worker)) for place in told["places"]) for worker in running.workers] == [1, 1]
    assert told["scratch"]
    assert not told["scratch_seen"]
    assert told["differing"] == {"1": [], "2": []}
