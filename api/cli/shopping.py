"""The demo's shop: an application of its own beside the server, with keys that see no more than they must."""

import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import api.demo.apps
from api.cli.client import wait_until_ready
from api.cli.world import World
from api.http import keys
from infra.clock import system_clock

_LOG: Final = "shop.log"
_SOURCE: Final = "live"
_PURPOSE: Final = "personalization"
_A_DAY: Final = timedelta(days=1)
_READS: Final = frozenset({"profile:read", "decide"})
_WRITES: Final = frozenset({"consent:read", "consent:write"})


@contextmanager
def opened_shop(world: World, server: str, port: int, sdk: str | None) -> Iterator[str]:
    """Run the shop over a server as long as the `with` lasts, and yield its address.

    `sdk` is the folder of an SDK's files for browsers; without one the page tells the collector by lines of its own.
    """
    address = f"http://127.0.0.1:{port}"
    with (world.workspace.state_path / _LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "shop.py", str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=Path(api.demo.apps.__file__).parent, env=_environment(world, server, sdk),
        )  # fmt: skip
    try:
        wait_until_ready(address, 60, "/", _LOG)
        yield address
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


def _environment(world: World, server: str, sdk: str | None) -> dict[str, str]:
    # The secrets of the workspace are not for an application.
    ours = {name: value for name, value in world.workspace.environ.items() if not name.startswith("KINDRED_")}
    used = {"KINDRED_SDK": str(Path(sdk).resolve())} if sdk else {}
    return {
        **ours, **used, "KINDRED_URL": server, "KINDRED_CONSOLE": server,
        "KINDRED_READ_KEY": _key(world, _READS, _PURPOSE),
        "KINDRED_CONSENT_KEY": _key(world, _WRITES, _PURPOSE),
        "KINDRED_WRITE_KEY": _key(world, {"events:write"}, source=_SOURCE),
    }  # fmt: skip


def _key(world: World, scopes: Collection[str], *purposes: str, source: str | None = None) -> str:
    """Return a new key that outlives no day of showing around."""
    at = system_clock()
    return keys.create_key(
        world.database, name="shop", scopes=scopes, purposes=purposes, source=source, at=at, expires_at=at + _A_DAY
    )
