"""The Python that docs/application.md shows is run as it stands there, against the sandbox it tells of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "application.md"


def test_the_fixture_and_the_test_of_the_page_pass_as_shown(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    fixture, shown = (next(one for one in blocks if word in one) for word in ("@pytest.fixture", "def test_"))
    (tmp_path / "conftest.py").write_text(fixture)
    (tmp_path / "test_shown.py").write_text(shown)
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
