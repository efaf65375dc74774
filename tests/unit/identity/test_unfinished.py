"""What runs leave behind that did not come to their end, and what they may not go on with."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from identity.errors import OtherRules
from identity.unfinished import work_folder

RULES = {"inputs_digest": "a", "settings_digest": "b"}


def run(root: Path, number: int) -> Any:
    return SimpleNamespace(workspace=SimpleNamespace(state_path=root), run=SimpleNamespace(number=number))


def test_rows_that_a_dead_run_worked_out_go_with_the_next(tmp_path: Path) -> None:
    left = work_folder(run(tmp_path, 3), RULES)
    (left / "resolvable").mkdir()
    (left.parent / "spark").mkdir()
    mine = work_folder(run(tmp_path, 4), RULES)
    assert [path.name for path in sorted(mine.parent.iterdir())] == ["resolve-4", "spark"]


def test_a_run_goes_on_by_the_rules_that_it_began_by(tmp_path: Path) -> None:
    began = work_folder(run(tmp_path, 3), RULES)
    (began / "fresh").mkdir()
    assert work_folder(run(tmp_path, 3), dict(RULES)) == began
    assert (began / "fresh").exists()
    with pytest.raises(OtherRules, match="run 3 began by another policy"):
        work_folder(run(tmp_path, 3), {**RULES, "inputs_digest": "c"})
    assert work_folder(run(tmp_path, 4), {**RULES, "inputs_digest": "c"}).name == "resolve-4"
