"""The demo's act of erasure: what plain Delta keeps of an erased address, and what is left of one here."""

import json
import shutil
import time
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from api.cli.acting import Stage, proven
from api.cli.console import say, table
from api.cli.erasing import begin, erase, tokens_for
from api.cli.naming import Named
from api.cli.world import World, open_world
from consent.erasure.book import Book
from consent.residue.certificate import check
from consent.residue.model import Place
from consent.residue.needles import Needles
from infra import shelf
from infra.clock import system_clock
from infra.errors import Missing
from profiles.tables import PROFILE_TOKENS, PROFILE_VIEWS

_OTHERS: Final = 50


def erased(stage: Stage) -> None:
    """Show (g): a person erased at once: plain Delta still holds the address, ours nothing; certified."""
    world = open_world(stage.root)
    address = _somebody(world, json.dumps(stage.cast))
    left = _plain_delta(stage.root / "acts" / "erased", address)
    table("plain Delta after DELETE and VACUUM 0", ["where the address still stands"], [(where,) for where in left])
    proven("plain Delta still holds the erased address", holds=bool(left))
    status, _ = stage.client.lookup("email", address, "service")
    proven("before: the API knows the person", holds=status == 200)
    begun = time.monotonic()
    request_id = begin(world, tokens_for(world, Named("email", address)))
    status, _ = stage.client.lookup("email", address, "service")
    took = time.monotonic() - begun
    proven("frozen: the next read says 404, as of somebody unknown", holds=status == 404)
    proven(f"that took {took * 1000:.0f} ms, less than a second", holds=took < 1.0)
    erase(world, request_id, at_once=True)
    request = Book(world.database, system_clock).get(request_id)
    told = request.certificate or {}
    stores = told.get("stores", ())
    before, after = (sum(store[name] for store in stores) for name in ("hits_before", "hits_after"))
    rows = [(s["store"], s["files"], s["hits_before"], s["hits_after"]) for s in stores if s["hits_before"]]
    table("ours", ["store", "files", "hits before", "hits after"], rows)
    proven(f"every store was searched: {before} hits before, none after", holds=before > 0 and after == 0)
    proven("the certificate verifies with the public key alone", holds=check(told, None, None, ()) == ())
    status, _ = stage.client.lookup("email", address, "service")
    proven("unknown and erased look alike", holds=status == 404)
    say(f"{request.status}; `kindred erasure show {request_id}` tells every step")


def _somebody(world: World, tour: str) -> str:
    """Return the address of somebody who is known by it alone and plays in no other act."""
    lake = world.workspace.lake_path
    alone = {
        row["token"]
        for batch in shelf.batches(lake, PROFILE_TOKENS, columns=["token", "shared"])
        for row in batch.to_pylist()
        if not row["shared"]
    }
    for batch in shelf.batches(lake, PROFILE_VIEWS, columns=["purpose", "identifiers"]):
        for row in batch.to_pylist():
            for one in row["identifiers"] if row["purpose"] == "service" else ():
                if one["type"] == "email" and one["token"] in alone and one["value"] not in tour:
                    return str(one["value"])
    raise Missing("nobody is left whom the act could erase; `kindred demo start` makes new people")


def _plain_delta(folder: Path, address: str) -> list[str]:
    """Return where an address still stands after it was deleted from a table as anybody would make one."""
    shutil.rmtree(folder, ignore_errors=True)
    people = [address, *(f"somebody{number}@example.org" for number in range(_OTHERS))]
    write_deltalake(str(folder), pa.table({"email": people, "orders": list(range(len(people)))}))
    plain = DeltaTable(str(folder))
    plain.delete(f"email = '{address}'")
    plain.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    from consent.residue.scan import scan  # its decoders take longer to load than most commands to run

    report = scan([Place(store="plain", kind="delta", root=folder)], Needles.of([address]))
    return sorted({f"{hit.file} ({hit.where})" for place in report.places for hit in place.hits})
