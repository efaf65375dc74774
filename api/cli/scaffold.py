"""The commands that begin a workspace and keep it sound: init, check, doctor."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

import activation.config
import consent.config
import consent.ledger.vault
import consent.officer
import consent.requests.config
import consent.signals.config
import identity.config
import ingestion.config
import profiles.config
from api.cli import featuring
from api.cli.console import as_json, reporting, say, table
from api.cli.drifting import stale
from api.cli.jobs import hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.replaying import asked, summary_of
from api.cli.retained import checked
from api.cli.world import open_world
from consent.requests.opendsr.signing import Seal, Trust
from infra.clock import system_clock
from infra.errors import Malformed, Refused, Unavailable
from infra.identifiers import load_identifier_types
from infra.workspace import Workspace

app = typer.Typer()

# What a workspace keeps in its .env, or production in its environment: of identifiers' tokens, of signatures, and the
# one that wraps each person's own key.
KEYS = ("KINDRED_TOKEN_KEY", "KINDRED_SIGNING_KEY", "KINDRED_SUBJECT_KEY")


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write a new workspace: settings, identity rules, consent policy, and its keys in .env."""
    with reporting():
        if (folder / "kindred.yaml").exists() and (added := write_keys(folder)):
            say(f"{folder} is a workspace already; what its .env lacked was added: {', '.join(added)}")
            return
        write_workspace(folder)
        say(f"a workspace lies in {folder}; declare a source in its sources/, then `kindred check` and `kindred run`")


def write_workspace(folder: Path) -> None:
    """Write the template of a workspace; raise `Refused` where one is already."""
    if (folder / "kindred.yaml").exists():
        raise Refused(f"{folder} is a workspace already; `kindred check` validates it")
    try:
        shutil.copytree(Path(str(files("api") / "templates" / "workspace")), folder, dirs_exist_ok=True)
    except OSError as error:  # shutil.Error is one: it gathers those of single files
        why = (error.strerror or "some of its files cannot be written").lower()
        raise Unavailable(f"{folder} cannot be written: {why}; name a new folder, or one that you own") from None
    settings = folder / "kindred.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("NAME", folder.resolve().name), encoding="utf-8")
    write_keys(folder)


def write_keys(folder: Path) -> list[str]:
    """Add the keys that a workspace's `.env` lacks, readable by its owner alone, and return their names."""
    path = folder / ".env"
    held = path.read_text(encoding="utf-8") if path.exists() else ""
    lacking = [name for name in KEYS if not re.search(rf"^(export )?{name}=", held, re.MULTILINE)]
    if not lacking:
        return []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("\n" if held and not held.endswith("\n") else "")
        file.writelines(f"{name}={secrets.token_hex(32)}\n" for name in lacking)
    return lacking


@app.command()
def check(
    workspace: WorkspaceOption = Path(),
    against: Annotated[
        str | None,
        typer.Option(
            help="Hold what came lately (for example 7d) to the declarations as they are now; writes nothing."
        ),
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="With --against: only this source; may be repeated.")] = None,
    json: JsonOption = False,
) -> None:
    """Validate every file of the workspace; the first that is wrong is named with its line and what would be right."""
    with reporting():
        if against is None and (source or json):
            raise Malformed("--source and --json go with --against, for example --against 7d")
        place = Workspace.open(workspace)
        for line in (validate(place), *stale(place, system_clock())):
            if not json:
                say(line)
        if against is not None:
            _against(workspace, against, source or (), json=json)


def _against(root: Path, since: str, sources: Sequence[str], *, json: bool) -> None:
    world = open_world(root)
    row = hand_over(world, "ingest", {**asked(world, sources, since, None), "against": "yes"}, quiet=json)
    if json:
        as_json({"run": row.number, **summary_of(row.steps)})


def validate(workspace: Workspace) -> str:
    """Return one line that counts what was found sound; raise `ConfigurationError` at the first fault."""
    kinds = load_identifier_types(workspace)
    sources = ingestion.config.load_sources(workspace)
    identity.config.load_identity(workspace)
    policy = consent.config.load_policy(workspace)
    consent.signals.config.load_signals(workspace, policy)
    asked_of_us = consent.requests.config.load_requests(workspace)
    if asked_of_us.opendsr is not None:
        Seal.load(workspace.root, asked_of_us.opendsr, system_clock())
        Trust.load(workspace.root, asked_of_us.opendsr)
    rules = checked(workspace)
    profiles.config.load_settings(workspace)
    matchable = activation.config.matchable(kinds)
    found = activation.config.load_activation(workspace, policy.purposes, matchable, policy.masks)
    sets = featuring.checked(workspace)
    workspace.token_key()
    consent.officer.sealing_key(workspace)
    consent.ledger.vault.wrapping_key(workspace)
    return (
        f"sound: {len(sources)} sources, {_plans(sources)}{len(kinds)} identifier types, "
        f"{len(policy.purposes)} purposes, "
        f"{len(found.audiences)} audiences, {len(found.destinations)} destinations"
        f"{f', {len(sets)} feature sets' if sets else ''}"
        f"{f', {len(rules)} rules of retention' if rules else ''}"
    )


def _plans(sources: Sequence[ingestion.config.Source]) -> str:
    planned = {source.tracking.tracking_plan for source in sources if source.tracking}
    return f"{len(planned)} tracking plans, " if planned else ""


@app.command()
def doctor(
    jars: Annotated[bool, typer.Option("--jars", help="Fetch the jars of Spark and Kafka, once.")] = False,
) -> None:
    """Check the machine: Python, JDK 17, memory, disk."""
    with reporting():
        if jars:
            _fetch_jars()
            return
        rows = [("Python", sys.version.split()[0], "3.11 or newer"), ("JDK", _java_version(), "17")]
        free = shutil.disk_usage(Path.cwd()).free / 2**30
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        rows += [("memory", f"{memory:.0f} GiB", "4 GiB or more"), ("free disk", f"{free:.0f} GiB", "5 GiB or more")]
        table("machine", ["what", "found", "wanted"], rows)


def _fetch_jars() -> None:
    from infra.jars import broker_jars
    from infra.settings import EngineSettings
    from infra.spark import session

    broker_jars()
    with tempfile.TemporaryDirectory() as work:
        session(EngineSettings(), Path(work)).stop()


def _java_version() -> str:
    java = shutil.which("java")
    if java is None:
        raise Unavailable("no java on the PATH; install a JDK 17, for example: apt-get install openjdk-17-jdk-headless")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - java itself
    return told.splitlines()[0] if told else "unknown"
