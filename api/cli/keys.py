"""API keys: create, list, rotate, revoke."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

import consent.config
from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import open_world
from api.http import keys
from api.http.collector.sources import known_source
from infra.clock import system_clock
from infra.errors import Malformed

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    scope: Annotated[
        list[str], typer.Option(help=f"One of {', '.join(keys.SCOPES)}; may be repeated. Or {keys.WRITE}.")
    ],
    name: Annotated[str | None, typer.Option(help="Who uses it; the source's name by default.")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="A purpose of the policy; may be repeated.")] = None,
    source: Annotated[str | None, typer.Option(help="With events:write: the collector source it writes to.")] = None,
    expires: Annotated[int | None, typer.Option(min=1, max=3650, help="Days after which it opens nothing.")] = None,
    people_per_day: Annotated[
        int | None, typer.Option(min=1, help="Different people it may read in a day (UTC).")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Requests a second; twice as many at once.")
    ] = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Make a key and print it, this once; the database keeps only its digest."""
    with reporting():
        world = open_world(workspace)
        known = sorted(consent.config.load_policy(world.workspace).purposes)
        unknown = sorted(set(purpose or []) - set(known))
        if unknown:
            raise Malformed(f"unknown purpose {', '.join(unknown)}; the policy declares {', '.join(known)}")
        called = name or source
        if called is None:
            if keys.WRITE in scope:
                raise Malformed(f"a key with {keys.WRITE} writes to one source; add --source, for example --source web")
            raise Malformed("a key needs to be told from others; add --name, for example who uses it")
        if source is not None:
            known_source(world.workspace, source)
        at = system_clock()
        made = keys.create_key(
            world.database,
            name=called,
            scopes=scope,
            purposes=purpose or [],
            source=source,
            at=at,
            expires_at=None if expires is None else at + timedelta(days=expires),
            people_per_day=people_per_day,
            rate=rate,
        )
        say(made)


@app.command("list")
def list_(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """List every key ever made, with scopes and purposes; none of them can be read back."""
    with reporting():
        found = keys.list_keys(open_world(workspace).database)
        if json:
            as_json([{name: getattr(key, name) for name in key.__slots__} for key in found])
            return
        now = system_clock()
        rows = [
            (
                k.key_id,
                k.name,
                " ".join(k.scopes),
                " ".join(k.purposes),
                k.source or "",
                k.created_at.date(),
                k.last_used_at.date() if k.last_used_at else "",
                k.expires_at.date() if k.expires_at else "",
                k.standing(now),
            )
            for k in found
        ]
        table("keys", ["id", "name", "scopes", "purposes", "source", "made", "used", "ends", ""], rows)


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")],
    grace: Annotated[
        int, typer.Option(min=0, max=90, help="Days that the secret before it works on; 0 ends it now.")
    ] = 7,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Print a new secret of a key, this once; the one before works on for some days, so that nothing stands still."""
    with reporting():
        database = open_world(workspace).database
        say(keys.rotate_key(database, key_id, at=system_clock(), grace=timedelta(days=grace)))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")], workspace: WorkspaceOption = Path()
) -> None:
    """Close a key for ever; every server forgets it within a second."""
    with reporting():
        keys.revoke_key(open_world(workspace).database, key_id, at=system_clock())
        say(f"key {key_id} is revoked")
