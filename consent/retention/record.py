"""The signed record of a maintenance: by which rules how many rows went, what a hold kept, and that nothing is left.

It names nobody and is checked with the public key alone, like a certificate of erasure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from consent.residue.certificate import Exclusion, Fault, signature_faults, stores_told, told
from consent.residue.model import ScanReport
from consent.retention.model import Rule
from infra.signing import Signer, canonical, encoded

KIND: Final = "kindred retention record"
_VERSION: Final = 1
_CONTEXT: Final = f"{KIND} {_VERSION}\n".encode()
_NOTHING: Final = ScanReport(places=(), needles=0, too_short=0, seconds=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What became of one table: rows before, past ones, those that a hold kept, those that went, keys still there."""

    table: str
    rows: int
    past: int
    held: int
    let_go: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """All that a record tells. `search` is None where older versions of files are kept, until `versions_until`."""

    record_id: str
    controller: str
    as_of: datetime
    rules: tuple[Rule, ...]
    tables: tuple[TableFacts, ...]
    holds: tuple[str, ...]
    search: ScanReport | None
    exclusions: tuple[Exclusion, ...]
    versions_until: datetime | None
    note: str | None
    started_at: datetime
    finished_at: datetime
    tool_version: str


def retention_record(facts: RecordFacts, signer: Signer) -> dict[str, Any]:
    """Return the signed record; whether nothing is left is for who makes it to have seen."""
    search = facts.search
    document: dict[str, Any] = {
        "kind": KIND,
        "version": _VERSION,
        "record_id": facts.record_id,
        "controller": facts.controller,
        "as_of": facts.as_of.isoformat(),
        "rules": [{**rule.facts(), "line": rule.line} for rule in facts.rules],
        "tables": [told(one, "table", "rows", "past", "held", "let_go", "left") for one in facts.tables],
        "holds": list(facts.holds),
        "search": None if search is None else {"spellings": search.needles, "too_short": search.too_short},
        "stores": [] if search is None else stores_told(_NOTHING, search),
        "exclusions": [told(one, "store", "reason", "ground", "expires_at") for one in facts.exclusions],
        "versions_until": None if facts.versions_until is None else facts.versions_until.isoformat(),
        "note": facts.note,
        "started_at": facts.started_at.isoformat(),
        "finished_at": facts.finished_at.isoformat(),
        "tool_version": facts.tool_version,
    }
    document |= {"key_id": signer.key_id, "public_key": encoded(signer.public)}
    return document | {"signature": encoded(signer.sign(_CONTEXT + canonical(document)))}


def check_record(document: Mapping[str, Any], public: bytes | None) -> tuple[Fault, ...]:
    """Return all that is wrong with a record; with `public` it is held to that key, else to the one that it names."""
    faults = [*signature_faults(document, public, _CONTEXT)]
    try:
        faults += _content_faults(document)
    except (KeyError, TypeError, AttributeError, ValueError):
        faults.append(Fault("document", f"is no {KIND} of version {_VERSION}"))
    return tuple(faults)


def _content_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    if (document["kind"], document["version"]) != (KIND, _VERSION):
        yield Fault("kind", f"is not {KIND} of version {_VERSION}")
    if datetime.fromisoformat(document["started_at"]) > datetime.fromisoformat(document["finished_at"]):
        yield Fault("finished_at", "is before the beginning")
    for one in document["tables"]:
        if one["left"]:
            yield Fault(one["table"], "still has keys of rows that went")
        if one["past"] != one["held"] + one["let_go"]:
            yield Fault(one["table"], "its counts do not add up")
    if any(one["held"] for one in document["tables"]) and not document["holds"]:
        yield Fault("holds", "rows were held and no hold says why")
    for store in document["stores"]:
        if not store["canary_found"]:
            yield Fault(store["store"], "was searched blind: no canary was found")
        if store["hits_after"] or store["unscanned"]:
            yield Fault(store["store"], "still holds something, or was not read whole")


def summary(document: Mapping[str, Any]) -> Sequence[str]:
    """Return what a record tells, in lines."""
    lines = [f"retention record {document['record_id']}, as of {document['as_of']}"]
    lines += [
        f"{one['table']}: {one['past']:,} of {one['rows']:,} rows past; {one['let_go']:,} went, {one['held']:,} held, "
        f"{one['left']:,} left"
        for one in document["tables"]
    ]
    lines += [f"held: {hold}" for hold in document["holds"]]
    if document["versions_until"]:
        lines.append(f"older versions of the lake's files may hold such rows until {document['versions_until']}")
    stores = document["stores"]
    if stores:
        files, hits = (sum(store[name] for store in stores) for name in ("files", "hits_after"))
        lines.append(f"{len(stores)} stores, {files:,} files searched, {hits} places found")
    return lines
