"""Privacy requests by command line: take one down, prove who asks, judge it, carry it out."""

import getpass
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, cast

import typer

from api.cli.consents import _identifier, _moment
from api.cli.console import as_json, reporting, say, table
from api.cli.jobs import hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from api.http.privacy.office import Office
from consent import officer
from consent.erasure import asked
from consent.erasure.errors import NobodyFound
from consent.requests import clocks, intake, judge, prove
from consent.requests.desk import Desk, get, listed, steps
from consent.requests.errors import Unreadable
from consent.requests.grounds import GROUNDS
from consent.requests.model import RIGHTS, Asker, Claimed, Request, Right, Wish
from infra.clock import system_clock
from infra.errors import KindredError
from infra.identifiers import IdentifierType, load_identifier_types, normalise
from profiles.serving import ProfileReader, Published, serving_store

app = typer.Typer(no_args_is_help=True)
IdArgument = Annotated[str, typer.Argument(help="The id that `privacy request` printed.")]
OfficerOption = Annotated[str | None, typer.Option("--officer", help="Who acts; whoever is logged in by default.")]


def _world(root: Path) -> tuple[World, Desk]:
    world = open_world(root)
    return world, Desk.open(world.workspace, world.database)


def _actor(name: str | None) -> str:
    return f"officer:{name or getpass.getuser()}"


def claim(desk: officer.Desk, kinds: dict[str, IdentifierType], text: str) -> Claimed:
    """Return an identifier as somebody types it, in its one spelling."""
    kind, value = _identifier(text)
    token = officer.token_of(desk, kind, value)
    return Claimed(kind, token, normalise(kinds[kind].normaliser, value, desk.region) or "")


@app.command()
def request(  # noqa: PLR0917 - typer reads its options from the parameters
    right: Annotated[str, typer.Argument(help=f"One of {', '.join(RIGHTS)}.")],
    identifier: Annotated[list[str], typer.Argument(help="type:value, for example email:ann@example.org; or several")],
    workspace: WorkspaceOption = Path(),
    jurisdiction: Annotated[str | None, typer.Option(help="Where the person is, for example DE or US-CA.")] = None,
    regulation: Annotated[str | None, typer.Option(help="The law, where the place does not say it.")] = None,
    received: Annotated[str | None, typer.Option(help="When it came (ISO 8601 with zone), if not now.")] = None,
    asked_by: Annotated[str, typer.Option("--by", help="subject, agent or guardian.")] = "subject",
    purpose: Annotated[list[str] | None, typer.Option(help="With objection: to which purposes; or to all.")] = None,
    correct: Annotated[list[str] | None, typer.Option(help="With rectification: field=value; may be repeated.")] = None,
    lift: Annotated[bool, typer.Option("--lift", help="With restriction: end one.")] = False,
    officer_: OfficerOption = None,
    json: JsonOption = False,
) -> None:
    """Take a request down and print its receipt; nobody is looked up, and the receipt is the same for everybody."""
    with reporting():
        world, desk = _world(workspace)
        words, now = officer.Desk.open(world.workspace, world.database), system_clock()
        unknown = sorted(set(purpose or []) - set(words.policy.purposes))
        if unknown:
            raise Unreadable("an unknown purpose", f"the policy declares {', '.join(words.policy.purposes)}")
        kinds = load_identifier_types(world.workspace)
        details: dict[str, object] = {"purposes": sorted(purpose)} if purpose else {}
        wish = Wish(
            right=cast("Right", right),  # intake says which there are
            identifiers=tuple(claim(words, kinds, one) for one in dict.fromkeys(identifier)),
            received_at=_moment(received) or now,
            actor=_actor(officer_),
            regulation=regulation,
            jurisdiction=jurisdiction,
            asked_by=cast("Asker", asked_by),
            details=details | ({"lift": True} if lift else {}),
            sealed={"corrections": _pairs(correct)} if correct else {},
        )
        _shown(intake.open_request(desk, wish, now), json)


@app.command("list")
def list_(
    workspace: WorkspaceOption = Path(),
    every: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    json: JsonOption = False,
) -> None:
    """List the open requests with their clocks, the most urgent first."""
    with reporting():
        _, desk = _world(workspace)
        now = system_clock()
        found = listed(desk, every=every)
        if json:
            as_json([_facts(one, now) for one in found])
            return
        rows = [_line(one, now) for one in found]
        table(f"{len(rows)} requests", ["id", "right", "status", "law", "received", "due", "days", "alarm"], rows)


@app.command()
def show(request_id: IdArgument, workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Show where a request stands and every step that it took; no identifier is printed."""
    with reporting():
        _, desk = _world(workspace)
        found, now = get(desk, request_id), system_clock()
        taken = steps(desk, request_id)
        if json:
            as_json(_facts(found, now) | {"steps": [{name: getattr(s, name) for name in s.__slots__} for s in taken]})
            return
        say(f"{found.right} {found.id}: {found.status}, by {found.regulation} due {found.due_at:%Y-%m-%d %H:%M} UTC")
        if found.ground is not None:
            say(f"refused: {GROUNDS[found.ground].told} ({GROUNDS[found.ground].article})")
        say(f"identifiers: {', '.join(f'{number} {kind}' for number, kind in enumerate(found.kinds))}")
        rows = [(s.sequence, s.step, s.store, s.at.isoformat(timespec="seconds"), s.actor) for s in taken]
        table("steps", ["", "step", "store", "at", "by"], rows)


@app.command()
def verify(
    request_id: IdArgument,
    workspace: WorkspaceOption = Path(),
    send: Annotated[int | None, typer.Option(help="Print a proof to be sent to the identifier of this number.")] = None,
    proof: Annotated[str | None, typer.Option(help="A proof that somebody brought back.")] = None,
    seen: Annotated[str | None, typer.Option(help="What you saw instead: passport, login, call_back …")] = None,
    officer_: OfficerOption = None,
) -> None:
    """Make sure who asks: print a proof to send, take one that came back, or note what you saw yourself."""
    with reporting():
        _, desk = _world(workspace)
        now, actor = system_clock(), _actor(officer_)
        if [send is not None, proof is not None, seen is not None].count(True) != 1:
            raise Unreadable("say one of three", "--send 0, --proof WORD or --seen passport")
        if send is not None:
            made = prove.challenge(desk, request_id, send, at=now, actor=actor)
            say(f"send this to the {made.holder.kind} that the person gave, and to nobody else, before")
            say(f"{made.expires_at.isoformat(timespec='minutes')}:")
            say(made.word)
        elif proof is not None:
            _told(prove.answer(desk, request_id, proof, at=now))
        else:
            _told(prove.attest(desk, request_id, str(seen), at=now, actor=actor))


@app.command()
def approve(
    request_id: IdArgument,
    workspace: WorkspaceOption = Path(),
    anyway: Annotated[bool, typer.Option("--anyway", help="Although an open request would be spoiled.")] = False,
    officer_: OfficerOption = None,
) -> None:
    """Accept a request whose person is verified; identifiers that nobody proved are left out for good."""
    with reporting():
        _, desk = _world(workspace)
        _told(judge.approve(desk, request_id, at=system_clock(), actor=_actor(officer_), anyway=anyway))


@app.command()
def refuse(
    request_id: IdArgument,
    ground: Annotated[str, typer.Argument(help=f"One of {', '.join(GROUNDS)}.")],
    workspace: WorkspaceOption = Path(),
    officer_: OfficerOption = None,
) -> None:
    """Refuse a request on a ground; the article that it stands on is written down."""
    with reporting():
        _, desk = _world(workspace)
        _told(judge.refuse(desk, request_id, ground, at=system_clock(), actor=_actor(officer_)))


@app.command()
def extend(
    request_id: IdArgument,
    reason: Annotated[str, typer.Argument(help="complexity or number_of_requests.")],
    workspace: WorkspaceOption = Path(),
    officer_: OfficerOption = None,
) -> None:
    """Lengthen the time as far as the law lets it, once; tell the person within the first term."""
    with reporting():
        _, desk = _world(workspace)
        found = judge.extend(desk, request_id, reason, at=system_clock(), actor=_actor(officer_))
        say(f"now due {found.due_at:%Y-%m-%d %H:%M} UTC; tell the person, with the reason, before the first term ends")


@app.command()
def cancel(request_id: IdArgument, workspace: WorkspaceOption = Path(), officer_: OfficerOption = None) -> None:
    """Take a request back; an erasure only before it is frozen."""
    with reporting():
        _, desk = _world(workspace)
        _told(judge.cancel(desk, request_id, at=system_clock(), actor=_actor(officer_)))


@app.command()
def run(
    workspace: WorkspaceOption = Path(),
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Erasures keep no older version of any file, and are certified now.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Carry on with every request that waits for us, deliver what waits to be sent, and tell which clocks ring."""
    with reporting():
        world, desk = _world(workspace)
        now = system_clock()
        office = _office(world, now)
        done = office.once(now)
        for erasure in asked.waiting(office.door, now):
            _erase(world, office, erasure, at_once=at_once, quiet=json)
        asked.follow(office.door, system_clock())
        ringing = [one for one in clocks.clocks(listed(desk), now) if one.alarm != "on_time"]
        if json:
            stuck = [_facts(one, now) | {"because": str(error)} for one, error in done.stuck]
            moved, late = [_facts(one, now) for one in done.moved], [_facts(clock.request, now) for clock in ringing]
            as_json({"moved": moved, "stuck": stuck, "ringing": late})
            return
        for one in done.moved:
            _told(one)
        for one, error in done.stuck:
            say(f"{one.right} {one.id} waits: {error}")
        for clock in ringing:
            say(f"{clock.alarm}: {clock.request.right} {clock.request.id}, {clock.days_left} days left")


def _erase(world: World, office: Office, erasure: str, *, at_once: bool, quiet: bool) -> None:
    """Have the job runner bring an erasure as far as it can be brought now; whom nobody knows is erased already."""
    try:
        hand_over(world, "erase", {"request": erasure} | ({"at_once": "yes"} if at_once else {}), quiet=quiet)
    except KindredError as error:
        if str(error) != str(NobodyFound()):
            raise
        for found in asked.close_empty(office.door, erasure, system_clock()):
            if not quiet:
                _told(found)


@app.command()
def export(
    request_id: IdArgument,
    to: Annotated[Path, typer.Option(help="The file to write: .json, or .zip with a CSV for each table.")],
    workspace: WorkspaceOption = Path(),
    officer_: OfficerOption = None,
) -> None:
    """Write the answer to a request for access or portability, for the person and nobody else."""
    with reporting():
        world, _ = _world(workspace)
        now, packed = system_clock(), to.suffix == ".zip"
        if to.suffix not in {".json", ".zip"}:
            raise Unreadable("the file's name does not say how to write it", "let it end in .json or .zip")
        office = _office(world, now)
        content = office.answers.handed_out(request_id, at=now, actor=_actor(officer_), packed=packed)
        # Readable by its owner alone from its first byte on: it holds all that is known of a person.
        to.touch(0o600)
        to.chmod(0o600)
        to.write_bytes(content)
        say(f"written for the person alone: {len(content):,} bytes")


def _office(world: World, now: datetime) -> Office:
    words = officer.Desk.open(world.workspace, world.database)
    reader = ProfileReader(Published(serving_store(world.workspace), time.monotonic), words.overlay)
    return Office.open(world.workspace, world.database, words, reader, now)


def _pairs(texts: list[str]) -> dict[str, str]:
    found = [text.partition("=") for text in texts]
    if any(not equals or not name.isidentifier() for name, equals, _ in found):
        raise Unreadable("a correction cannot be read", "write it as field=value, for example city=Dayton")
    return {name: value for name, _, value in found}


def _shown(found: Request, json: bool) -> None:
    if json:
        as_json(intake.receipt(found))
        return
    say(f"{found.right} {found.id}: taken down, by {found.regulation} due {found.due_at:%Y-%m-%d %H:%M} UTC")


def _told(found: Request) -> None:
    say(f"{found.right} {found.id}: {found.status}{f' ({found.ground})' if found.ground else ''}")


def _line(found: Request, now: datetime) -> tuple[object, ...]:
    (clock, *_) = clocks.clocks([found], now) or (None,)
    ringing = (clock.days_left, clock.alarm) if clock else ("", "")
    return (
        found.id,
        found.right,
        found.status,
        found.regulation,
        found.received_at.date(),
        found.due_at.date(),
        *ringing,
    )


def _facts(found: Request, now: datetime) -> dict[str, object]:
    (clock, *_) = clocks.clocks([found], now) or (None,)
    facts: dict[str, object] = {name: getattr(found, name) for name in found.__slots__}
    return facts | {"alarm": clock and clock.alarm, "days_left": clock and clock.days_left}
