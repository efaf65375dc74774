"""The ledger as one file that anybody can check: what was said under random numbers, never evidence or identifiers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select

from consent.ledger import heads
from consent.ledger.documents import EXPORT, signed
from consent.ledger.heads import Head
from consent.ledger.leaf import CONSENT, entry_fields, note_fields, spelled
from consent.ledger.schema import CONSENT_EVENT, LEDGER_HEAD, LEDGER_LEAF, LEDGER_NOTE
from consent.ledger.stored import stored
from consent.ledger.tiles import WIDTH, tile_id
from infra.signing import Signer, encoded

_ROWS = 2 * WIDTH


def export(database: Engine, signer: Signer, file: Path) -> Head:
    """Write the ledger as far as it is sealed and return its head; the file appears whole."""
    head = heads.newest_head(database)
    draft = file.with_name(f"{file.name}.draft")
    with draft.open("wb") as out:
        out.writelines(lines(database, signer, head))
    draft.replace(file)
    return head


def lines(database: Engine, signer: Signer, head: Head) -> Iterator[bytes]:
    """Yield the lines: what the file is, then every leaf in order, and each head after the leaves that it covers."""
    told = {"ledger": head.ledger, "size": head.size, "root": head.root, "public_key": encoded(signer.public)}
    yield spelled(signed(EXPORT, told, signer)) + b"\n"
    with database.connect() as connection:
        query = select(LEDGER_HEAD).where(LEDGER_HEAD.c.size <= head.size).order_by(LEDGER_HEAD.c.size)
        signed_heads = [Head.of(row) for row in connection.execute(query).mappings()]
        upcoming = iter(signed_heads)
        next_head = next(upcoming)
        for start in range(0, head.size, _ROWS):
            for leaf in _leaves(connection, start, min(start + _ROWS, head.size)):
                yield spelled(leaf) + b"\n"
                while next_head.size == leaf["sequence"] + 1:
                    yield spelled(next_head.document()) + b"\n"
                    if next_head is signed_heads[-1]:
                        return
                    next_head = next(upcoming)


def _leaves(connection: Connection, start: int, end: int) -> Iterator[dict[str, Any]]:
    query = (
        select(LEDGER_LEAF).where(LEDGER_LEAF.c.sequence >= start, LEDGER_LEAF.c.sequence < end)
        .order_by(LEDGER_LEAF.c.sequence)
    )  # fmt: skip
    numbered = connection.execute(query).mappings().all()
    told = {
        kind: _by_id(connection, kind, [row["id"] for row in numbered if row["kind"] == kind])
        for kind in {row["kind"] for row in numbered}
    }
    near = stored(connection, {tile_id(0, row["sequence"] // WIDTH) for row in numbered}, end)
    for row in numbered:
        entry = told[row["kind"]].get(row["id"])
        of_person = row["kind"] == CONSENT
        # An entry that is gone leaves its leaf behind: whoever checks the export finds the place.
        fields = {} if entry is None else entry_fields(entry) if of_person else note_fields(entry)
        commitment = entry["commitment"] if entry is not None and of_person else None
        yield {
            "kind": "leaf",
            "sequence": row["sequence"],
            "fields": fields,
            "commitment": None if commitment is None else commitment.hex(),
            "leaf": near.node(0, row["sequence"]).hex(),
        }


def _by_id(connection: Connection, kind: str, ids: list[str]) -> Mapping[str, Mapping[str, Any]]:
    table = CONSENT_EVENT if kind == CONSENT else LEDGER_NOTE
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(ids), WIDTH):
        query = select(table).where(table.c.id.in_(ids[start : start + WIDTH]))
        found |= {row["id"]: row for row in connection.execute(query).mappings()}
    return found
