"""`kindred try`: files that nobody described become a workspace with profiles, and every choice says why."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from api.cli.acts import end_runner
from api.cli.client import wait_until_ready
from api.cli.console import OUT, reporting, say, table
from api.cli.jobs import hand_over
from api.cli.laying import begun as begun_in
from api.cli.laying import holds, lay, refuse_strangers
from api.cli.merges import tell_merges
from api.cli.scaffold import validate
from api.cli.world import World, open_world
from infra.clock import system_clock
from infra.errors import Malformed, Refused
from infra.phones import known_region
from infra.workspace import Workspace
from ingestion.proposal.gather import gather, spread
from ingestion.proposal.known import known_of
from ingestion.proposal.model import KEPT, Proposed, Unread, WorkspaceProposal
from ingestion.proposal.propose import propose
from ingestion.proposal.written import left_out

app = typer.Typer()
_NAMED = 8
FilesArgument = Annotated[
    list[Path],
    typer.Argument(help="Files or folders: CSV, NDJSON, JSON or Parquet, packed (.gz .bz2 .xz .zst) or not."),
]
RegionOption = Annotated[
    str | None, typer.Option(help="The country of telephone numbers that name none, such as DE; else it is guessed.")
]


@app.command("try")
def try_files(
    files: FilesArgument,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="A new folder for the workspace.")] = Path(
        "tried"
    ),
    region: RegionOption = None,
    port: Annotated[int | None, typer.Option(help="Where the server listens; a free port without it.")] = None,
    merges: Annotated[int, typer.Option(help="How many of the surest and of the doubtful merges to show.", min=0)] = 3,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the profiles until Ctrl-C.")] = True,
) -> None:
    """Propose what files mean, write a workspace, run it and serve it on this machine; say what was not understood.

    The files are copied into the workspace and never changed. Run again with the same folder, it goes on where it was.
    """
    with reporting():
        begun = time.monotonic()
        world = open_world(proposed_workspace(files, workspace, checked(region), port, begun))
        say(validate(world.workspace))
        try:
            headline(begun, "ingest, resolve, build, publish")
            hand_over(world, "run", {})
        finally:
            end_runner(world)
        headline(begun, "who became one")
        tell_merges(world, merges)
        headline(
            begun, f"the workspace lies in {workspace}; its sources/ are yours to mend, `kindred run` takes them in"
        )
        if serve:
            _serve(world, begun)


def checked(region: str | None) -> str | None:
    """Return a region that has telephone numbers; raise `Malformed` for any other."""
    try:
        return None if region is None else known_region(region)
    except ValueError as error:
        raise Malformed(f"--region: {error}") from None


def proposed_workspace(files: Sequence[Path], folder: Path, region: str | None, port: int | None, begun: float) -> Path:
    """Return the folder with the workspace that the files propose; one that is there is gone on with."""
    refuse_strangers(folder)
    if (folder / "kindred.yaml").exists():
        _go_on(folder, files)
        return folder
    headline(begun, "looking at the files")
    gathered = gather(files, today=system_clock().date(), region=region)
    if not gathered.facts:
        raise nothing_of(gathered.unread)
    place = begun_in(folder)
    proposal = propose(gathered.facts, known_of(place))
    lay(place, folder, proposal, gathered.files, port)
    tell(proposal, gathered.unread)
    return folder


def _go_on(folder: Path, files: Sequence[Path]) -> None:
    """Say that a workspace is there; raise `Refused` where its data are not the files that were named."""
    if not holds(folder, spread(files)):
        raise Refused(
            f"{folder} is a workspace already, of other files; `kindred source add FILE -w {folder}` adds a source, "
            "or name a new folder with -w"
        )
    say(f"{folder} holds these files already; going on with its sources as they are")


def nothing_of(unread: Sequence[Unread]) -> Malformed:
    """Return the error of files of which nothing was understood, each with the reason."""
    told = ". ".join(f"{one.file}: {one.because}" for one in unread)
    return Malformed(
        f"nothing was understood. {told or 'The folder has no CSV, NDJSON, JSON or Parquet file; name one'}"
    )


def tell(proposal: WorkspaceProposal, unread: Sequence[Unread]) -> None:
    """Print what is proposed, with reasons, and what was not understood."""
    rows = [
        (
            s.source,
            s.record,
            f"{s.rows:,}",
            ", ".join(s.key.value),
            str(s.at.value) if s.at else "",
            _people(s),
            s.because,
        )
        for s in proposal.sources
    ]
    table("what the files are", ["source", "record", "rows", "key", "when", "identifiers", "because"], rows)
    for source in proposal.sources:
        _tell_fields(source)
    for new in proposal.types:
        say(f"identity.yaml gains the identifier type {new.name}: {new.because}")
    doubts = [(s.source, d) for s in proposal.sources for d in s.doubts] + [("", d) for d in proposal.doubts]
    _listed("doubtful, so look at these first", doubts)
    left = [
        (s.source, f"left out {_some(columns)}: {because}")
        for s in proposal.sources
        for because, columns in left_out(s).items()
    ]
    notes = [(s.source, note) for s in proposal.sources for note in s.notes]
    _listed("not understood or not taken in", [*((u.file, u.because) for u in unread), *notes, *left])


def _some(columns: Sequence[str]) -> str:
    more = len(columns) - _NAMED
    return ", ".join(columns[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _people(source: Proposed) -> str:
    return ", ".join(
        f"{kind}: {'+'.join(str(line.value) for line in lines)}" for kind, lines in source.identifiers.items()
    )


def _tell_fields(source: Proposed) -> None:
    meant = [(name, line) for name, line in source.fields.items() if line.because != KEPT]
    lines = [(kind, line) for kind, held in source.identifiers.items() for line in held]
    if meant or lines:
        rows = [(name, line.value, line.because) for name, line in (*meant, *lines)]
        table(f"{source.source}: what its columns say of people", ["is", "column", "because"], rows)


def _listed(title: str, lines: Sequence[tuple[str, str]]) -> None:
    if lines:
        say(f"{title}:")
        for where, told in lines:
            say(f"  {where}: {told}" if where else f"  {told}")


def headline(begun: float, text: str) -> None:
    """Print a step with the seconds since the beginning."""
    OUT.print(f"[bold cyan]{time.monotonic() - begun:6.1f}s[/] ", end="")
    OUT.print(text, markup=False)


def _serve(world: World, begun: float) -> None:
    """Serve the profiles on loopback until Ctrl-C."""
    import consent.config
    from api.http import keys

    port = _port(world.workspace)
    purposes = tuple(consent.config.load_policy(world.workspace).purposes)
    key = keys.create_key(world.database, name="try", scopes=keys.SCOPES, purposes=purposes, at=system_clock())
    command = [sys.executable, "-m", "api.cli.main", "serve", "-w", str(world.workspace.root), "--port", str(port)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (world.workspace.state_path / "server.log").open("ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until_ready(base, 60)
        headline(begun, f"served at {base}/ (log in with the key {key})")
        say("the server stays up; Ctrl-C ends it")
        server.wait()
    except KeyboardInterrupt:
        say("ended")
    finally:
        server.terminate()
        server.wait(timeout=30)


def _port(workspace: Workspace) -> int:
    """Return the workspace's port if nobody listens there, else a free one."""
    wanted = workspace.settings.serving.port
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted
