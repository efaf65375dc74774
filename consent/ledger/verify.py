"""The check that needs nothing of ours: a receipt, a promise, a proof or a whole export, and a public key.

No database, no workspace, no network. Every fault is told with its place.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from consent.ledger.documents import EXPORT, HEAD, PROMISE, RECEIPT, genuine
from consent.ledger.leaf import leaf_of, spelled
from consent.ledger.merkle import Frontier, consistent, included
from consent.ledger.subject_keys import committed
from infra.errors import Malformed
from infra.signing import canonical, decoded, key_id

_LEAF: Final = {"kind", "sequence", "fields", "commitment", "leaf"}
_KEPT: Final = 1_000  # faults: whoever wants more than that has another file
_KINDS: Final = (HEAD, PROMISE, RECEIPT)
# A receipt's record says in the words of TS 27560 what its leaf says: section and field, then the leaf's field.
_SAYS: Final = (
    ("metadata", "record_id", "id"),
    ("metadata", "pii_principal_id", "sid"),
    ("privacy_notice", "id", "notice_id"),
    ("privacy_notice", "version", "notice_version"),
    ("privacy_notice", "sha256", "notice_hash"),
    ("privacy_notice", "language", "notice_language"),
    ("pii_processing", "purpose", "purpose"),
    ("pii_processing", "lawful_basis", "basis"),
    ("pii_processing", "pii_type", "identifier_kind"),
    ("pii_processing", "channel", "channel"),
    ("pii_processing", "jurisdiction", "jurisdiction"),
    ("pii_processing", "recipient_third_parties", "recipient"),
    ("pii_processing", "collection_method", "mechanism"),
    ("party", "party_id", "controller"),
    ("event", "event_time", "occurred_at"),
    ("event", "received_time", "received_at"),
    ("event", "valid_from", "effective_from"),
    ("event", "valid_until", "expires_at"),
    ("event", "event_type", "action"),
    ("event", "asserted_by", "asserted_by"),
    ("event", "supersedes", "supersedes"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not hold, and where: a line of an export, or a part of a document."""

    where: str
    wrong: str
    line: int | None = None

    def __str__(self) -> str:
        return f"line {self.line}, {self.where}: {self.wrong}" if self.line else f"{self.where}: {self.wrong}"


def parsed(text: bytes) -> dict[str, Any]:
    """Return a document as it was written; raise `Malformed` for what can be read in two ways."""
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Malformed("not JSON, or a name stands twice; give the file as it was written") from None
    if not isinstance(document, dict):
        raise Malformed("not a document of the ledger; give a receipt, a promise, a head or an export")
    return document


def _raw(text: str) -> bytes:
    """Return the bytes of hexadecimal digits in their one spelling: small letters, nothing between them."""
    raw = bytes.fromhex(text)
    if raw.hex() != text:
        raise ValueError("not in the one spelling")
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a name stands twice")
    return told


def verify(document: Mapping[str, Any], public: bytes | None = None) -> tuple[Fault, ...]:
    """Return what does not hold in a receipt, a promise, a head or a proof of consistency; nothing where all holds.

    Without a public key a receipt's own is used: then it is whole, and nothing says whose it is.
    """
    try:
        return tuple(_faults(document, public))
    except (KeyError, TypeError, ValueError, AttributeError, Malformed):
        return (Fault("document", "not in the form of a document of the ledger; give it as it was written"),)


def _faults(document: Mapping[str, Any], public: bytes | None) -> Iterator[Fault]:
    if "first" in document and "second" in document:
        yield from _consistency(document, public)
        return
    kind = document.get("kind")
    if kind not in _KINDS:
        yield Fault("kind", f"not a document that can be checked; known: {', '.join(_KINDS)}")
        return
    own = decoded(document["public_key"]) if "public_key" in document else None
    key = public or own
    if key is None:
        raise Malformed("no public key")
    if own is not None and own != key:
        yield Fault("public_key", f"another key than the one given ({key_id(key)})")
    yield from _signature(document, key, "signature")
    if kind == RECEIPT:
        yield from _receipt(document, key)


def _signature(document: Mapping[str, Any], key: bytes, where: str) -> Iterator[Fault]:
    if document.get("key_id") != key_id(key):
        yield Fault(where, f"made with key {document.get('key_id')}, checked with key {key_id(key)}")
    elif not genuine(document, key):
        yield Fault(where, "not of the holder of the key, or something was changed after signing")


def _receipt(document: Mapping[str, Any], key: bytes) -> Iterator[Fault]:
    leaf, head = document["leaf"], document["head"]
    yield from _signature(head, key, "head")
    fields, bound = leaf["fields"], leaf["commitment"]
    commitment = None if bound is None else _raw(bound)
    path = [_raw(one) for one in document["proof"]]
    if not included(leaf_of(fields, commitment), leaf["sequence"], head["size"], path, _raw(head["root"])):
        yield Fault("leaf", "the proof does not lead from the entry to the head")
    if document["receipt_id"] != fields["id"] or document["record"]["metadata"]["ledger"] != head["ledger"]:
        yield Fault("record", "speaks of another entry or ledger than leaf and head")
    for section, name, field in _SAYS:
        if document["record"].get(section, {}).get(name) != fields.get(field):
            yield Fault(f"record.{section}.{name}", "differs from the sealed entry")
    opening = document["opening"]
    if opening is not None:
        payload = b"" if opening["payload"] is None else canonical(opening["payload"])
        if committed(decoded(opening["salt"]), payload) != commitment:
            yield Fault("opening", "is not what the entry commits to")


def _consistency(document: Mapping[str, Any], public: bytes | None) -> Iterator[Fault]:
    if public is None:
        raise Malformed("no public key")
    first, second = document["first"], document["second"]
    yield from _signature(first, public, "first")
    yield from _signature(second, public, "second")
    if first["ledger"] != second["ledger"]:
        yield Fault("second", "the head of another ledger")
    path = [_raw(one) for one in document["proof"]]
    before, after = _raw(first["root"]), _raw(second["root"])
    if not consistent(first["size"], second["size"], path, before, after):
        yield Fault("proof", "the first ledger is not the beginning of the second")


@dataclass(frozen=True, slots=True)
class Checked:
    """What an export's check came to."""

    leaves: int
    heads: int
    key_id: str
    faults: tuple[Fault, ...]


def verify_export(
    lines: Iterable[bytes], public: bytes | None = None, promises: Iterable[Mapping[str, Any]] = ()
) -> Checked:
    """Return what does not hold in an export, line by line: spelling, leaves, order, roots, signatures, completeness.

    Lines end in a newline each. Beside every leaf stands its hash, so that a changed one is found by itself; one that
    was changed with its hash is found between the two heads that enclose it. Promises are held to it: each names a
    leaf that must be there.
    """
    check = _Export(public, {one["leaf"]: one["entry"] for one in promises})
    for number, line in enumerate(lines, start=1):
        check.take(number, line)
    check.end()
    return Checked(check.tree.size, check.heads, key_id(check.key) if check.key else "", tuple(check.faults))


class _Export:
    """The state of a check that goes through an export once; it holds one line at a time."""

    def __init__(self, public: bytes | None, promised: Mapping[str, str]) -> None:
        self.given, self.key = public, public
        self.promised = dict(promised)
        self.cover: Mapping[str, Any] = {}
        self.tree, self.heads, self.faults = Frontier(), 0, list[Fault]()
        self.line, self.since, self.forked = 0, 1, False
        self.size_before = 0
        self.last: Mapping[str, Any] = {}

    def fault(self, where: str, wrong: str) -> None:
        if len(self.faults) < _KEPT:
            self.faults.append(Fault(where, wrong, self.line))

    def take(self, number: int, line: bytes) -> None:
        self.line, self.size_before = number, self.tree.size
        if not line.endswith(b"\n"):
            self.fault("line", "does not end; the file was cut off here, or its last byte changed")
        try:
            document = orjson.loads(line)
            self._read(document)
            if spelled(document) + b"\n" != line:
                self.fault("line", "not in its one spelling (RFC 8785): something was changed")
        except (KeyError, TypeError, ValueError, AttributeError, Malformed):
            self.fault("line", "cannot be read as a line of an export: something was changed")
            if number > 1 and self.size_before == self.tree.size and b'"signature"' not in line:
                self.tree.add(bytes(32))  # so that the entries after it keep their places

    def _read(self, document: Mapping[str, Any]) -> None:
        if self.line == 1:
            self._cover(document)
        elif document.get("kind") == HEAD:
            self._head(document)
        else:
            self._leaf(document)

    def _cover(self, document: Mapping[str, Any]) -> None:
        self.cover = document
        own = decoded(document["public_key"])
        self.key = self.given or own
        if document["kind"] != EXPORT:
            self.fault("kind", "not an export of a ledger")
        if own != self.key:
            self.fault("public_key", f"another key than the one given ({key_id(self.key)})")
        self._signature(document)

    def _leaf(self, document: Mapping[str, Any]) -> None:
        stated, bound = _raw(document["leaf"]), document["commitment"]
        at = self.tree.size
        self.promised.pop(document["leaf"], None)
        # Whatever the line says, it takes its place: the leaves after it keep theirs.
        self.tree.add(stated)
        if document.keys() != _LEAF or document["kind"] != "leaf" or type(document["sequence"]) is not int:
            self.fault(f"entry {at}", "not in the form of an entry")
        if document["sequence"] != at:
            self.fault(f"entry {at}", "has another number: an entry is missing, added or moved")
        if leaf_of(document["fields"], None if bound is None else _raw(bound)) != stated:
            self.fault(f"entry {at}", "what it says is not what was sealed, or its hash was changed")

    def _head(self, document: Mapping[str, Any]) -> None:
        self.heads += 1
        where = f"head of size {document['size']}"
        self._signature(document, where)
        if document["ledger"] != self.cover.get("ledger"):
            self.fault(where, "of another ledger")
        if document["size"] != self.tree.size:
            self.fault(
                where, f"stands after {self.tree.size} entries: some are missing or added since line {self.since}"
            )
        elif _raw(document["root"]) != self.tree.root() and not self.forked:
            self.forked = True
            if not any(self.since <= (one.line or 0) <= self.line for one in self.faults):
                self.fault(where, f"its root is another: entries between line {self.since} and here were changed")
        self.last, self.since = document, self.line + 1

    def _signature(self, document: Mapping[str, Any], where: str = "cover") -> None:
        if self.key is not None:
            for fault in _signature(document, self.key, where):
                self.fault(fault.where, fault.wrong)

    def end(self) -> None:
        self.line += 1
        if self.last.get("size") != self.cover.get("size") or self.last.get("root") != self.cover.get("root"):
            self.fault("end", "the export ends elsewhere than its first line says: it was cut off, or lines were added")
        elif self.tree.size != self.cover.get("size"):
            self.fault("end", "there are entries after the last head")
        for entry in self.promised.values():
            self.fault(
                f"promise of entry {entry}", "its leaf is missing: it was broken, or this export is older than it"
            )
