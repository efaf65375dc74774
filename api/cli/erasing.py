"""Erasure by command line: freeze and erase a person, look first at what would go, follow it, hold it by law."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.jobs import hand_over
from api.cli.naming import Named, named
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.persons import Gallery
from api.cli.world import World, open_world
from consent.erasure import holds
from consent.erasure.book import Book, Request
from consent.erasure.errors import SharedIdentifier
from consent.erasure.holds import Hold
from consent.erasure.ports import Subject
from consent.officer import token_of
from consent.residue.certificate import written
from consent.suppression import tokens_of
from identity.closure import closure
from infra.clock import system_clock
from infra.errors import Malformed, Missing
from infra.identifiers import load_identifier_types, normalise
from infra.ids import Token

app = typer.Typer(no_args_is_help=True)
Asked = tuple[tuple[int, Token], ...]
PersonArgument = Annotated[str, typer.Argument(help="An erasure's id, or type:value such as email:ann@example.org.")]


def _request(world: World, text: str) -> Request | None:
    return None if ":" in text else Book(world.database, system_clock).get(text)


def _asked(world: World, text: str) -> Asked:
    found = named(text)
    if found is None:
        raise Malformed("write an erasure's id, or the identifier as type:value, for example email:ann@example.org")
    return tokens_for(world, found)


def tokens_for(world: World, found: Named) -> Asked:
    """Return an identifier's tokens in every form under every key; raise where it leads to several people."""
    gallery, kinds = Gallery.open(world), load_identifier_types(world.workspace)
    try:
        people = len(gallery.reader.candidates(gallery.token(found)))  # raises for what is no such identifier
    except Missing:  # nothing has been published yet
        people = 0
    finally:
        gallery.desk.overlay.close()  # the freeze opens it again, and a process has it open once
    if people > 1:
        raise SharedIdentifier(people)
    value = normalise(kinds[found.type].normaliser, found.value, world.workspace.settings.region)
    return tuple(tokens_of(world.workspace.token_keys(), kinds, found.type, str(value)))


@app.command()
def run(
    person: PersonArgument,
    workspace: WorkspaceOption = Path(),
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Keep no older version of any file, and certify in the same run.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Freeze a person at once, then erase them from every store; an erasure that was begun goes on."""
    with reporting():
        world = open_world(workspace)
        if dry_run:
            _show_plan(world, person, json=json)
            return
        request = _request(world, person)
        request_id = request.id if request else begin(world, _asked(world, person))
        erase(world, request_id, at_once=at_once, quiet=json)
        _show(world, Book(world.database, system_clock).get(request_id), json=json)


def begin(world: World, tokens: Asked) -> str:
    """Open an erasure and freeze its person; when this returns no reader sees them any more."""
    from api.cli.erasable import Frozen  # the registry knows every package's jobs, which a freeze need not wait for

    book = Book(world.database, system_clock)
    request_id = book.open(tokens)
    book.begin(request_id, "frozen")
    Frozen(world.workspace, world.database, system_clock).tokens(request_id, tokens)
    book.finish(request_id, "frozen", "", {"tokens": len(tokens)})
    say(f"erasure {request_id}: frozen, no reader sees the person from now on")
    return request_id


def erase(world: World, request_id: str, *, at_once: bool, quiet: bool = False) -> None:
    """Have the job runner bring an erasure as far as it can be brought now."""
    hand_over(world, "erase", {"request": request_id} | ({"at_once": "yes"} if at_once else {}), quiet=quiet)


@app.command()
def plan(person: PersonArgument, workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Say whom an identifier means and how much of them there is; change nothing."""
    with reporting():
        _show_plan(open_world(workspace), person, json=json)


def _show_plan(world: World, person: str, *, json: bool) -> None:
    request = _request(world, person)
    tokens = request.tokens if request else _asked(world, person)
    subject = closure(world.workspace, [token for _, token in tokens])
    kept = holds.standing(world.database, subject.tokens, system_clock())
    if json:
        as_json({**_facts(subject), "holds": list(kept)})
        return
    table("what would be erased", ["what", "how many"], list(_facts(subject).items()))
    for one in kept:
        say(f"held: {one}")


def _facts(subject: Subject) -> dict[str, int]:
    sources = {source for source, _ in subject.source_keys}
    return {
        "records": len(subject.record_keys),
        "profile ids": len(subject.profile_ids),
        "identifiers": len(subject.tokens),
        "shared identifiers, to review": len(subject.shared),
        "sources": len(sources),
        "stretches of browsers": len(subject.stretches),
    }


@app.command()
def show(
    request_id: Annotated[str | None, typer.Argument(help="An erasure's id; without it all are listed.")] = None,
    workspace: WorkspaceOption = Path(),
    certificate: Annotated[Path | None, typer.Option(help="Write the certificate to this file.")] = None,
    nonce: Annotated[Path | None, typer.Option(help="Write what opens it, for the person alone, to this file.")] = None,
    json: JsonOption = False,
) -> None:
    """List erasures, or follow one store by store to its certificate."""
    with reporting():
        world = open_world(workspace)
        book = Book(world.database, system_clock)
        if request_id is None:
            rows = [(r.id, r.status, f"{r.received_at:%Y-%m-%d %H:%M:%S}Z") for r in book.all()]
            if json:
                as_json([dict(zip(("id", "status", "received_at"), row, strict=True)) for row in rows])
            else:
                table("erasures", ["id", "status", "received"], rows)
            return
        request = book.get(request_id)
        _write(request, certificate, nonce)
        _show(world, request, json=json)


def _write(request: Request, certificate: Path | None, nonce: Path | None) -> None:
    if (certificate or nonce) and request.certificate is None:
        raise Missing(
            f"erasure {request.id} has no certificate yet; `kindred erasure run {request.id}` brings it there"
        )
    if certificate is not None:
        certificate.write_bytes(written(request.certificate or {}))  # to the byte as it was signed
    if nonce is not None:
        nonce.write_text(f"{request.nonce}\n", encoding="utf-8")


def _show(world: World, request: Request, *, json: bool) -> None:
    steps = Book(world.database, system_clock).steps(request.id)
    if json:
        told = [{"step": s.step, "store": s.store, "status": s.status, "at": s.at.isoformat()} for s in steps]
        as_json({"id": request.id, "status": request.status, "steps": told, "certificate": request.certificate})
        return
    rows = [(s.step, s.store, s.status, f"{s.at:%H:%M:%S}Z", _brief(s.facts)) for s in steps]
    table(f"erasure {request.id}: {request.status}", ["step", "store", "status", "at", "came of it"], rows)


def _brief(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items() if isinstance(value, int | str | bool))


@app.command()
def hold(
    identifier: Annotated[str, typer.Argument(help="type:value, for example email:ann@example.org")],
    ground: Annotated[str, typer.Option(help="Why the data must be kept, in words.")],
    article: Annotated[str, typer.Option(help="The law, for example 'GDPR 17(3)(e)'.")],
    workspace: WorkspaceOption = Path(),
    until: Annotated[str | None, typer.Option(help="The day on which the hold ends (ISO 8601).")] = None,
) -> None:
    """Keep a person's data from being erased; an erasure freezes them and waits."""
    with reporting():
        world = open_world(workspace)
        found = named(identifier)
        if found is None:
            raise Malformed("write the identifier as type:value, for example email:ann@example.org")
        token = token_of(Gallery.open(world).desk, found.type, found.value)
        one = Hold(
            id=secrets.token_hex(4), ground=ground, article=article, actor="operator", made_at=system_clock(),
            until=_day(until),
        )  # fmt: skip
        holds.hold(world.database, [token], one)
        say(f"hold {one.id}: {one}")


def _day(text: str | None) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("--until: not a day or moment; write it as ISO 8601, for example 2027-01-31") from None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


@app.command()
def release(
    hold_id: Annotated[str, typer.Argument(help="The hold's id.")], workspace: WorkspaceOption = Path()
) -> None:
    """End a legal hold; erasures that wait for it go on with `kindred erasure run`."""
    with reporting():
        if not holds.release(open_world(workspace).database, hold_id):
            raise Missing(f"there is no hold {hold_id}")
        say(f"hold {hold_id} is released")
