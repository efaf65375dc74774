"""The commands about a person: look at them, ask why, and the steward's word."""

import getpass
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import pyarrow.compute as pc
import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.jobs import hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from api.http.explain import carriers, chain
from api.http.ports import Known
from consent import officer
from consent.officer import Desk
from identity import steward
from identity.config import load_identity, rules
from identity.tables import RECORD_FEATURES
from infra import shelf
from infra.clock import system_clock
from infra.errors import Missing
from infra.ids import ProfileId, Purpose, Token
from profiles.serving import ProfileReader, Published

app = typer.Typer()

PersonArgument = Annotated[str, typer.Argument(help="A profile id, or type:value such as email:ann@example.org.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept with the word.")]


def bench(world: World) -> steward.Desk:
    """Return the desk where a steward's words are taken down."""
    return steward.Desk(world.database, world.workspace.lake_path, rules(load_identity(world.workspace)))


def _wish(reason: str) -> steward.Wish:
    return steward.Wish(getpass.getuser(), reason, system_clock())


def _both(world: World, a: str, b: str) -> tuple[ProfileId, ProfileId]:
    gallery = Gallery.open(world)
    return gallery.find(a), gallery.find(b)


class Named(NamedTuple):
    """An identifier as somebody types it."""

    type: str
    value: str


def named(text: str) -> Named | None:
    """Return the identifier that a person was named by, or None where it is a profile id."""
    kind, colon, value = text.partition(":")
    return Named(kind, value) if colon else None


@dataclass(frozen=True)
class Gallery:
    """The served profiles as the command line reads them."""

    desk: Desk
    reader: ProfileReader

    @classmethod
    def open(cls, world: World) -> "Gallery":
        """Return the served profiles of an opened workspace."""
        desk = Desk.open(world.workspace, world.database)
        return cls(desk, ProfileReader(Published(world.workspace.serving_path, time.monotonic), desk.overlay))

    def token(self, identifier: Named) -> Token:
        """Return the token of an identifier."""
        return officer.token_of(self.desk, identifier.type, identifier.value)

    def find(self, text: str) -> ProfileId:
        """Return the profile that the text names; raise `Missing` where it names none."""
        identifier = named(text)
        if identifier is None:
            survivors = self.reader.successors(ProfileId(text))
            return survivors[0] if len(survivors) == 1 else ProfileId(text)
        found = self.reader.find(self.token(identifier))
        if found is None:
            raise Missing(f"no published profile has this {identifier.type}, or several have")
        return found


@app.command()
def profile(
    who: PersonArgument,
    purpose: Annotated[str, typer.Option(help="What it is for; a purpose of the policy.")] = "service",
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show a person as one purpose may see them: values with their sources, traits, what is withheld."""
    with reporting():
        gallery = Gallery.open(open_world(workspace))
        body = gallery.reader.view(gallery.find(who), Purpose(purpose))
        if body is None:
            raise Missing(f"nobody that {purpose} may see answers to this")
        seen = orjson.loads(body)
        if json:
            as_json(seen)
            return
        say(f"profile {seen['profile_id']}  version {seen['version']}  confidence {seen['confidence']}")
        origin = seen["provenance"]
        rows = [(name, value, *_origin(origin.get(name, {}))) for name, value in seen["attributes"].items()]
        table("golden record", ["field", "value", "source", "observed", "rule"], rows)
        table("traits", ["trait", "value"], seen["traits"].items())
        table("identifiers", ["type", "value"], [(i["type"], i["value"]) for i in seen["identifiers"]])
        if seen["withheld"]:
            table("withheld", ["field", "because"], [(w["field"], w["because"]) for w in seen["withheld"]])


def _origin(provenance: dict[str, Any]) -> tuple[object, object, object]:
    return provenance.get("source"), (provenance.get("observed_at") or "")[:10], provenance.get("rule")


@app.command()
def why(
    a: PersonArgument,
    b: PersonArgument,
    purpose: Annotated[str, typer.Option(help="What it is for.")] = "identity_resolution",
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Say why two identifiers are one person: the chain of ties between them, with every comparison's weight."""
    with reporting():
        gallery = Gallery.open(open_world(workspace))
        left, right = gallery.find(a), gallery.find(b)
        if left != right:
            say(f"they are two people: {left} and {right}")
            return
        graph = gallery.reader.graph(left, Purpose(purpose))
        if graph is None:
            raise Missing(f"nobody that {purpose} may see answers to this")
        ends = [_carriers(gallery, graph, text) for text in (a, b)]
        path = chain(graph, *ends)
        if json:
            as_json({"profile_id": left, "path": path})
            return
        say(f"one person: {left}")
        for edge in path:
            rows = [(r["comparison"], r["level"], float(r["weight"])) for r in edge["reasons"]]
            table(f"{edge['kind']} tie of {edge['weight']:.1f} bits", ["comparison", "level", "bits"], rows)
        if not path:
            say("one record carries both")


def _carriers(gallery: Gallery, graph: Any, text: str) -> frozenset[str]:
    identifier = named(text)
    if identifier is None:
        return frozenset({text})
    return carriers(graph, Known(identifier.type, identifier.value, gallery.token(identifier)))


@app.command()
def timeline(
    who: PersonArgument,
    purpose: Annotated[str, typer.Option(help="What it is for.")] = "service",
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show what happened with a person, the newest first, as far as the purpose may see it."""
    with reporting():
        gallery = Gallery.open(open_world(workspace))
        entries = gallery.reader.timeline(gallery.find(who), Purpose(purpose))
        if entries is None:
            raise Missing(f"nobody that {purpose} may see answers to this")
        if json:
            as_json(list(entries))
            return
        columns = [c for c in ("at", "source", "type", "name", "amount") if any(c in e for e in entries)]
        table(f"{len(entries)} entries", columns, [[entry.get(c) for c in columns] for entry in entries])


@app.command()
def link(a: PersonArgument, b: PersonArgument, reason: ReasonOption, workspace: WorkspaceOption = Path()) -> None:
    """Say as a steward that two are one person; it holds until it is taken back, through every rebuild."""
    with reporting():
        world = open_world(workspace)
        steward.link(bench(world), *_both(world, a, b), _wish(reason))
        hand_over(world, "apply", {}, anew=True)


@app.command()
def unlink(a: PersonArgument, b: PersonArgument, reason: ReasonOption, workspace: WorkspaceOption = Path()) -> None:
    """Say as a steward that two are not one person; a tie that a steward made between them is taken back."""
    with reporting():
        world = open_world(workspace)
        steward.unlink(bench(world), *_both(world, a, b), _wish(reason))
        hand_over(world, "apply", {}, anew=True)


def record_keys(lake: Path, text: str) -> list[str]:
    """Return the record keys that `source:key` names, as the source itself calls its row; a record key is its own."""
    source, colon, key = text.partition(":")
    if not colon:
        return [text]
    wanted = (pc.field("source") == source) & (pc.field("key") == key)
    found = shelf.lookup(lake, RECORD_FEATURES, wanted, columns=["record_key"])
    if not found.num_rows:
        # The key may be a person's; the source is ours.
        raise Missing(f"no record of {source} has this key; `kindred export assignments` lists what there is")
    return sorted(set(found.column("record_key").to_pylist()))


@app.command()
def split(
    who: PersonArgument,
    reason: ReasonOption,
    record: Annotated[
        list[str] | None,
        typer.Option(help="A record to take out, as source:key or by its record key; may be repeated."),
    ] = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Take records out of a profile, or let it fall apart at its weakest tie; old ids come back."""
    with reporting():
        world = open_world(workspace)
        taken = [key for text in record or () for key in record_keys(world.workspace.lake_path, text)]
        steward.split(bench(world), Gallery.open(world).find(who), _wish(reason), taken)
        hand_over(world, "apply", {}, anew=True)
