"""A standalone cluster, a master and workers in processes of their own, resolves as one machine does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark
DRIVER = Path(__file__).parents[2] / "support" / "far.py"
# Baskets and their products would only take time.
SOURCES = ("consents", "crm", "loyalty", "newsletter", "webshop_accounts")


# By day one worker: it is a process, and sees nothing of the driver's, as any other. Each costs two JVMs that start cold.
@pytest.mark.parametrize("workers", [("ann",), pytest.param(("ann", "bob"), marks=pytest.mark.nightly)], ids=len)
def test_a_cluster_resolves_as_one_machine_does(tmp_path: Path, workers: tuple[str, ...]) -> None:
    from standalone import ROOT, cluster

    own, shared = tmp_path / "driver", tmp_path / "shared"
    own.mkdir()
    with cluster(tmp_path, workers) as running:
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
    # an executor for each, in a folder of its own, none of which has what the driver keeps for itself
    seen = [sum(place.startswith(str(worker)) for place in told["places"]) for worker in running.workers]
    assert seen == [1] * len(workers)
    assert told["scratch"]
    assert not told["scratch_seen"]
    assert told["differing"] == {"2": []}


@pytest.mark.nightly
def test_a_run_on_a_cluster_ends_as_one_on_one_machine(tmp_path: Path) -> None:
    from standalone import cluster

    from api.cli.demo_data import make_data
    from identity.engine.digest import state_digests
    from infra.workspace import Workspace

    here, there = tmp_path / "here", tmp_path / "there"
    make_data(here, 4)
    for source in (here / "sources").glob("*.yaml"):
        if source.stem not in SOURCES:
            source.unlink()
    for folder in ("audiences", "destinations"):
        shutil.rmtree(here / folder)
    shutil.copytree(here, there)
    run(here, {})
    with cluster(tmp_path / "cluster") as running:
        run(there, {"KINDRED_ENGINE__MASTER": running.master})
        assert all(any((worker / "work").glob("app-*/*")) for worker in running.workers)
    one, other = (state_digests(Workspace.open(root).lake_path) for root in (here, there))
    assert one == other
    assert all(not digest.startswith("0:") for name, digest in one.items() if name != "profile_alias")


def run(root: Path, environ: dict[str, str]) -> None:
    """Run the whole product on a workspace, as its users would, and end its job runner."""
    from api.cli.acts import end_runner
    from api.cli.world import open_world

    try:
        done = subprocess.run(
            [sys.executable, "-m", "api.cli.main", "run", "-w", str(root)],
            env={**os.environ, "KINDRED_ENGINE__SHUFFLE_PARTITIONS": "2", **environ},
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
    finally:
        world = open_world(root)
        end_runner(world)
        world.database.dispose()
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
