"""The commands that look at a person: profile and timeline."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.naming import Named, named
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from api.http.anew import opened_reader
from consent import officer
from consent.officer import Desk
from identity.explanation import testimony
from infra.clock import system_clock
from infra.errors import Missing
from infra.ids import ProfileId, Purpose, RecordKey, Token
from profiles.serving import ProfileReader, Published, serving_store

app = typer.Typer()

PersonArgument = Annotated[str, typer.Argument(help="A profile id, or type:value such as email:ann@example.org.")]


@dataclass(frozen=True)
class Gallery:
    """The served profiles as the command line reads them."""

    desk: Desk
    reader: ProfileReader

    @classmethod
    def open(cls, world: World) -> "Gallery":
        """Return the served profiles of an opened workspace."""
        desk = Desk.open(world.workspace, world.database)
        published = Published(serving_store(world.workspace), time.monotonic)
        reader, look, _ = opened_reader(world.workspace, (world.database, desk.overlay), published, system_clock)
        look(system_clock())
        return cls(desk, reader)

    def token(self, identifier: Named) -> Token:
        """Return the token of an identifier."""
        return officer.token_of(self.desk, identifier.type, identifier.value)

    def find(self, text: str, purpose: str = "identity_resolution") -> ProfileId:
        """Return the profile that the text names, as closely as the purpose demands; raise `Missing` for none."""
        identifier = named(text)
        if identifier is None:
            survivors = self.reader.successors(ProfileId(text))
            return survivors[0] if len(survivors) == 1 else ProfileId(text)
        found = self.reader.find(self.token(identifier), Purpose(purpose))
        if found is None:
            raise Missing(f"no published profile has this {identifier.type}, or several have")
        return found

    def record(self, lake: Path, key: RecordKey) -> dict[str, str]:
        """Return what a record says as identity resolution may see it: under later refusals, from the served graph."""
        person = testimony.profile_of(lake, key)
        graph = self.reader.graph(person, Purpose("identity_resolution"))
        found = next((r for r in (graph or {}).get("records", ()) if r["record_key"] == key), None)
        if found is None:
            return {"profile": person, "record": "not published for identity resolution"}
        said = {name: str(value) for name, value in found["attributes"].items()}
        for one in found["identifiers"]:
            value = one.get("value") or one.get("masked")
            said[one["type"]] = f"{said[one['type']]}, {value}" if one["type"] in said else str(value)
        return {"profile": person, "source": found["source"], **said}


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
        body = gallery.reader.view(gallery.find(who, purpose), Purpose(purpose))
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
def timeline(
    who: PersonArgument,
    purpose: Annotated[str, typer.Option(help="What it is for.")] = "service",
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show what happened with a person, the newest first, as far as the purpose may see it."""
    with reporting():
        gallery = Gallery.open(open_world(workspace))
        entries = gallery.reader.timeline(gallery.find(who, purpose), Purpose(purpose))
        if entries is None:
            raise Missing(f"nobody that {purpose} may see answers to this")
        if json:
            as_json(list(entries))
            return
        columns = [c for c in ("at", "source", "type", "name", "amount") if any(c in e for e in entries)]
        table(f"{len(entries)} entries", columns, [[entry.get(c) for c in columns] for entry in entries])
