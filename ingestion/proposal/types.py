"""Identifier types and labels that a proposal needs beyond what a workspace has. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from consent.discovery.proposal import Proposal as LabelProposal
from infra.identifiers import IdentifierType
from ingestion.proposal.model import NewType, Proposed

# The digest of an empty text, which is nobody's.
_EMPTY_MD5: Final = "d41d8cd98f00b204e9800998ecf8427e"
_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "customer": {"normaliser": "code", "strength": "decisive", "limit": 8, "fan_out": 40},
    "account": {"normaliser": "code", "strength": "decisive", "limit": 5, "fan_out": 40},
    "loyalty": {"normaliser": "code", "strength": "weak", "limit": 6, "fan_out": 40},
    "household": {"normaliser": "code", "strength": "weak", "fan_out": 40},
    "national_id": {"normaliser": "code", "strength": "decisive", "unique": True},
    "email": {"normaliser": "email", "strength": "strong", "limit": 8, "fan_out": 25},
    "phone": {"normaliser": "phone", "strength": "weak", "limit": 8, "fan_out": 25},
    "email_sha256": {"normaliser": "sha256", "digest_of": "email", "strength": "strong", "fan_out": 25},
    "phone_sha256": {"normaliser": "sha256", "digest_of": "phone", "strength": "weak", "fan_out": 25},
    "email_md5": {"normaliser": "text", "strength": "strong", "fan_out": 25, "blocked": [_EMPTY_MD5]},
    "phone_md5": {"normaliser": "text", "strength": "weak", "fan_out": 25, "blocked": [_EMPTY_MD5]},
    "cookie": {"normaliser": "text", "strength": "weak", "anonymous": True, "fan_out": 60},
    "device": {"normaliser": "text", "strength": "weak", "anonymous": True, "fan_out": 60},
}
_BECAUSE: Final[Mapping[str, str]] = {
    "national_id": "a number that a state gives one person each: two that differ speak against one person",
    "household": "a household's number, which brings its people near and is no proof of one person",
}
_LABELS: Final[Mapping[str, str]] = {
    "middle_name": "name", "suffix": "name", "national_id": "official", "email_sha256": "contact",
    "phone_sha256": "contact", "email_md5": "contact", "phone_md5": "contact",
}  # fmt: skip


def new_types(sources: Sequence[Proposed], known: Mapping[str, IdentifierType]) -> tuple[NewType, ...]:
    """Return the identifier types of the sources that are not known yet, those whose digests they hold included."""
    found: dict[str, NewType] = {}
    for kind in dict.fromkeys(kind for source in sources for kind in source.identifiers):
        if kind not in known:
            found[kind] = _new(kind)
    for one in tuple(found.values()):
        held = one.settings.get("digest_of")
        if held is not None and held not in found and held not in known:
            found[held] = NewType(held, _TYPES[held], f"{one.name} holds its digests")
    return tuple(found.values())


def _new(kind: str) -> NewType:
    base = next((name for name in _TYPES if kind == name or kind.endswith(f"_{name}")), "customer")
    because = "the files have it" if kind == base else f"the files have it; as strong as a {base}'s number"
    return NewType(kind, _TYPES[base], _BECAUSE.get(kind, because))


def new_labels(sources: Iterable[Proposed]) -> Iterator[LabelProposal]:
    """Yield the labels that fields and identifiers need beyond those that a workspace begins with, each once."""
    seen: set[str] = set()
    for source in sources:
        for name in (*source.fields, *source.identifiers):
            if name in _LABELS and name not in seen:
                seen.add(name)
                yield LabelProposal(name, _LABELS[name], f"in the source {source.source}")
