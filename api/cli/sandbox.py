"""`kindred sandbox`: invented people behind the real HTTP application, at once, for an application's own tests."""

import gc
import json as notation
from typing import Annotated, Any

import typer

from api.cli.console import reporting
from api.cli.options import JsonOption

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1; any free port by default.")] = 0,
    people: Annotated[int, typer.Option(min=8, max=2000, help="How many people.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people, ids and keys.")] = 7,
    json: JsonOption = False,
) -> None:
    """Serve invented people without Spark, a lake or a JVM, until it is ended; nothing of it stays.

    Prints address, keys and whom to ask for, once the server answers: with --json on one line.
    """
    with reporting():
        # Nothing that is imported is garbage: to look for some among it takes a sixth of the start.
        gc.disable()
        from api.sandbox.serve import run
        from infra.clock import system_clock

        gc.freeze()
        gc.enable()
        run(port=port, people=people, seed=seed, clock=system_clock, tell=_as_line if json else _as_text)


def _as_line(facts: dict[str, Any]) -> None:
    print(notation.dumps(facts), flush=True)


def _as_text(facts: dict[str, Any]) -> None:
    print(f"{facts['people']} invented people at {facts['url']}; Ctrl-C ends it, and nothing stays\n")
    print(f"export KINDRED_URL={facts['url']}")
    for name, key in facts["keys"].items():
        print(f"export KINDRED_{name.upper()}_KEY={key}")
    print()
    for name, one in facts["samples"].items():
        told = ", ".join(f"{kind} {value}" for kind, value in one.items() if isinstance(value, str))
        print(f"{name:10} {told}")
    print(flush=True)
