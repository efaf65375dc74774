"""The demo as its visitor sees it: its server and its shop, both running, and a key for the console."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from javascript import packages

from api.cli.acts import load_cast
from api.cli.client import wait_until_ready

_KINDRED = (sys.executable, "-m", "api.cli.main")
_SDK = ("@segment", "analytics-next", "dist", "umd")


@dataclass(frozen=True, slots=True)
class Shown:
    """Where everything is, whom the console lets in, and who says yes to personalization."""

    shop: str
    console: str
    key: str = field(repr=False)
    willing: str = field(repr=False)


@contextmanager
def shown(demo: Path, port: int) -> Iterator[Shown]:
    """Serve a demo that has run, with `kindred serve` and `kindred demo shop`, as long as the `with` lasts."""
    scopes = ("console", "profile:read", "consent:read")
    made = subprocess.run(
        [*_KINDRED, "keys", "create", "-w", str(demo), "--name", "look", "--purpose", "personalization",
         *(word for scope in scopes for word in ("--scope", scope))],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = re.search(r"kd_\S+", made.stdout)
    assert found, made.stdout
    base, beside = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 20}"
    sdk = str(packages().joinpath(*_SDK))
    with (
        _running(base, "/readyz?part=profiles", "serve", "-w", str(demo), "--port", str(port)),
        _running(beside, "/", "demo", "shop", "-w", str(demo), "--port", str(port), "--sdk", sdk),
    ):
        yield Shown(beside, base, found[0], load_cast(demo)["three_views"]["lookup"]["value"])


@contextmanager
def _running(base: str, path: str, *words: str) -> Iterator[None]:
    process = subprocess.Popen([*_KINDRED, *words], stdin=subprocess.DEVNULL)
    try:
        wait_until_ready(base, 60, path)
        yield
    finally:
        process.terminate()
        process.wait(60)
