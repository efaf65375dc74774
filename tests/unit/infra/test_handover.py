"""A command gives up over a run whose runners die, says where to look, and the run stays to be gone on with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra import runs
from infra.database import open_database
from infra.errors import Broken
from infra.handover import RunnerEnded, follow
from infra.runs import Runs
from infra.workspace import Workspace

# A runner that takes the run up, as any does, and dies over it.
DIES = """
import sys, sqlite3
with sqlite3.connect(sys.argv[1] + "/state/kindred.db") as database:
    database.execute("INSERT INTO run_taken_up (run_id, at) SELECT id, '2026-11-01 00:00:00.000000' FROM run")
sys.exit(9)
"""


@pytest.fixture
def dying(tmp_path: Path) -> Iterator[tuple[Workspace, Runs]]:
    """Return a workspace whose runners die at once, and its runs."""
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    (tmp_path / "stub" / "infra").mkdir(parents=True)
    (tmp_path / "stub" / "infra" / "__init__.py").touch()
    (tmp_path / "stub" / "infra" / "runner.py").write_text(DIES)
    workspace = Workspace.open(tmp_path)
    database = open_database(workspace, runs.METADATA)
    environ = {**workspace.environ, "PYTHONPATH": str(tmp_path / "stub")}
    yield replace(workspace, environ=environ), Runs(database, lambda: datetime(2026, 11, 1, tzinfo=UTC))
    database.dispose()


def test_after_four_deaths_nobody_waits_any_longer(dying: tuple[Workspace, Runs]) -> None:
    workspace, book = dying
    run_id = book.submit("ingest", {})
    with pytest.raises(RunnerEnded, match=r"ended 4 times .* state/runner\.log") as ended:
        follow(workspace, book, run_id, print)
    assert ended.value.exit_code == Broken.exit_code
    assert book.taken_up(run_id) == 4
    assert book.get(run_id).status == "queued"
    assert book.submit("ingest", {}) == run_id
