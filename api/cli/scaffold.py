"""The commands that begin a workspace and keep it sound: init, check, doctor."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

import activation.config
import consent.config
import identity.config
import ingestion.config
import profiles.config
from api.cli.console import reporting, say, table
from api.cli.options import WorkspaceOption
from infra.errors import Refused, Unavailable
from infra.identifiers import load_identifier_types
from infra.workspace import Workspace

app = typer.Typer()


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write a new workspace: settings, identity rules, consent policy, and a token key in .env."""
    with reporting():
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
    write_token_key(folder)


def write_token_key(folder: Path) -> None:
    """Write a fresh token key into the workspace's `.env`, readable by its owner alone; keep one that is there."""
    path = folder / ".env"
    if path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"KINDRED_TOKEN_KEY={secrets.token_hex(32)}\n")


@app.command()
def check(workspace: WorkspaceOption = Path()) -> None:
    """Validate every file of the workspace; the first that is wrong is named with its line and what would be right."""
    with reporting():
        say(validate(Workspace.open(workspace)))


def validate(workspace: Workspace) -> str:
    """Return one line that counts what was found sound; raise `ConfigurationError` at the first fault."""
    kinds = load_identifier_types(workspace)
    sources = ingestion.config.load_sources(workspace)
    identity.config.load_identity(workspace)
    policy = consent.config.load_policy(workspace)
    profiles.config.load_settings(workspace)
    matchable = activation.config.matchable(kinds)
    found = activation.config.load_activation(workspace, policy.purposes, matchable, policy.masks)
    workspace.token_key()
    return (
        f"sound: {len(sources)} sources, {len(kinds)} identifier types, {len(policy.purposes)} purposes, "
        f"{len(found.audiences)} audiences, {len(found.destinations)} destinations"
    )


@app.command()
def doctor(
    jars: Annotated[bool, typer.Option("--jars", help="Also let Spark fetch the jars it needs, once.")] = False,
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
    from infra.settings import EngineSettings
    from infra.spark import session

    with tempfile.TemporaryDirectory() as work:
        session(EngineSettings(), Path(work)).stop()


def _java_version() -> str:
    java = shutil.which("java")
    if java is None:
        raise Unavailable("no java on the PATH; install a JDK 17, for example: apt-get install openjdk-17-jdk-headless")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - java itself
    return told.splitlines()[0] if told else "unknown"
