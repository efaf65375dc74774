"""Who read whom, by command line, and whether the record of it is what was sealed."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.naming import named
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import open_world
from api.http import audit_seal
from api.http.audit import looks
from api.http.keys import list_keys
from infra.clock import system_clock
from infra.errors import Broken, Malformed
from infra.ids import ProfileId

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(
    profile_id: Annotated[str, typer.Argument(help="A profile id.")],
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show who read a person, when, for what purpose and how often, the oldest first."""
    with reporting():
        if named(profile_id) is not None:
            raise Malformed("the audit knows profile ids alone; `kindred profile type:value` tells the id")
        world = open_world(workspace)
        names = {entry.key_id: entry.name for entry in list_keys(world.database)}
        found = looks(world.database, ProfileId(profile_id))
        rows = [
            (one.at.isoformat(), names.get(one.key_id, one.key_id), one.purpose, one.decision, one.reads)
            for one in found
        ]
        if json:
            as_json([dict(zip(("at", "key", "purpose", "decision", "reads"), row, strict=True)) for row in rows])
            return
        table(f"{len(rows)} looks", ["at", "who", "purpose", "answer", "reads"], rows)


@app.command()
def verify(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Close what has settled, and compare the audit of reads with its seals, row by row."""
    with reporting():
        database = open_world(workspace).database
        while audit_seal.close(database, system_clock()):
            pass
        found = audit_seal.check(database)
        if json:
            counts = {name: getattr(found, name) for name in ("batches", "rows", "erased", "waiting")}
            as_json(counts | {"faults": [{"place": one.place, "wrong": one.wrong} for one in found.faults]})
        else:
            for one in found.faults:
                say(f"{one.place}: {one.wrong}")
            say(
                f"{found.rows:,} rows in {found.batches:,} sealed batches, {found.erased:,} of them erased; "
                f"{found.waiting:,} await their seal; {len(found.faults):,} faults"
            )
        if found.faults:
            raise Broken("the audit of reads is not what was sealed")
