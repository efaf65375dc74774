"""Workspaces for the tests of activation."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.workspace import Workspace

WORKSPACE = "name: test\nseed: 7\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Workspace]:
    """Write a workspace's files, given as path=text, and open it."""

    def write(**files: str) -> Workspace:
        (tmp_path / "kindred.yaml").write_text(WORKSPACE)
        for name, text in files.items():
            folder, _, stem = name.partition("__")
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{stem}.yaml").write_text(text)
        return Workspace.open(tmp_path)

    return write
