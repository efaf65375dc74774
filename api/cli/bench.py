"""`kindred bench`: the measurements of tests/bench, run from a checkout; an installed package does not have them."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import reporting
from infra.errors import Missing

app = typer.Typer(no_args_is_help=True)

_SCRIPTS = Path(__file__).parents[2] / "tests" / "bench"


@app.command()
def accuracy(
    only: Annotated[list[str] | None, typer.Option(help="One set; may be given several times.")] = None,
    data: Annotated[Path | None, typer.Option(help="The folder of the labelled data pack.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines, one line a set.")] = False,
) -> None:
    """Resolve public labelled people with the default configuration, without their labels, and say how right it was."""
    chosen = ["--only", *only] if only else []
    place = ["--data", str(data)] if data else []
    _run("accuracy_bench.py", [*chosen, *place, *(["--json"] if json else [])])


@app.command()
def identity(
    sizes: Annotated[
        list[int] | None, typer.Option("--size", help="Records in the lake; may be given several times.")
    ] = None,
    changed: Annotated[int, typer.Option(help="Records that change.")] = 10_000,
    race: Annotated[bool, typer.Option(help="Let Splink alone rebuild the same beside it.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines, one line a size.")] = False,
) -> None:
    """Say what a change costs and what a rebuild, in lakes of 100,000 to 1,000,000 invented records; takes a while."""
    chosen = ["--sizes", *map(str, sizes)] if sizes else []
    flags = [*([] if race else ["--no-race"]), *(["--json"] if json else [])]
    _run("identity_bench.py", [*chosen, "--changed", str(changed), *flags])


def _run(name: str, arguments: list[str]) -> None:
    with reporting():
        script = _SCRIPTS / name
        if not script.is_file():
            raise Missing(f"tests/bench/{name} is not here; run `kindred bench` from a checkout of the source")
        done = subprocess.run([sys.executable, str(script), *arguments], check=False)  # noqa: S603 - a script of ours
    raise typer.Exit(done.returncode)
