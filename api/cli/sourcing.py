"""`kindred source add`: one more source, proposed from its file, in a workspace that is there."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import reporting, say
from api.cli.laying import add_types_and_labels, place_source
from api.cli.options import WorkspaceOption
from api.cli.scaffold import validate
from api.cli.trying import FilesArgument, RegionOption, checked, nothing_of, tell
from infra.clock import system_clock
from infra.errors import Malformed
from infra.workspace import Workspace
from ingestion.proposal.gather import gather
from ingestion.proposal.known import known_of
from ingestion.proposal.propose import propose

app = typer.Typer(no_args_is_help=True)


@app.callback()
def sources() -> None:
    """Bring sources into a workspace that is there."""


@app.command()
def add(
    files: FilesArgument,
    name: Annotated[str | None, typer.Option(help="What the source is called; else its file says.")] = None,
    region: RegionOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the declaration of a source of this name.")] = False,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Propose the declaration of more sources: sources/NAME.yaml, and the identifier types and labels it needs.

    Nothing is taken in yet. A file outside the workspace is copied to its data/; one inside stays where it is.
    """
    with reporting():
        place = Workspace.open(workspace)
        known = known_of(place)
        _check_name(name)
        gathered = gather(files, today=system_clock().date(), region=checked(region))
        if not gathered.facts:
            raise nothing_of(gathered.unread)
        if name is not None and len(gathered.facts) != 1:
            raise Malformed(
                f"--name is for one source, and these are {len(gathered.facts)}; leave it out, or name one file"
            )
        facts = [replace(one, name=name or one.name) for one in gathered.facts]
        lying = {name or source: paths for source, paths in gathered.files.items()}
        proposal = propose(facts, known)
        written = [place_source(place, source, lying[source.source], force=force) for source in proposal.sources]
        add_types_and_labels(place, proposal)
        tell(proposal, gathered.unread)
        for path in written:
            say(f"written: {path.relative_to(place.root)}; look through it, then `kindred check` and `kindred run`")
        say(validate(Workspace.open(workspace)))


def _check_name(name: str | None) -> None:
    if name is not None and not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise Malformed("--name: small letters, digits and _, beginning with a letter")
