"""The demo as its visitor sees it: its server and its shop, both running, and a key for the console."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from javascript import packages

from api.cli.acts import load_cast
from api.cli.client import Client, wait_until_ready
from api.cli.world import open_world
from api.http import keys
from consent.config import load_policy
from infra.clock import system_clock

_KINDRED = (sys.executable, "-m", "api.cli.main")
_SCOPES = frozenset({"console", "profile:read", "consent:read"})
_SDK = ("@segment", "analytics-next", "dist", "umd")


@dataclass(frozen=True, slots=True)
class Shown:
    """Where everything is, who reads it, whom the console lets in, and who says yes to personalization."""

    shop: str
    console: str
    reader: Client
    key: str = field(repr=False)
    willing: str = field(repr=False)


@contextmanager
def shown(demo: Path, port: int) -> Iterator[Shown]:
    """Serve a demo that has run, with `kindred serve` and `kindred demo shop`, as long as the `with` lasts."""
    world = open_world(demo)
    purposes = tuple(load_policy(world.workspace).purposes)
    key = keys.create_key(
        world.database,
        name="look",
        scopes=_SCOPES,
        purposes=purposes,
        at=system_clock(),
        people_per_day=1_000_000,
        rate=100_000,
    )
    base, beside = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 20}"
    sdk = str(packages().joinpath(*_SDK))
    with (
        _running(base, "/readyz?part=profiles", "serve", "-w", str(demo), "--port", str(port)),
        _running(beside, "/", "demo", "shop", "-w", str(demo), "--port", str(port), "--sdk", sdk),
    ):
        yield Shown(beside, base, Client(base, key), key, load_cast(demo)["three_views"]["lookup"]["value"])


@contextmanager
def _running(base: str, path: str, *words: str) -> Iterator[None]:
    process = subprocess.Popen([*_KINDRED, *words], stdin=subprocess.DEVNULL)
    try:
        wait_until_ready(base, 60, path)
        yield
    finally:
        process.terminate()
        process.wait(60)
