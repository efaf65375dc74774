"""The certificate of an erasure: what was searched, before and after, what stays and why; anybody checks it offline.

It names nobody. Each identifier is a commitment, an HMAC under a nonce that only the person is given: who has both
finds that the certificate is theirs, and who has one of them learns nothing.
"""

import hmac
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from consent.residue.errors import NotCertifiable
from consent.residue.model import PlaceReport, ScanReport
from infra.errors import Malformed
from infra.signing import Signer, canonical, decoded, encoded, key_id, verified

KIND: Final = "kindred erasure certificate"
_VERSION: Final = 1
# What is signed begins with its kind, so that no signature of something else is taken for one of this.
_CONTEXT: Final = f"{KIND} {_VERSION}\n".encode()
CLEAN, WITH_EXCEPTIONS = "certified", "certified_with_exceptions"
_LEAST_NONCE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A store that was not searched or may still hold something: why, on which ground, and until when."""

    store: str
    reason: str
    ground: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who was told to delete, when, and whether it said that it did."""

    id: str
    notified_at: datetime
    acknowledged_at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What is kept because a law says so."""

    what: str
    article: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """All that a certificate tells. An identifier is `type:value`, the value normalised."""

    certificate_id: str
    request_id: str
    controller: str
    identifiers: tuple[str, ...] = field(repr=False)
    nonce: bytes = field(repr=False)
    before: ScanReport
    after: ScanReport
    exclusions: tuple[Exclusion, ...]
    recipients: tuple[Recipient, ...]
    keys_destroyed: tuple[str, ...]
    retained: tuple[Retained, ...]
    suppression_versions: tuple[int, ...]
    started_at: datetime
    finished_at: datetime
    tool_version: str
    ledger_head: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a certificate, and where in it."""

    where: str
    wrong: str


def certificate(facts: CertificateFacts, signer: Signer) -> dict[str, Any]:
    """Return the signed certificate; raise `NotCertifiable` where something was found or not seen and nobody says why.

    A store in which something is left or could not be read needs an exclusion of its name, with its ground.
    """
    _certifiable(facts)
    document: dict[str, Any] = {
        "kind": KIND,
        "version": _VERSION,
        "certificate_id": facts.certificate_id,
        "request_id": facts.request_id,
        "controller": facts.controller,
        "subject_commitments": sorted({commitment(facts.nonce, value) for value in facts.identifiers}),
        "search": {
            "spellings": facts.after.needles,
            "too_short": facts.after.too_short,
            "milliseconds": round(facts.after.seconds * 1000),
        },
        "stores": stores_told(facts.before, facts.after),
        "exclusions": [told(one, "store", "reason", "ground", "expires_at") for one in facts.exclusions],
        "recipients": [told(one, "id", "notified_at", "acknowledged_at", "outcome") for one in facts.recipients],
        "keys_destroyed": list(facts.keys_destroyed),
        "retained": [told(one, "what", "article", "until") for one in facts.retained],
        "suppression_versions": list(facts.suppression_versions),
        "started_at": facts.started_at.isoformat(),
        "finished_at": facts.finished_at.isoformat(),
        "tool_version": facts.tool_version,
        "ledger_head": None if facts.ledger_head is None else dict(facts.ledger_head),
    }
    document["outcome"] = _outcome(document)
    document |= {"key_id": signer.key_id, "public_key": encoded(signer.public)}
    return document | {"signature": encoded(signer.sign(_CONTEXT + canonical(document)))}


def commitment(nonce: bytes, identifier: str) -> str:
    """Return what stands in a certificate for an identifier `type:value`: HMAC-SHA256 under the person's nonce."""
    return hmac.digest(nonce, identifier.encode(), "sha256").hex()


def written(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a certificate's file: its canonical form, on one line."""
    return canonical(document) + b"\n"


def read(raw: bytes) -> dict[str, Any]:
    """Return the certificate that a file holds; raise `Malformed` where it is not, to the byte, what was written."""
    try:
        document = json.loads(raw)
        same = isinstance(document, dict) and raw in (canonical(document), written(document))
    except (ValueError, RecursionError, Malformed):
        raise Malformed("not a certificate: no JSON that Kindred wrote; hand in the file as it was issued") from None
    if not same:
        raise Malformed("not a certificate as it was issued: its bytes were changed; hand in the file as it was issued")
    found: dict[str, Any] = document
    return found


def check(
    document: Mapping[str, Any], public: bytes | None, nonce: bytes | None, identifiers: Iterable[str]
) -> tuple[Fault, ...]:
    """Return all that is wrong with a certificate; it needs nothing but the certificate.

    With the controller's `public` key it is held to that key, else to the one that it names itself. With the person's
    `nonce` each of the `identifiers` (`type:value`) must be among its commitments.
    """
    faults = [*signature_faults(document, public, _CONTEXT)]
    try:
        faults += _content_faults(document)
    except (KeyError, TypeError, AttributeError, ValueError):
        faults.append(Fault("document", f"is no {KIND} of version {_VERSION}"))
    wanted = list(identifiers)
    if wanted and nonce is None:
        faults.append(Fault("subject_commitments", "cannot be opened without the person's nonce"))
    elif nonce is not None:
        known = document.get("subject_commitments")
        known = known if isinstance(known, list) else []
        missing = sum(commitment(nonce, one) not in known for one in wanted)
        if missing:
            faults.append(Fault("subject_commitments", f"{missing} of {len(wanted)} identifiers are not this person's"))
    return tuple(faults)


def signature_faults(document: Mapping[str, Any], public: bytes | None, context: bytes) -> Iterable[Fault]:
    """Yield what is wrong with the signature of a document of the kind that a context names."""
    try:
        named, signature = decoded(document["public_key"]), decoded(document["signature"])
        message = canonical({name: value for name, value in document.items() if name != "signature"})
    except (KeyError, TypeError, Malformed):
        yield Fault("signature", "is missing, or no signature")
        return
    if encoded(signature) != document["signature"]:
        yield Fault("signature", "is not spelt as it was written")
    if document.get("key_id") != key_id(named):
        yield Fault("key_id", "does not name the key that is told")
    if public is not None and named != public:
        yield Fault("public_key", "is not the key that it should be signed with")
    if not verified(named if public is None else public, signature, context + message):
        yield Fault("signature", "is not of this document: something in it was changed, or somebody else signed it")


def _content_faults(document: Mapping[str, Any]) -> Iterable[Fault]:
    if (document["kind"], document["version"]) != (KIND, _VERSION):
        yield Fault("kind", f"is not {KIND} of version {_VERSION}")
    if document["outcome"] != _outcome(document):
        yield Fault("outcome", "does not follow from what the certificate tells")
    if datetime.fromisoformat(document["started_at"]) > datetime.fromisoformat(document["finished_at"]):
        yield Fault("finished_at", "is before the beginning")
    excluded = {one["store"] for one in document["exclusions"]}
    for store in document["stores"]:
        name = store["store"]
        if not store["canary_found"]:
            yield Fault(name, "was searched blind: no canary was found")
        if (store["hits_after"] or store["unscanned"]) and name not in excluded:
            yield Fault(name, "still holds something, or was not read whole, and no exclusion says why")


def _outcome(document: Mapping[str, Any]) -> str:
    """Return whether something of the person is still anywhere, or may be: then it is certified with exceptions."""
    left = (
        any(store["hits_after"] or store["unscanned"] for store in document["stores"])
        or any(one["expires_at"] is not None for one in document["exclusions"])
        or any(one["acknowledged_at"] is None for one in document["recipients"])
        or bool(document["retained"])
    )
    return WITH_EXCEPTIONS if left else CLEAN


def _certifiable(facts: CertificateFacts) -> None:
    if len(facts.nonce) < _LEAST_NONCE:
        raise Malformed(f"a nonce of {len(facts.nonce)} bytes; take {_LEAST_NONCE} or more, at random")
    excluded = {one.store for one in facts.exclusions}
    searched = {place.store for place in facts.after.places}
    missing = sorted({place.store for place in facts.before.places} - searched)
    problems = [f"{store}: searched before and not after" for store in missing]
    for place in facts.after.places:
        if not place.canary_found:
            problems.append(f"{place.store}: searched blind")
        if place.hits and place.store not in excluded:
            problems.append(f"{place.store}: {len(place.hits)} places still hold something")
        if place.unscanned and place.store not in excluded:
            problems.append(f"{place.store}: {len(place.unscanned)} files could not be read")
    if problems:
        raise NotCertifiable(problems)


def stores_told(before: ScanReport, after: ScanReport) -> list[dict[str, Any]]:
    """Return what is told of each store; a store may be searched in several places."""
    found: dict[str, int] = Counter()
    for place in before.places:
        found[place.store] += len(place.hits)
    grouped: dict[str, list[PlaceReport]] = {}
    for place in after.places:
        grouped.setdefault(place.store, []).append(place)
    return [_store(name, places, found[name]) for name, places in sorted(grouped.items())]


def _store(name: str, places: Sequence[PlaceReport], before: int) -> dict[str, Any]:
    hits = [hit for place in places for hit in place.hits]
    return {
        "store": name,
        "kind": places[0].kind,
        "files": sum(place.files for place in places),
        "bytes": sum(place.bytes for place in places),
        "decoders": sorted({decoder for place in places for decoder in place.decoders}),
        "hits_before": before,
        "hits_after": len(hits),
        "left": [{"file": hit.file, "where": hit.where, "spelling": hit.spelling} for hit in hits],
        "unscanned": [why for place in places for why in place.unscanned],
        "canary_found": all(place.canary_found for place in places),
        "programs": sum(place.programs for place in places),
    }


def told(one: Any, *names: str) -> dict[str, Any]:
    """Return some facts as a document has them: moments in ISO 8601."""
    values = {name: getattr(one, name) for name in names}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
