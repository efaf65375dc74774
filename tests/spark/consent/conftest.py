"""The shipped policy as a workspace."""

import shutil
from pathlib import Path

import pytest

from infra.workspace import Workspace

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace" / "consent"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root / "consent")
    (root / "kindred.yaml").write_text("name: shop\nseed: 7\n", encoding="utf-8")
    return Workspace.open(root)
