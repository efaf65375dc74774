"""`kindred maintain`: what is older than it may be kept goes, and the lake's files are tidied; for every night."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.jobs import AtOption, hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.retained import checked
from api.cli.world import World, open_world
from consent.residue.certificate import written
from consent.retention.record import summary
from infra.clock import system_clock
from infra.errors import Malformed, Missing, Refused

app = typer.Typer()


@app.command()
def maintain(
    workspace: WorkspaceOption = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Keep no older version of any file, and search every byte for what went.")
    ] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Let rows go though they are most of a table.")] = False,
    record: Annotated[Path | None, typer.Option(help="Write the signed record of it to this file.")] = None,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Let go of what consent/retention.yaml says is past, then write checkpoints and delete files nobody needs."""
    with reporting():
        world = open_world(workspace)
        checked(world.workspace)
        if dry_run and (at_once or anyway or record):
            raise Malformed("--dry-run changes nothing; leave --at-once, --anyway and --record out")
        options = {"dry_run": dry_run, "at_once": at_once, "anyway": anyway}
        arguments = {name: "yes" for name, wanted in options.items() if wanted} | _moment(at)
        row = hand_over(world, "maintain", arguments, quiet=json)
        steps = {step["name"]: step["summary"] for step in world.runs.get(row.id).steps}
        _tell(world, row.number, steps, record, json=json)


def _moment(at: str | None) -> dict[str, str]:
    """Return the moment that counts as now; one that is still to come would let go what may be kept."""
    if at is None:
        return {}
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Malformed(f"--at {at}: write a moment with its zone, for example 2026-11-28T02:00:00+00:00")
    if moment > system_clock():
        raise Refused("--at is still to come: rows would go that may be kept until then")
    return {"at": at}


def _tell(world: World, number: int, steps: Mapping[str, Any], to: Path | None, *, json: bool) -> None:
    found = steps.get("look") or steps.get("find") or {}
    document = steps.get("record", {}).get("record")
    if to is not None:
        if document is None:
            why = "there are no rules of retention, or no KINDRED_SIGNING_KEY is set"
            raise Missing(f"run {number} has no signed record: {why}")
        to.write_bytes(written(document))
    if json:
        as_json({"run": number, **found, "upkeep": steps.get("tidy"), "record": document})
        return
    rules = checked(world.workspace)
    if not rules:
        say("consent/retention.yaml has no rules: nothing is deleted by its age")
    elif "look" in steps:
        columns = ["table", "rows", "past", "held", "would go"]
        rows = [(t["table"], t["rows"], t["past"], t["held"], t["past"] - t["held"]) for t in found["tables"]]
        table(f"by {len(rules)} rules, now", columns, rows)
        for hold in found["holds"]:
            say(f"held: {hold}")
    elif document is not None:
        for line in summary(document):
            say(line)
