"""Suppression obeyed by the lake itself: whom a restored table or backup brought back is erased again."""

from collections import defaultdict
from pathlib import Path
from typing import Final

import pyarrow.compute as pc
from sqlalchemy import Engine, select

from api.cli.erasable import Frozen
from consent import kept
from consent.erasure.book import Book
from consent.store import advance, progress
from consent.suppression import SUPPRESSION, suppressed_tokens
from infra import shelf
from infra.clock import Clock, system_clock
from infra.ids import Token
from infra.runs import Runs
from infra.runtime import Runtime
from infra.tables import Table
from ingestion.tables import EVENTS, RECORDS

_HOLDERS: Final = (RECORDS, EVENTS)


def obey(runtime: Runtime, clock: Clock = system_clock) -> int:
    """Freeze whoever is kept out and stands in the facts all the same, ask for their erasure, and return how many.

    What comes in is looked at as it comes. So the lake is looked through only where a table went back in time, or the
    database did: its list of those kept out is made whole from its second copy first. The erasure is a run of its own,
    the next; until then nobody sees or resolves them.
    """
    lake, database, workspace = runtime.workspace.lake_path, runtime.database, runtime.workspace
    back = kept.reconcile(workspace.root, database)
    moved = [table for table in _HOLDERS if shelf.exists(lake, table) and _went_back(lake, table, database)]
    found = _returned(lake, database) if back or moved else {}
    book, frozen, runs = Book(database, clock), Frozen(workspace, database, clock), Runs(database, clock)
    for tokens in found.values():
        request_id = book.open(tokens)
        frozen.tokens(request_id, tokens)
        runs.submit("erase", {"request": request_id, "at_once": "yes"})
    if found:
        runtime.say(f"{len(found)} people who are kept out are in the lake again: frozen, and erased by the next run")
    advance(database, {f"obeyed_{t.name}": shelf.version(lake, t) for t in _HOLDERS if shelf.exists(lake, t)})
    return len(found)


def _went_back(lake: Path, table: Table, database: Engine) -> bool:
    """Say whether a table is older than it was, or was restored since: appends of ours bring nobody back."""
    since, now = progress(database, f"obeyed_{table.name}"), shelf.version(lake, table)
    restored = (commit for commit in shelf.commits(lake, table, since, now) if commit.get("operation") == "RESTORE")
    return now < since or any(restored)


def _returned(lake: Path, database: Engine) -> dict[str, tuple[tuple[int, Token], ...]]:
    """Return by request the tokens of people who are kept out and stand in records or events."""
    wanted = suppressed_tokens(database)
    held: set[str] = set()
    for table in _HOLDERS:
        for batch in shelf.batches(lake, table, columns=["identifiers"]) if shelf.exists(lake, table) else ():
            tokens = pc.struct_field(pc.list_flatten(batch.column("identifiers")), "token")
            held |= wanted.intersection(pc.unique(tokens).to_pylist())
    found: dict[str, list[tuple[int, Token]]] = defaultdict(list)
    with database.connect() as connection:
        for row in connection.execute(select(SUPPRESSION)).mappings():
            if row["token"] in held:
                found[row["request_id"]].append((row["key_version"], Token(row["token"])))
    return {request_id: tuple(tokens) for request_id, tokens in found.items()}
