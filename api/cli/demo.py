"""The demo: the whole product on real baskets, then a tour in acts, one command each."""

import json
import shutil
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.acting import Stage
from api.cli.acts import ACTS, end_runner, load_cast
from api.cli.client import Client, wait_until_ready
from api.cli.console import OUT, reporting, say
from api.cli.demo_data import make_data
from api.cli.jobs import hand_over
from api.cli.scaffold import validate
from api.cli.shopping import opened_shop
from api.cli.world import World, open_world
from api.http import keys
from infra.clock import system_clock
from infra.errors import Missing

app = typer.Typer(no_args_is_help=True)

_FIRST = 200
# The shop's port, counted from the server's.
_BESIDE = 20
WorkspaceOption = Annotated[Path, typer.Option("--workspace", "-w", help="Where the demo lives.")]
SdkOption = Annotated[
    str | None,
    typer.Option(envvar="KINDRED_SDK", help="The folder dist/umd of @segment/analytics-next, for the shop's pages."),
]


@app.command()
def start(
    workspace: WorkspaceOption = Path("demo"),
    households: Annotated[int | None, typer.Option(help="How many of the 2,469 households; all by default.")] = None,
    port: Annotated[int, typer.Option(help="Where the server listens, on loopback.")] = 8460,
    check: Annotated[bool, typer.Option("--check", help="Assert the acts, then stop.")] = False,
    acts: Annotated[str, typer.Option(help="Which acts to check.")] = "".join(ACTS),
    sdk: SdkOption = None,
) -> None:
    """Make the data, run everything, serve it, and tour it; the server stays up until Ctrl-C."""
    with reporting():
        begun = time.monotonic()
        if check:
            shutil.rmtree(workspace, ignore_errors=True)
        first = min(households or _FIRST, _FIRST)
        _data(workspace, first, begun)
        world = open_world(workspace)
        say(validate(world.workspace))
        _headline(begun, f"the first run: {first} households")
        server: subprocess.Popen[bytes] | None = None
        try:
            hand_over(world, "run", {})
            server, client = _serve(world, port)
            _headline(begun, f"the server is up: {client.base}")
            if households is None or households > first:
                _data(workspace, households, begun)
                _headline(begun, "the second run, behind the live server")
                hand_over(world, "run", {})
            _score(world, begun)
            stage = Stage(workspace, client, load_cast(workspace))
            if check:
                _play_all(stage, acts, begun)
            else:
                with opened_shop(world, client.base, port + _BESIDE, sdk) as shop:
                    _tour(client, stage, shop)
                    _stay(server)
        finally:
            if server is not None:
                server.terminate()
                server.wait(timeout=30)
            end_runner(world)


@app.command()
def act(
    letter: Annotated[str, typer.Argument(help=f"One of {', '.join(ACTS)}.")],
    workspace: WorkspaceOption = Path("demo"),
    port: int = 8460,
) -> None:
    """Play one act of the tour against the demo's running server."""
    with reporting():
        if letter not in ACTS:
            raise Missing(f"there is no act {letter}; the acts are {', '.join(ACTS)}")
        world = open_world(workspace)
        client = Client(f"http://127.0.0.1:{port}", _key(world))
        wait_until_ready(client.base, 5)
        _play(letter, Stage(workspace, client, load_cast(workspace)))


@app.command()
def shop(workspace: WorkspaceOption = Path("demo"), port: int = 8460, sdk: SdkOption = None) -> None:
    """Open the shop beside the demo's running server until Ctrl-C: browse, log in, withdraw."""
    with reporting():
        world, base = open_world(workspace), f"http://127.0.0.1:{port}"
        wait_until_ready(base, 5)
        with opened_shop(world, base, port + _BESIDE, sdk) as address:
            say(f"shop      {address}/   (console and its key: kindred keys create, scope console)")
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            with suppress(KeyboardInterrupt):
                signal.pause()


def _data(workspace: Path, households: int | None, begun: float) -> None:
    _headline(begun, f"data: {households or 'all'} households")
    make_data(workspace, households)


def _serve(world: World, port: int) -> tuple[subprocess.Popen[bytes], Client]:
    log = (world.workspace.state_path / "server.log").open("ab")
    command = [sys.executable, "-m", "api.cli.main", "serve", "-w", str(world.workspace.root), "--port", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command
    log.close()
    client = Client(f"http://127.0.0.1:{port}", _key(world))
    wait_until_ready(client.base, 60)
    return server, client


def _key(world: World) -> str:
    import consent.config

    purposes = tuple(consent.config.load_policy(world.workspace).purposes)
    return keys.create_key(world.database, name="demo", scopes=keys.SCOPES, purposes=purposes, at=system_clock())


def _score(world: World, begun: float) -> None:
    from api.cli.scoring import print_scorecard

    _headline(begun, "scored against the truth")
    print_scorecard(world.workspace, world.workspace.root / "truth")


def _play_all(stage: Stage, acts: str, begun: float) -> None:
    for letter in acts:
        _play(letter, stage)
    _headline(begun, "every act holds")


def _play(letter: str, stage: Stage) -> None:
    scene = ACTS[letter]
    OUT.print(f"\n[bold]Act {_title(scene)}[/]")
    begun = time.monotonic()
    scene(stage)
    say(f"  ({time.monotonic() - begun:.1f} s)")


def _title(scene: Callable[[Stage], None]) -> str:
    return (scene.__doc__ or "").removeprefix("Show ").splitlines()[0]


def _tour(client: Client, stage: Stage, shop: str) -> None:
    OUT.rule("[bold]the tour")
    willing = stage.cast["three_views"]["lookup"]["value"]
    say(f"shop      {shop}/   (look around, then log in with {willing})")
    say(f"console   {client.base}/   (log in with the key below; the shop's foot leads to the page of its visitor)")
    say(f"key       {client.key}")
    for letter, scene in ACTS.items():
        say(f"act {letter}     kindred demo act {letter} -w {stage.root}      {_title(scene)}")
    body = json.dumps({"identifier": stage.cast["six_records"]["lookup"], "purpose": "identity_resolution"})
    say(
        f"by hand   curl -s {client.base}/v1/profiles:lookup -H 'Authorization: Bearer KEY' "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
    if sys.stdout.isatty():
        webbrowser.open(f"{client.base}/")


def _stay(server: subprocess.Popen[Any]) -> None:
    say("the server stays up; Ctrl-C ends it")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.wait()
    except KeyboardInterrupt:
        say("ended")


def _headline(begun: float, text: str) -> None:
    OUT.print(f"[bold cyan]{time.monotonic() - begun:6.1f}s[/] [bold]{text}[/]")
