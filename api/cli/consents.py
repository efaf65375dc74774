"""The consent ledger by command line: record a word, show what was said, ask for a decision."""

import csv
import getpass
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

import consent.funnel
from api.cli.console import as_json, reporting, say, table
from api.cli.naming import Named, named
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.partings import changes, clear_borrowed
from api.cli.processing import processing
from api.cli.world import World, open_world
from api.http.centre.closed import close_links
from api.http.centre.link import HOME, Gate
from consent import officer
from consent.ledger.sealer import seal
from consent.officer import Desk, Inquiry, Statement
from consent.signals.imported import bring_in
from consent.suppression import kept_out
from infra.clock import system_clock
from infra.errors import Malformed, Missing, Unavailable

app = typer.Typer(no_args_is_help=True)
app.command()(processing)
app.command()(changes)
app.command("clear")(clear_borrowed)

# How far back `funnel` looks for a run.
_RUNS = 10_000
# How many rows of a file are told on the screen; all of them go to --verdicts and --json.
_TOLD = 50
IdentifierArgument = Annotated[str, typer.Argument(help="type:value, for example email:ann@example.org")]


def _desk(world: World) -> Desk:
    return Desk.open(world.workspace, world.database)


def _identifier(text: str) -> Named:
    found = named(text)
    if found is None:
        raise Malformed("write the identifier as type:value, for example email:ann@example.org")
    return found


@app.command()
def record(  # noqa: PLR0917 - typer reads its options from the parameters
    identifier: IdentifierArgument,
    purpose: Annotated[str, typer.Argument(help="A purpose of the policy.")],
    action: Annotated[str, typer.Argument(help="given, refused, withdrawn, objected, restricted, unrestricted …")],
    workspace: WorkspaceOption = Path(),
    mechanism: Annotated[str, typer.Option(help="How it was said.")] = "operator",
    channel: Annotated[str | None, typer.Option(help="Only for this channel, for example email.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Where it was said, for example US-OH.")] = None,
    notice: Annotated[str | None, typer.Option(help="The notice shown, as id or id@version.")] = None,
    language: Annotated[str | None, typer.Option(help="The language in which it was shown, for example de.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it runs out (ISO 8601 with zone).")] = None,
    json: JsonOption = False,
) -> None:
    """Add a word to the ledger; a refusal is obeyed by every reader before this command returns."""
    with reporting():
        desk, now = _desk(open_world(workspace)), system_clock()
        kind, value = _identifier(identifier)
        receipt = officer.record(
            desk,
            Statement(
                kind=kind,
                token=officer.token_of(desk, kind, value),
                purpose=purpose,
                action=action,
                occurred_at=now,
                received_at=now,
                mechanism=mechanism,
                asserted_by="operator",
                channel=channel,
                jurisdiction=jurisdiction,
                notice=notice,
                language=language,
                expires_at=_moment(expires),
            ),
        )
        if json:
            as_json(receipt)
        else:
            say(f"recorded as {receipt['id']}: {action} for {purpose}")
            denied = ", ".join(receipt["denied_at_once"])
            say(f"denied at once: {denied}" if denied else "what a yes allows is shown from the next run on")
        # The word counts already. Nobody has to be running to seal it: who comes first does, and others find nothing.
        if desk.signer is not None:
            seal(desk.database, desk.signer, system_clock)


@app.command()
def show(identifier: IdentifierArgument, workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Show everything that was said under an identifier, the oldest first."""
    with reporting():
        desk = _desk(open_world(workspace))
        entries = officer.show(desk, [officer.token_of(desk, *_identifier(identifier))])
        if json:
            as_json(entries)
            return
        columns = ["occurred_at", "purpose", "action", "mechanism", "channel", "jurisdiction", "expires_at"]
        table(f"{len(entries)} entries", columns, [[entry[column] for column in columns] for entry in entries])


@app.command()
def decide(
    identifier: IdentifierArgument,
    purpose: Annotated[str, typer.Argument(help="A purpose of the policy.")],
    workspace: WorkspaceOption = Path(),
    channel: Annotated[str | None, typer.Option(help="The channel it is for.")] = None,
    as_of: Annotated[str | None, typer.Option(help="What was known then (ISO 8601 with zone).")] = None,
    json: JsonOption = False,
) -> None:
    """Say whether the identifier may be used for a purpose, why, and on which line of the policy it rests."""
    with reporting():
        desk = _desk(open_world(workspace))
        token = officer.token_of(desk, *_identifier(identifier))
        inquiry = Inquiry(
            purpose=purpose,
            at=_moment(as_of) or system_clock(),
            actor=getpass.getuser(),
            channel=channel,
            contact=token,
        )
        facts = officer.decide_for(desk, {token: "own"}, inquiry).facts()
        if json:
            as_json(facts)
            return
        verdict = "allowed" if facts["allowed"] else "denied"
        say(f"{verdict}: {facts['reason']} ({facts['policy_line']}); logged as {facts['id']}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8: type, identifier, purpose, action, occurred_at …")],
    workspace: WorkspaceOption = Path(),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of each row; write nothing.")
    ] = False,
    verdicts: Annotated[Path | None, typer.Option(help="Write the verdict on every row to this CSV file.")] = None,
    json: JsonOption = False,
) -> None:
    """Take words about consent from a CSV file into the ledger; every row gets a verdict, and none is taken twice."""
    with reporting():
        content = _bytes_of(file)
        world = open_world(workspace)
        out = kept_out(world.database, world.workspace.token_keys())
        report = bring_in(_desk(world), content, system_clock(), dry=dry_run, kept_out=out)
        rows = [(one.row, one.verdict, one.because) for one in report.verdicts]
        if verdicts is not None:
            _write(verdicts, [("row", "verdict", "because"), *rows])
        if json:
            listed = [dict(zip(("row", "verdict", "because"), row, strict=True)) for row in rows]
            as_json({"dry_run": dry_run, "counts": report.counts, "rows": listed})
            return
        told = [row for row in rows if row[2] is not None]
        table(f"rows with a word, {min(len(told), _TOLD)} of {len(told)}", ["row", "verdict", "because"], told[:_TOLD])
        counts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(report.counts.items())) or "no rows"
        say(f"would be: {counts}; nothing was written" if dry_run else counts)


@app.command()
def link(
    identifier: IdentifierArgument,
    workspace: WorkspaceOption = Path(),
    hours: Annotated[int, typer.Option(help="How long the link holds.", min=1, max=24 * 31)] = 24 * 7,
    close: Annotated[bool, typer.Option("--close", help="Close every link that was made until now instead.")] = False,
) -> None:
    """Print a link to the preference centre: whoever holds it answers for the person, so send it to them alone."""
    with reporting():
        world = open_world(workspace)
        kind, value = _identifier(identifier)
        settings = world.workspace.settings.serving
        gate, token = Gate(world.workspace.token_key()), officer.token_of(_desk(world), kind, value)
        if close:
            close_links(world.database, gate, token, system_clock())
            say("every link to this page that was made until now is closed, with the visits that they opened")
            return
        signed = gate.link(kind, token, system_clock(), timedelta(hours=hours))
        say(f"http://{settings.host}:{settings.port}{HOME}/enter/{signed}")


@app.command()
def funnel(
    number: Annotated[
        int | None, typer.Argument(help="A run of `kindred runs`; the newest published by default.")
    ] = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Show whom a run let in and left out at each stage: by purpose, reason and line of the policy."""
    with reporting():
        world = open_world(workspace)
        newest = world.runs.newest_manifest()
        rows = world.runs.latest(_RUNS) if number is not None else [newest] if newest is not None else []
        run = next((row for row in rows if number in {None, row.number}), None)
        if run is None:
            raise Missing("there is no such run" if number is not None else "no run has published yet")
        for stage, counts in consent.funnel.funnel(world.database, run.id).items():
            for line in consent.funnel.lines(stage, counts):
                say(line)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        why = (error.strerror or "input or output error").lower()
        raise Missing(f"the file cannot be read: {why}; name a CSV file") from None


def _write(file: Path, rows: Iterable[Sequence[object]]) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)
    except OSError as error:
        why = (error.strerror or "input or output error").lower()
        raise Unavailable(f"the verdicts cannot be written: {why}; name another file") from None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{text} is no moment; write it as 2027-01-31T00:00:00+00:00") from None
    if moment.tzinfo is None:
        raise Malformed(f"{text} names no time zone; write it as {text}+00:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Malformed(f"{text} is outside the calendar; write it as 2027-01-31T00:00:00+00:00") from None
