"""`kindred sources`: how each source is: how fresh, what waits, what is rejected."""

from datetime import datetime
from pathlib import Path

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import open_world
from api.http.sources import told
from infra.clock import system_clock
from ingestion.health import Clinic, Health, SourceHealth

app = typer.Typer()
_COLUMNS = (
    *(
        "source",
        "connector",
        "newest arrival",
        "newest moment told",
        "fresh",
        "last run",
        "rows then",
        "waits",
        "bytes",
    ),
    *("oldest", "quarantined"),
)


@app.command()
def sources(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Tell of each source when its rows last came, what waits for the lake, and what is rejected."""
    with reporting():
        world = open_world(workspace)
        health = Clinic(world.workspace, world.database).health(system_clock())
        if json:
            as_json(told(health))
            return
        table(f"{len(health.sources)} sources", _COLUMNS, [_line(one, health.at) for one in health.sources], whole=True)
        for line in _runs(health):
            say(line)


def _line(one: SourceHealth, at: datetime) -> tuple[object, ...]:
    waits = one.waiting
    return (
        one.source,
        one.connector,
        _moment(one.arrived_at),
        _moment(one.told_at),
        one.lateness(at),
        one.run,
        one.rows,
        "unknown" if waits.count is None else waits.count,
        waits.size,
        None if waits.oldest is None else _age((at - waits.oldest).total_seconds()),
        one.quarantined,
    )


def _runs(health: Health) -> tuple[str, ...]:
    runs, lines = health.runs, []
    if runs.failures:
        lines.append(f"taking in failed {runs.failures} times in a row; `kindred runs` says why")
    if runs.tries > 1:
        lines.append(f"the run under way was taken up {runs.tries} times: runners end over it; see state/runner.log")
    return tuple(lines)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
