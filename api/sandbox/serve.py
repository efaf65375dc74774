"""A sandbox served in this process, on loopback alone, until somebody ends it; its folder goes with it."""

import asyncio
import signal
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from api.http.app import create_app
from api.sandbox.world import opened, prepared
from infra.clock import Clock
from infra.errors import Unavailable

HOST: Final = "127.0.0.1"
_READY_WITHIN: Final = 30.0

Tell = Callable[[dict[str, Any]], None]


def run(*, port: int, people: int, seed: int, clock: Clock, tell: Tell) -> None:
    """Serve until SIGINT or SIGTERM; `tell` is called once, when the server answers."""
    port = _free(port)
    with tempfile.TemporaryDirectory(prefix="kindred-sandbox-") as folder:
        made = prepared(Path(folder) / "workspace", seed=seed, people=people, now=clock())
        made, world = opened(made, seed=seed, clock=clock)
        try:
            ready = partial(tell, made.facts(f"http://{HOST}:{port}"))
            asyncio.run(_served(create_app(world), port, ready, world.changes.close if world.changes else lambda: None))
        finally:
            world.database.dispose()


async def _served(app: Any, port: int, ready: Callable[[], None], closing: Callable[[], None]) -> None:
    # It warns on standard output that it is experimental; our own server of long standing is a process of its own.
    server = Server(
        app, address=HOST, port=port, interface=Interfaces.ASGI, websockets=False, log_level=LogLevels.error
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        closing()  # it waits for every answer to come to its end, and a stream of changes has none
        server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.wait_for(_answers(port, serving), _READY_WITHIN)
        ready()
        await serving
    finally:
        server.stop()
        await asyncio.gather(serving, return_exceptions=True)


async def _answers(port: int, serving: "asyncio.Task[None]") -> None:
    while True:
        if serving.done():
            raise Unavailable(f"the sandbox's server ended before it listened on port {port}")
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        await writer.wait_closed()
        return


def _free(port: int) -> int:
    """Return a port that is nobody's: the server itself would share one with another server, and nobody would see."""
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((HOST, port))
        except OSError as error:
            why = (error.strerror or "input or output error").lower()
            raise Unavailable(f"the sandbox cannot listen on port {port}: {why}; name another one, or none") from None
        return int(asked.getsockname()[1])
