"""`kindred runs`: what was asked of the job runner, and of one run what each step took in and wrote."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Row

from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world

app = typer.Typer()
_WAY = ("received", "as_they_were", "surveyed", "read", "accepted", "duplicate", "quarantined", "suppressed")
# What runs of before may not have counted yet.
_LATER = ("consent_filtered", "expired")


@app.command()
def runs(
    number: Annotated[
        int | None, typer.Argument(help="A run's number: shows what its steps took in and wrote.")
    ] = None,
    workspace: WorkspaceOption = Path(),
    limit: Annotated[int, typer.Option(help="How many of the newest are listed.")] = 20,
    json: JsonOption = False,
) -> None:
    """List the newest runs: what was asked, how far it is, what came of it; or show one, counts in and counts out."""
    with reporting():
        world = open_world(workspace)
        if number is not None:
            _show(world, world.runs.numbered(number), json=json)
            return
        rows = world.runs.latest(limit)
        if json:
            as_json([_facts(world, row) for row in rows])
            return
        table(
            "runs",
            ["number", "job", "status", "submitted", "seconds by step", "error"],
            [
                (
                    row.number,
                    row.job,
                    row.status,
                    f"{row.submitted_at:%Y-%m-%d %H:%M:%S}Z",
                    " ".join(f"{step['name']} {step['seconds']:.0f}" for step in row.steps),
                    row.error,
                )
                for row in rows
            ],
        )


def _facts(world: World, row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.number,
        "id": row.id,
        "job": row.job,
        "status": row.status,
        "taken_up": world.runs.taken_up(row.id),
        **{name: _moment(getattr(row, name)) for name in ("submitted_at", "started_at", "finished_at")},
        "error": row.error,
        "steps": [_step(step) for step in row.steps],
        "manifest": row.manifest,
    }


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    told = step["summary"]
    return {
        "name": step["name"],
        "seconds": step["seconds"],
        **{part: told[part] for part in ("flow", "wrote") if told.get(part)},
    }


def _moment(at: Any) -> str | None:
    return None if at is None else at.isoformat()


def _show(world: World, row: Row[Any], *, json: bool) -> None:
    facts = _facts(world, row)
    if json:
        as_json(facts)
        return
    say(f"run {row.number}, job {row.job}: {row.status}" + (f": {row.error}" if row.error else ""))
    if facts["taken_up"] > 1:
        say(f"it was taken up {facts['taken_up']} times: runners ended over it")
    for step in facts["steps"]:
        flow = step.get("flow", {})
        if flow:
            columns = ["source", *(name.replace("_", " ") for name in (*_WAY, *_LATER)), "written"]
            table(f"{step['name']}: from files to tables", columns, _lines(flow), whole=True)
    wrote = [
        (step["name"], name, one["rows"], one["removed"], one["files"], one["version"])
        for step in facts["steps"]
        for name, one in step.get("wrote", {}).items()
    ]
    if wrote:
        table("what the steps wrote", ["step", "table", "rows", "removed", "files", "version"], wrote, whole=True)


def _lines(flow: Mapping[str, Mapping[str, Any]]) -> Iterator[Sequence[object]]:
    for source, one in flow.items():
        written = ", ".join(f"{name} {rows:,}" for name, rows in one["written"].items())
        yield (source, *(one.get(name, 0) for name in (*_WAY, *_LATER)), written)
