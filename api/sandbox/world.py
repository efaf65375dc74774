"""A sandbox made: a workspace in a folder, a ledger with everybody's words, a generation, keys, and whom to ask for."""

import os
import shutil
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, Final

import consent.store
from activation.answer import NextBest
from api.http.keys import WRITE, create_key
from api.http.main import open_world
from api.http.wiring import Ledger
from api.http.world import World
from api.sandbox.cast import Cast, Invented, cast
from api.sandbox.decided import Decided, Undenied
from api.sandbox.shelved import Shelf, entries, tokens_of
from consent import officer
from consent.config import load_policy
from consent.model import ConsentEntry
from infra.clock import Clock
from infra.identifiers import load_identifier_types, normalise, token
from infra.ids import Purpose, Sid, content_digest
from infra.serving.embedded import Generations
from infra.workspace import Workspace
from profiles import render, serving
from profiles.config import load_settings
from profiles.serving import ProfileReader

NAME: Final = "Sandbox"
_SCOPES: Final = {
    "read": {"profile:read", "profile:explain", "decide"},
    "changes": {"changes:read"},
    "consent": {"consent:read", "consent:write", "consent:reasons", "preferences:link"},
    "console": {"console", "profile:read", "profile:explain", "consent:read", "consent:write"},
}
_WEB: Final = """\
source: web
connector: {type: collector}
record: event
key: messageId
occurred_at: timestamp
trust: 0.5
event: {type: type, name: event}
identifiers: {account: userId, email: traits.email, cookie: anonymousId}
fields: {given_name: traits.firstName, family_name: traits.lastName}
"""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A prepared workspace with the keys to it, and people by what they are good for in a test."""

    workspace: Workspace
    cast: Cast
    purposes: tuple[Purpose, ...] = ()
    keys: dict[str, str] = field(default_factory=dict, repr=False)

    def facts(self, url: str) -> dict[str, Any]:
        """Return what an application's test needs to know."""
        whole = self.cast
        return {
            "url": url,
            "people": len(whole.people),
            "keys": self.keys,
            "purposes": list(self.purposes),
            "samples": {
                "willing": _told(whole.willing),
                "denied": _told(whole.denied),
                "restricted": _told(whole.restricted),
                "merged": {"merged_id": whole.merged_id, **_told(whole.survivor)},
                "split": {"split_id": whole.split_id, "successors": [one.id for one in whole.successors]},
                "shared": {"phone": whole.shared_phone, "people": [_told(one) for one in whole.sharers]},
            },
            "emails": [one.email for one in whole.people],
        }


def prepared(root: Path, *, seed: int, people: int, now: datetime) -> Sandbox:
    """Write a sandbox into an empty folder; the same seed gives the same people, ids and keys."""
    _laid_out(root, seed)
    workspace = Workspace.open(root)
    everybody = cast(seed, people)
    # Whole days: what is told of the past stays the same from one start to the next of a day.
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    _publish(workspace, everybody, today)
    return Sandbox(workspace, everybody)


def opened(made: Sandbox, *, seed: int, clock: Clock) -> tuple[Sandbox, World]:
    """Return the sandbox with its keys, and the server's world over it, whose every read asks the ledger."""
    world = open_world(made.workspace)
    decider, ledger = world.decider, world.consents
    assert isinstance(decider, NextBest)  # noqa: S101 - what `open_world` puts there
    assert isinstance(ledger, Ledger)  # noqa: S101 - as above
    desk = ledger.desk
    _say(made, desk, clock())
    profiles = Decided(ProfileReader(decider.shelf, Undenied()), desk, clock)
    rng, purposes = Random(f"{seed}/keys"), list(desk.policy.purposes)
    held = {
        name: create_key(world.database, name=name, scopes=scopes, purposes=purposes, at=clock(), draw=rng.randbytes)
        for name, scopes in _SCOPES.items()
    }
    held["write"] = create_key(
        world.database, name="web", scopes={WRITE}, purposes=(), source="web", at=clock(), draw=rng.randbytes
    )
    world.ring.refresh()
    changes = None if world.changes is None else world.changes.over(profiles)
    decided = replace(
        world, profiles=profiles, decider=replace(decider, views=profiles), changes=changes,
        past=None if changes is None else changes.past(),
    )  # fmt: skip
    return replace(made, keys=held, purposes=tuple(purposes)), decided


def _laid_out(root: Path, seed: int) -> None:
    shutil.copytree(Path(str(files("api") / "templates" / "workspace")), root, dirs_exist_ok=True)
    page = root / "kindred.yaml"
    # Nothing here runs jobs or follows the log: what an erasure asks of the job runner waits, and events are kept only.
    alone = "port: 8460, erase: false, online: false"
    text = page.read_text(encoding="utf-8").replace("NAME", NAME).replace("port: 8460", alone)
    page.write_text(text, encoding="utf-8")
    (root / "sources" / "web.yaml").write_text(_WEB, encoding="utf-8")
    rng = Random(f"{seed}/workspace")
    descriptor = os.open(root / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        for name in ("KINDRED_TOKEN_KEY", "KINDRED_SIGNING_KEY", "KINDRED_SUBJECT_KEY"):
            file.write(f"{name}={rng.randbytes(32).hex()}\n")


def _publish(workspace: Workspace, everybody: Cast, at: datetime) -> None:
    policy, kinds, key = load_policy(workspace), load_identifier_types(workspace), workspace.token_key()

    def named(kind: str, value: str) -> dict[str, str]:
        spelled = normalise(kinds[kind].normaliser, value, workspace.settings.region) or value
        return {"type": kind, "value": spelled, "token": token(key, kind, spelled)}

    masks = {purpose: policy.masks.get(purpose, ()) for purpose in policy.purposes}
    shelf = Shelf(masks, render.kinds(load_settings(workspace)), named, at)
    generations = Generations(workspace.serving_path / serving.FOLDER)
    generations.root.mkdir(parents=True, exist_ok=True)
    with generations.building("sandbox") as writer:
        for place, value in entries(everybody, shelf):
            writer.put(place, value)
    generations.publish("sandbox")


def _say(made: Sandbox, desk: officer.Desk, now: datetime) -> None:
    """Put everybody's words into the ledger, said a month ago; one transaction."""

    def named(kind: str, value: str) -> dict[str, str]:
        return {"token": officer.token_of(desk, kind, value)}

    at = now - timedelta(days=30)
    said = [
        consent.store.Said(tokens_of(one, named)[0], _entry(one, purpose, action, at))
        for one in made.cast.people
        for purpose, action in one.said
    ]
    consent.store.append(desk.database, said, consent.store.secret_sid)


def _entry(one: Invented, purpose: str, action: str, at: datetime) -> ConsentEntry:
    return ConsentEntry(
        id=content_digest(["sandbox", one.id, purpose, action]),
        sid=Sid(""),
        identifier_kind="email",
        purpose=Purpose(purpose),
        action=action,
        mechanism="centre",
        occurred_at=at,
        received_at=at,
        jurisdiction="US-OH",
    )


def _told(one: Invented) -> dict[str, Any]:
    return {"profile_id": one.id, "given_name": one.given, **dict(one.identifiers)}
