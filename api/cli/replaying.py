"""`kindred replay`: what came before is taken in again, in place or into a shadow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.jobs import hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from infra.clock import system_clock
from infra.errors import Malformed
from ingestion.again.folder import shadow_of
from ingestion.again.span import Span, span
from ingestion.quarantine.desk import declared, known

app = typer.Typer()


@app.command()
def replay(
    source: Annotated[list[str] | None, typer.Argument(help="Sources; all without.")] = None,
    since: Annotated[
        str | None, typer.Option(help="What came from here on: how long ago (7d, 12h), or a moment (ISO 8601).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to here; now without it.")] = None,
    into: Annotated[
        Path | None, typer.Option(help="A folder for a shadow: try a change without touching anything.")
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Judge by today's declarations, in this lake.")] = False,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Take in once more what came in a span of time, by today's declarations; twice is once."""
    with reporting():
        if (into is None) == (not in_place):
            raise Malformed("say where to: --into FOLDER for a shadow to try things in, or --in-place for this lake")
        world = open_world(workspace)
        arguments = asked(world, source or (), since, until)
        if into is not None:
            shadow = shadow_of(world.workspace, into)
            for name in source or ():
                known(declared(shadow), name)
            if not json:
                say(f"the shadow lies in {into}; its sources/ are its own to change, its lake is made anew")
            world, arguments = open_world(shadow.root), {**arguments, "origin": str(world.workspace.root)}
        row = hand_over(world, "ingest", arguments, quiet=json)
        summary = summary_of(row.steps)
        if json:
            as_json({"run": row.number, **summary})
        elif into is not None:
            _print(summary)


def asked(world: World, sources: Sequence[str], since: str | None, until: str | None) -> dict[str, str]:
    """Return the arguments of a run over a span; raise where a source or a moment is none."""
    if since is None:
        raise Malformed("say from when on, for example --since 7d, or --since 2026-05-01")
    for name in sources:
        known(declared(world.workspace), name)
    found: Span = span(since, until, world.workspace.settings.time_zone, system_clock())
    named = {"source": ",".join(sources)} if sources else {}
    return {**named, "since": found.since.isoformat(), "until": found.until.isoformat()}


def summary_of(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the step `ingest` of a run had to say."""
    (found,) = (step["summary"] for step in steps if step["name"] == "ingest")
    return dict(found)


def _print(summary: dict[str, Any]) -> None:
    rows = [
        (d["source"], d["keys_there"], d["keys_here"], d["only_there"], d["only_here"], d["changed"])
        for d in summary["differences"]
    ]
    table(
        "the original and its shadow, by key",
        ["source", "taken in there", "here", "only there", "only here", "say something else"],
        rows,
    )
    rejected = [(q["source"], q["field"], q["rule"], q["there"], q["here"]) for q in summary["quarantined"]]
    if rejected:
        table("quarantined", ["source", "field", "rule", "there", "here"], rejected)
