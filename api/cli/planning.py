"""`kindred plan`: what other rules, limits, thresholds or another model would change, before anything is written."""

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from activation.tables import AUDIENCE_MEMBERS
from api.cli import foreseeing
from api.cli.console import ERR, as_json, reporting, say
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from identity.config import IdentityConfig, load_identity, overridden
from identity.errors import TooManyChanges
from identity.stewardship import store
from infra import shelf
from infra.clock import system_clock
from infra.errors import Malformed
from infra.ids import ProfileId
from infra.workspace import Workspace

app = typer.Typer()


@app.command()
def plan(  # noqa: PLR0917 - typer reads its options from the parameters
    identity: Annotated[Path | None, typer.Option(help="An identity.yaml to try in place of the workspace's.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A key to try, as thresholds.merge=2; may be repeated.")
    ] = None,
    train: Annotated[bool, typer.Option("--train", help="Try a model learnt anew from the records.")] = False,
    labels: Annotated[Path | None, typer.Option(help="Labelled pairs that a model learnt anew hears too.")] = None,
    at_most: Annotated[
        int | None, typer.Option(help="Leave with exit code 4 where more profile ids than this would change.", min=0)
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="A policy.yaml to try: whose permissions would it change?")
    ] = None,
    consent_labels: Annotated[Path | None, typer.Option(help="A consent/labels.yaml to try with it.")] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Rehearse a resolution with other rules or another model: merges, splits, held profiles; nothing is written.

    With another policy: who would gain or lose which purpose, where and why; nothing is resolved then.
    """
    from rich.status import Status

    from identity.modelling import labelled
    from identity.stewardship.dryrun import Wanted, rehearse

    with reporting():
        world = open_world(workspace)
        if policy or consent_labels:
            if identity or set_ or train or labels:
                raise Malformed("try a policy alone, then rules of identity: each changes what the other is held to")
            _foresee(world, policy, consent_labels, json=json)
            return
        now = load_identity(world.workspace)
        then = overridden(_tried(world.workspace, identity), _keys(set_ or ()))
        standing = [s.constraint for s in store.standing(world.database, system_clock())]
        taught = labelled.read(labels) if labels else ()
        wanted = Wanted(now, then, standing, train=train or bool(taught), labels=taught)
        folder = Path(tempfile.mkdtemp(prefix="kindred-plan-"))
        try:
            with Status("rehearsing", console=ERR):
                found = rehearse(world.workspace.lake_path, wanted, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        audiences = _audiences(world.workspace.lake_path, found.touched)
        if json:
            as_json(found.facts() | {"audiences": audiences})
        else:
            for line in found.lines():
                say(line)
            for name, (moved, members) in audiences.items():
                say(f"audience {name}: {moved:,} of {members:,} members would be another person")
        if at_most is not None and found.changed_ids > at_most:
            raise TooManyChanges(found.changed_ids, at_most)


def _foresee(world: World, policy: Path | None, labels: Path | None, *, json: bool) -> None:
    found, left_out = foreseeing.foreseen(world, policy, labels, system_clock()), foreseeing.unresolved(world)
    if json:
        as_json(foreseeing.facts(found, left_out))
        return
    for line in foreseeing.lines(found, left_out):
        say(line)


def _audiences(lake: Path, touched: Collection[ProfileId]) -> dict[str, tuple[int, int]]:
    """Return for each audience how many of its members would unite or fall apart, and how many it has."""
    if not shelf.exists(lake, AUDIENCE_MEMBERS):
        return {}
    found: dict[str, tuple[int, int]] = {}
    for batch in shelf.batches(lake, AUDIENCE_MEMBERS, columns=["audience", "profile_id"]):
        for row in batch.to_pylist():
            moved, members = found.get(row["audience"], (0, 0))
            found[row["audience"]] = (moved + (row["profile_id"] in touched), members + 1)
    return dict(sorted(found.items()))


def _tried(workspace: Workspace, file: Path | None) -> IdentityConfig:
    if file is None:
        return load_identity(workspace)
    path = file.resolve()
    return Workspace(path.parent, workspace.settings, workspace.environ).load(path.name, IdentityConfig)


def _keys(said: list[str] | tuple[()]) -> dict[str, str]:
    pairs = [one.partition("=") for one in said]
    wrong = next((name for name, equals, _ in pairs if not (name and equals)), None)
    if wrong is not None:
        raise Malformed(f"--set {wrong}: write key=value, for example thresholds.merge=2")
    return {name.strip(): value for name, _, value in pairs}
