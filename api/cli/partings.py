"""What merges and splits did to consent, by command line: look at it, and let go of a refusal that was never theirs."""

import getpass
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.naming import named
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from consent import officer, store
from consent.clearing import Clearing, clear
from infra import shelf
from infra.clock import system_clock
from infra.errors import Malformed, Missing
from infra.ids import RecordKey, Sid
from infra.tables import Table
from profiles.tables import BORROWED_REFUSALS, CONSENT_CHANGES

_SHOWN = ["batch", "kind", "profile_id", "was", "purpose", "reason_before", "reason", "sids", "left_key", "right_key"]


def changes(
    run: Annotated[int | None, typer.Option(help="Only what this run changed.")] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show which purposes merges and splits cost or opened: for whom, by whose words (sids), over which edge."""
    with reporting():
        rows = [row for row in _rows(open_world(workspace), CONSENT_CHANGES) if run in {None, row["batch"]}]
        rows.sort(key=lambda row: (row["batch"], row["profile_id"], row["was"], row["purpose"]))
        if json:
            as_json(rows)
            return
        told = [[" ".join(row[c]) if c == "sids" else row[c] for c in _SHOWN] for row in rows]
        table(f"{len(rows)} changes", _SHOWN, told)


def clear_borrowed(
    profile: Annotated[str, typer.Argument(help="The profile that keeps refusals of somebody else.")],
    reason: Annotated[str, typer.Option(help="Why they are not this person's; it is kept.")],
    identifier: Annotated[str | None, typer.Option(help="Only those under this identifier, as type:value.")] = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Let go of refusals that a profile keeps of somebody it was parted from; the next run obeys."""
    with reporting():
        world = open_world(workspace)
        wanted = None if identifier is None else _sid(world, identifier)
        now = system_clock()
        kept = [
            Clearing(RecordKey(row["record_key"]), Sid(row["sid"]), now)
            for row in _rows(world, BORROWED_REFUSALS)
            if row["profile_id"] == profile and wanted in {None, row["sid"]}
        ]
        if not kept:
            raise Missing("this profile keeps no refusal of anybody else, as far as the last run knows")
        named_ = ((secrets.token_hex(16), one) for one in kept)
        clear(world.database, named_, actor=getpass.getuser(), reason=reason)
        many = len({one.sid for one in kept})
        say(f"cleared: refusals under {many} identifiers; what they denied is shown from the next run on")


def _sid(world: World, text: str) -> Sid:
    found = named(text)
    if found is None:
        raise Malformed("write the identifier as type:value, for example email:ann@example.org")
    token = officer.token_of(officer.Desk.open(world.workspace, world.database), *found)
    sid = store.sids(world.database, [token]).get(token)
    if sid is None:
        raise Missing("nothing was ever said under this identifier")
    return sid


def _rows(world: World, what: Table) -> Iterator[dict[str, Any]]:
    if shelf.exists(world.workspace.lake_path, what):
        for batch in shelf.batches(world.workspace.lake_path, what):
            yield from batch.to_pylist()
