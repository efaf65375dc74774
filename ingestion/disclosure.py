"""What ingestion holds of a person, for a request for access; and which records carry an identifier."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from consent.requests.tables import Tables, Told
from infra import shelf
from infra.ids import RecordKey, Token
from ingestion.tables import EVENTS, RECORDS

TOLD: Final = (
    Told(table=RECORDS, by="record", columns=("record_key",), origin="given", told="What sources say of you"),
    Told(table=EVENTS, by="record", columns=("record_key",), origin="observed", told="What you did, as sources saw it"),
)
LEFT_OUT: Final = {
    "quarantine": "rows that could not be read; nobody can tell whose they are before they are mended",
    "recovered": "what became of such rows, without their content",
    "verdicts": "that a row came and was not taken in, under a token, without its content",
    "repeated": "that an event came twice, under a token; the event itself is told",
    "let_go": "that a row was let go by its age, as a keyed digest that nothing leads to",
    "landed": "copies of rows on their way in; what was taken in is told",
}


def disclosed(lake: Path) -> Tables:
    """Return ingestion's tables for an answer."""
    return Tables("ingestion", lake, TOLD, LEFT_OUT)


def carrying(lake: Path, tokens: Collection[Token]) -> dict[Token, frozenset[RecordKey]]:
    """Return the records that carry each of some tokens, whether or not they were resolved."""
    found: dict[Token, set[RecordKey]] = {token: set() for token in tokens}
    if not tokens or not shelf.exists(lake, RECORDS):
        return {token: frozenset() for token in tokens}
    for batch in shelf.batches(lake, RECORDS, columns=["record_key", "identifiers"]):
        lists = batch.column("identifiers")
        carried = pc.struct_field(pc.list_flatten(lists), "token")
        mask = pc.is_in(carried, value_set=pa.array(sorted(tokens), type=carried.type))
        rows = batch.column("record_key").take(pc.list_parent_indices(lists).filter(mask))
        for token, key in zip(carried.filter(mask).to_pylist(), rows.to_pylist(), strict=True):
            found[Token(token)].add(RecordKey(key))
    return {token: frozenset(keys) for token, keys in found.items()}
