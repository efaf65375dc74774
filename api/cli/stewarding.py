"""The steward's word on the command line: link, unlink, split."""

import getpass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import reporting
from api.cli.jobs import hand_over
from api.cli.naming import named, record_keys, records_called
from api.cli.options import WorkspaceOption
from api.cli.persons import Gallery, PersonArgument
from api.cli.world import World, open_world
from api.http.explain import carriers
from api.http.ports import Known
from identity.config import load_identity, rules
from identity.stewardship import steward
from infra.clock import system_clock
from infra.errors import Malformed, Missing
from infra.ids import ProfileId, Purpose

app = typer.Typer()
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept with the word.")]
UntilOption = Annotated[str | None, typer.Option(help="When the word ends (ISO 8601, with zone); never without it.")]
_PURPOSE = Purpose("identity_resolution")


def bench(world: World) -> steward.Desk:
    """Return the desk where a steward's words are taken down."""
    return steward.Desk(world.database, world.workspace.lake_path, rules(load_identity(world.workspace)))


def wish(reason: str, until: str | None = None) -> steward.Wish:
    """Return a steward's wish: of whoever is signed in, now."""
    return steward.Wish(getpass.getuser(), reason, system_clock(), moment(until))


def moment(text: str | None) -> datetime | None:
    """Return the moment that a text names; raise `Malformed` for one that names none, or no zone."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Malformed("--until: write a moment with its zone, for example 2027-01-31T00:00:00+00:00")
    return found


@app.command()
def link(
    a: PersonArgument,
    b: PersonArgument,
    reason: ReasonOption,
    until: UntilOption = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Say as a steward that two (persons, or records as source:key) are one; it holds through every rebuild."""
    with reporting():
        world = open_world(workspace)
        gallery, lake = Gallery.open(world), world.workspace.lake_path
        left, right = (reference(gallery, lake, text) for text in (a, b))
        steward.link(bench(world), left, right, wish(reason, until))
        hand_over(world, "apply", {}, anew=True)


@app.command()
def unlink(
    a: PersonArgument,
    b: PersonArgument,
    reason: ReasonOption,
    until: UntilOption = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Say as a steward that two are not one person; a tie that a steward made between them is taken back."""
    with reporting():
        world = open_world(workspace)
        gallery, lake = Gallery.open(world), world.workspace.lake_path
        left, right = (side(gallery, lake, text) for text in (a, b))
        steward.part(bench(world), left, right, wish(reason, until))
        hand_over(world, "apply", {}, anew=True)


@app.command()
def split(
    who: PersonArgument,
    reason: ReasonOption,
    record: Annotated[
        list[str] | None,
        typer.Option(help="A record to take out, as source:key or by its record key; may be repeated."),
    ] = None,
    until: UntilOption = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Take records out of a profile, or let it fall apart at its weakest tie; old ids come back."""
    with reporting():
        world = open_world(workspace)
        taken = [key for text in record or () for key in record_keys(world.workspace.lake_path, text)]
        found = reference(Gallery.open(world), world.workspace.lake_path, who)
        steward.split(bench(world), found, wish(reason, until), taken)
        hand_over(world, "apply", {}, anew=True)


def reference(gallery: Gallery, lake: Path, text: str) -> str:
    """Return the profile id or record key that a text names; raise `Missing` where it names none.

    An identifier's type goes before a source of the same name: `loyalty:…` is a card, and only where no one person
    has it the loyalty programme's record.
    """
    identifier = named(text)
    if identifier is not None and identifier.type not in gallery.desk.kinds:
        return record_keys(lake, text)[0]
    try:
        return gallery.find(text)
    except Missing:
        called = records_called(lake, *identifier) if identifier else []
        if not called:
            raise
        return called[0]


def side(gallery: Gallery, lake: Path, text: str) -> list[str]:
    """Return the records that a text speaks of: those that carry the identifier, or the one that it names."""
    found, identifier = reference(gallery, lake, text), named(text)
    graph = None
    if identifier is not None and identifier.type in gallery.desk.kinds:
        graph = gallery.reader.graph(ProfileId(found), _PURPOSE)
    if graph is None or identifier is None:
        return [found]
    return sorted(carriers(graph, Known(identifier.type, identifier.value, gallery.token(identifier)))) or [found]
