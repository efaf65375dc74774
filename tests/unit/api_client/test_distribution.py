"""The client is a distribution of its own: its files, `httpx`, and nothing else of ours."""

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import kindred_client

ROOT = Path(__file__).parents[3]
HOME = ROOT / "api" / "client"
FILES = sorted((HOME / "src" / "kindred_client").glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_imports_the_standard_library_and_httpx_alone(path: Path) -> None:
    """An import of ours would pull Spark and seven packages into an application's environment."""
    wanted = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert wanted - set(sys.stdlib_module_names) <= {"httpx", "kindred_client"}


def test_its_face_is_what_it_says() -> None:
    assert kindred_client.__all__ == sorted(kindred_client.__all__)
    assert all(hasattr(kindred_client, name) for name in kindred_client.__all__)


def test_the_wheel_holds_its_own_files_and_asks_for_httpx(tmp_path: Path) -> None:
    """Built with what the environment has; nothing is fetched."""
    place = shutil.copytree(HOME, tmp_path / "client", ignore=shutil.ignore_patterns("*.egg-info", "typescript"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q"]
    done = subprocess.run([*command, "-w", tmp_path, place], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("kindred_client-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
        (about,) = (name for name in packed.namelist() if name.endswith("/METADATA"))
        told = Parser().parsestr(packed.read(about).decode())
    assert names == {f"kindred_client/{path.name}" for path in FILES} | {"kindred_client/py.typed"}
    declared = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    assert told.get_all("Requires-Dist") == ["httpx<0.29,>=0.27"]
    assert (told["Name"], told["Version"]) == ("kindred-client", declared["version"])
    # In an environment that holds the wheel and httpx alone it can be imported.
    program = "import sys; sys.path.insert(0, sys.argv[1]); import kindred_client as k; print(k.Kindred.__module__)"
    told_ = subprocess.run(
        [sys.executable, "-c", program, str(wheel)], capture_output=True, text=True, timeout=60, check=False
    )
    assert told_.stdout.strip() == "kindred_client.client", told_.stderr
