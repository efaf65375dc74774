"""`kindred erasure verify`: whether a certificate holds, whose it is, and whether its stores are still clean."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import open_world
from consent.residue.certificate import check, read
from consent.residue.model import ScanReport
from consent.residue.needles import Needles
from consent.residue.places import workspace_places
from consent.retention.record import KIND as RECORD
from consent.retention.record import check_record, summary
from infra.errors import Broken, Malformed, Missing
from infra.identifiers import load_identifier_types, normalise, token
from infra.signing import decoded
from infra.workspace import Workspace
from profiles.copying import copied
from profiles.history.copying import spelled_out

_KEY_BYTES = 32


def verify(
    certificate: Annotated[Path, typer.Argument(help="The certificate's file.")],
    public_key: Annotated[
        str | None, typer.Option(help="The controller's public key, in hexadecimal or base64, got from the controller.")
    ] = None,
    identifier: Annotated[
        list[str] | None, typer.Option(help="An identifier that it should be about, as type:value; may be repeated.")
    ] = None,
    nonce: Annotated[str | None, typer.Option(help="What the person was given with it, in hexadecimal.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Search its stores in this workspace again.")] = False,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Check a certificate of erasure offline: its signature, its sense, whose it is; with --again also the stores.

    A record of retention is checked with its signature and its sense.
    """
    with reporting():
        if (recorded := _document(certificate)).get("kind") == RECORD:
            if identifier or nonce or again:
                raise Malformed("a record of retention is about nobody; leave --identifier, --nonce and --again out")
            _verify_record(recorded, None if public_key is None else _public(public_key), json=json)
            return
        wanted = [_identifier(one) for one in identifier or ()]
        if again and not wanted:
            raise Malformed("--again searches for identifiers: add --identifier, for example email:ann@example.org")
        document = _document(certificate)
        secret = None if nonce is None else _hex("--nonce", nonce)
        public = None if public_key is None else _public(public_key)
        spelt = [f"{kind}:{value}" for kind, value in wanted]
        faults = check(document, public, secret, spelt if secret is not None or not again else ())
        found = _searched(document, Workspace.open(workspace), wanted) if again else None
        if json:
            left = None if found is None else [[hit.store, hit.file, hit.where, hit.spelling] for hit in found.hits]
            as_json(
                {"faults": [(one.where, one.wrong) for one in faults], "outcome": document.get("outcome"), "left": left}
            )
        else:
            _tell(document, public, spelt if secret is not None else (), faults=len(faults))
            for fault in faults:
                say(f"wrong: {fault.where} {fault.wrong}")
            if found is not None:
                _tell_search(found)
        if faults:
            raise Broken(f"the certificate does not hold: {len(faults)} faults")
        if found is not None and not found.clean:
            raise Broken("the stores of the certificate are not clean; see above")


def _verify_record(document: dict[str, Any], public: bytes | None, *, json: bool) -> None:
    faults = check_record(document, public)
    if json:
        as_json({"faults": [(one.where, one.wrong) for one in faults]})
    else:
        for line in () if faults else summary(document):
            say(line)
        for fault in faults:
            say(f"wrong: {fault.where} {fault.wrong}")
        if not faults:
            named = "the controller's key" if public else f"key {document['key_id']}; ask the controller for theirs"
            say(f"holds: signed with {named}; nothing in it was changed")
    if faults:
        raise Broken(f"the record does not hold: {len(faults)} faults")


def _document(path: Path) -> dict[str, Any]:
    try:
        return read(path.read_bytes())
    except FileNotFoundError:
        raise Missing(f"no file {path.name}; name the certificate's file") from None
    except OSError as error:
        why = (error.strerror or "input or output error").lower()
        raise Malformed(f"{path.name} cannot be read: {why}") from None


def _identifier(text: str) -> tuple[str, str]:
    kind, colon, value = text.partition(":")
    if not colon or not kind or not value:
        raise Malformed("an identifier is type:value, for example email:ann@example.org")
    return kind, value


def _hex(option: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed(f"{option} is not hexadecimal; hand in what was issued with the certificate") from None


def _public(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = decoded(text)
    if len(key) != _KEY_BYTES:
        raise Malformed(f"--public-key has {len(key)} bytes; an Ed25519 key has {_KEY_BYTES}")
    return key


def _tell(document: dict[str, Any], public: bytes | None, opened: Sequence[str], *, faults: int) -> None:
    stores = document.get("stores", [])
    files, size = (sum(store.get(name, 0) for store in stores) for name in ("files", "bytes"))
    say(f"certificate {document.get('certificate_id')}: {document.get('outcome')}")
    say(f"{len(stores)} stores, {files:,} files, {size:,} bytes searched")
    for one in document.get("exclusions", []):
        until = f" until {one['expires_at']}" if one.get("expires_at") else ""
        say(f"excluded: {one['store']}{until}: {one['reason']} ({one['ground']})")
    if faults:
        return
    named = "the controller's key" if public else f"key {document['key_id']}; ask the controller whether it is theirs"
    say(f"holds: signed with {named}; nothing in it was changed")
    if opened:
        say(f"holds: it is about all {len(opened)} identifiers")


def _tell_search(found: ScanReport) -> None:
    for place in found.places:
        for hit in place.hits:
            say(f"found: {hit.store}/{hit.file}: {hit.where} ({hit.spelling})")
        for why in place.unscanned:
            say(f"not read: {place.store}/{why}")
    files, size = (sum(getattr(place, name) for place in found.places) for name in ("files", "bytes"))
    say(f"searched again: {files:,} files, {size:,} bytes in {found.seconds:.1f} s, {len(found.hits)} places found")


def _searched(document: dict[str, Any], opened: Workspace, wanted: Sequence[tuple[str, str]]) -> ScanReport:
    """Return what is found now in the stores that the certificate names, those of them that are here."""
    kinds = load_identifier_types(opened)
    unknown = sorted({kind for kind, _ in wanted} - set(kinds))
    if unknown:
        raise Malformed(f"unknown identifier type {', '.join(unknown)}; identity.yaml declares {', '.join(kinds)}")
    values, tokens, key = set(), set(), opened.token_key()
    for kind, value in wanted:
        spelt = normalise(kinds[kind].normaliser, value)
        if spelt is None:
            raise Malformed(f"no valid {kind} is among the identifiers; write it as the certificate's person would")
        values |= {value, spelt}
        tokens.add(token(key, kind, spelt))
    # Where there is no database, none is made for the search.
    kept = any(place.store == "database" for place in workspace_places(opened))
    laid_out = spelled_out(opened, open_world(opened.root).database) if kept else nullcontext()
    with copied(opened), laid_out:
        named = {store["store"] for store in document["stores"]}
        places = [place for place in workspace_places(opened) if place.store in named]
        if not places:
            raise Missing("none of the certificate's stores is in this workspace; name the right one with -w")
        missing = sorted(named - {place.store for place in places})
        if missing:
            say(f"not here, and not searched again: {', '.join(missing)}")
        from consent.residue.scan import scan  # its decoders take longer to load than most commands to run

        return scan(places, Needles.of(values, tokens=tokens))
