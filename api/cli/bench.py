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


@app.command()
def serving(
    profiles: Annotated[int, typer.Option(help="Profiles that are served; up to 1,000,000 a curve is drawn.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often each row is measured, in turns.")] = 5,
    seconds: Annotated[float, typer.Option(help="How long each time.")] = 1.5,
    feast: Annotated[Path | None, typer.Option(help="The Python of an environment that has Feast.")] = None,
    world: Annotated[Path | None, typer.Option(help="A folder where the profiles are kept for the next run.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file for all figures, as JSON.")] = None,
    alone: Annotated[bool, typer.Option(help="Go before whoever else uses the cores; needs root.")] = False,
) -> None:
    """Say what a profile read costs beside the least that the same server can do, and how late answers are."""
    chosen = {"profiles": profiles, "rounds": rounds, "seconds": seconds}
    places = {"feast": feast, "world": world, "out": out}
    told = {**chosen, **{name: place.absolute() for name, place in places.items() if place is not None}}
    words = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    _run("serving_bench.py", [*words, *(["--alone"] if alone else [])])


@app.command()
def moment(
    rate: Annotated[float, typer.Option(help="Events a second.")] = 500,
    seconds: Annotated[float, typer.Option(help="How long each event log is measured.")] = 30,
    share: Annotated[float, typer.Option(help="Of saturation, at which others are read meanwhile.")] = 0.5,
    profiles: Annotated[int, typer.Option(help="Profiles that are served.")] = 10_000,
    logs: Annotated[
        list[str] | None, typer.Option("--log", help="spool, kafka, or kafka2 for two workers; several times.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A file for all figures, as JSON.")] = None,
    alone: Annotated[bool, typer.Option(help="Go before whoever else uses the cores; needs root.")] = False,
) -> None:
    """Say how soon an event is in the profile that is served, while others are read at half of saturation."""
    chosen = {"rate": rate, "seconds": seconds, "share": share, "profiles": profiles}
    words = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
    words += [word for log in logs or () for word in ("--log", log)]
    words += ["--out", str(out.absolute())] if out is not None else []
    _run("moment_bench.py", [*words, *(["--alone"] if alone else [])])


def _run(name: str, arguments: list[str]) -> None:
    with reporting():
        script = _SCRIPTS / name
        if not script.is_file():
            raise Missing(f"tests/bench/{name} is not here; run `kindred bench` from a checkout of the source")
        done = subprocess.run([sys.executable, str(script), *arguments], check=False)  # noqa: S603 - a script of ours
    raise typer.Exit(done.returncode)
