"""The sealed ledger by command line: seal, receipts, an export, and the check that needs no workspace."""

import json as plain
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say
from api.cli.naming import named
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import open_world
from consent import officer
from consent.ledger import receipt as receipts
from consent.ledger import sealer
from consent.ledger.documents import PROMISE
from consent.ledger.export import export as exported
from consent.ledger.verify import Checked, Fault, parsed, verify, verify_export
from consent.officer import Desk
from infra.clock import system_clock
from infra.errors import Broken, Malformed, Missing, Unavailable
from infra.signing import decoded, encoded, key_id
from infra.workspace import Workspace

app = typer.Typer()
_SHOWN = 20
_KEY_BYTES = 32
FileArgument = Annotated[Path, typer.Argument(help="A receipt, a promise, a head, a proof or an export.")]
KeyOption = Annotated[str | None, typer.Option(help="As `kindred consent key` prints it; without it, the file's own.")]


@app.command()
def seal(workspace: WorkspaceOption = Path()) -> None:
    """Give every new entry its place in the ledger and sign the new head; a running server does so by itself."""
    with reporting():
        desk = sealed_desk(workspace)
        say(f"{sealer.seal(desk.database, officer.signing(desk), system_clock):,} entries sealed")


@app.command()
def receipt(
    entry: Annotated[str, typer.Argument(help="An entry's id, or type:value for all that was said under it.")],
    workspace: WorkspaceOption = Path(),
    to: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
) -> None:
    """Write the receipt for the person: what was recorded, and the proof that it stands in the ledger."""
    with reporting():
        desk = sealed_desk(workspace)
        sealer.seal(desk.database, officer.signing(desk), system_clock)
        identifier = named(entry)
        told: Any
        if identifier is None:
            told = receipts.receipt(desk.database, entry, desk.policy, officer.signing(desk))
        else:
            told = officer.receipts(desk, [officer.token_of(desk, *identifier)])
        if to is None:
            as_json(told)
            return
        to.write_text(plain.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        say(f"written to {to.name}; `kindred consent verify` checks it anywhere")


@app.command()
def export(to: Annotated[Path, typer.Option(help="The file to write.")], workspace: WorkspaceOption = Path()) -> None:
    """Write the whole sealed ledger to a file that anybody can check: no identifiers, no evidence."""
    with reporting():
        desk = sealed_desk(workspace)
        sealer.seal(desk.database, officer.signing(desk), system_clock)
        head = exported(desk.database, officer.signing(desk), to)
        say(f"{head.size:,} entries under root {head.root} are in {to.name}")


@app.command()
def key(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Print the public key with which receipts and exports are checked; hand it out by a way of its own."""
    with reporting():
        signer = Workspace.open(workspace).signer()
        if json:
            as_json({"key_id": signer.key_id, "public_key": encoded(signer.public)})
            return
        say(encoded(signer.public))


@app.command("verify")
def verify_file(
    file: FileArgument,
    public_key: KeyOption = None,
    promise: Annotated[
        list[Path] | None, typer.Option(help="With an export: a promise that must stand in it; may be repeated.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check a receipt or an export, offline: no workspace, no network, nothing but the file and the public key."""
    with reporting():
        public = None if public_key is None else _public(public_key)
        found = _checked(file, public, [one for path in promise or () for one in _promised(path, public)])
        if json:
            faults = [{"where": one.where, "line": one.line, "wrong": one.wrong} for one in found.faults]
            as_json({"leaves": found.leaves, "heads": found.heads, "key_id": found.key_id, "faults": faults})
        for fault in found.faults[: 0 if json else _SHOWN]:
            say(f"  {fault}")
        if found.faults:
            raise Broken(f"{file.name} does not hold: {len(found.faults)} faults, the first in {found.faults[0]}")
        if not json:
            whose = "" if public else "; it is whole, but whose key that is nobody said: give --public-key"
            say(f"sound: {found.leaves:,} entries and {found.heads:,} heads, signed with key {found.key_id}{whose}")


def _promised(file: Path, public: bytes | None) -> list[dict[str, Any]]:
    try:
        promises = _told(file.read_bytes())
    except OSError as error:
        raise Missing(f"{file.name} cannot be read: {(error.strerror or 'input or output error').lower()}") from None
    for one in promises:
        if one.get("kind") != PROMISE or (public is not None and verify(one, public)):
            raise Malformed(f"{file.name} holds no promise that was signed with this key")
    return promises


def _checked(file: Path, public: bytes | None, promises: list[dict[str, Any]]) -> Checked:
    try:
        with file.open("rb") as lines:
            head = [lines.readline().strip(), lines.readline().strip()]
            lines.seek(0)
            # A document that was written for people begins with a brace alone; an export is a document a line.
            if head[0] not in {b"{", b"["} and head[1]:
                return verify_export(lines, public, promises)
            if promises:
                raise Malformed("a promise is held to an export; give the file that `kindred consent export` wrote")
            return _documents(lines.read(), public)
    except OSError as error:
        raise Missing(f"{file.name} cannot be read: {(error.strerror or 'input or output error').lower()}") from None


def _documents(text: bytes, public: bytes | None) -> Checked:
    documents = _told(text)
    faults: list[Fault] = []
    for at, document in enumerate(documents, start=1):
        of = f"document {at}, " if len(documents) > 1 else ""
        faults += [Fault(f"{of}{fault.where}", fault.wrong) for fault in verify(document, public)]
    heads = sum("root" in one or "head" in one for one in documents)
    used = key_id(public) if public else str(documents[0].get("key_id", "")) if documents else ""
    return Checked(sum("leaf" in one for one in documents), heads, used, tuple(faults))


def _told(text: bytes) -> list[dict[str, Any]]:
    """Return the documents of a file: one, a list, or the list in an answer of the API."""
    whole = parsed(b'{"receipts":' + text + b"}" if text.lstrip().startswith(b"[") else text)
    told = whole.get("receipts", whole.get("heads", [whole]))
    if not isinstance(told, list) or not told or not all(isinstance(one, dict) for one in told):
        raise Malformed("no document of the ledger is in it; give a receipt, a promise, a head or an export")
    return told


def _public(text: str) -> bytes:
    public = decoded(text)
    if len(public) != _KEY_BYTES:
        raise Malformed("the public key is 32 bytes as base64; `kindred consent key` prints it")
    return public


def sealed_desk(root: Path) -> Desk:
    """Return the desk of a workspace that can sign; raise `Unavailable` where it has no key for that."""
    world = open_world(root)
    desk = Desk.open(world.workspace, world.database)
    if desk.signer is None:
        raise Unavailable("KINDRED_SIGNING_KEY is not set; `kindred init` adds one to the workspace's .env")
    return desk
