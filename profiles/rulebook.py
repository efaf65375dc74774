"""What policy and configuration come to for a build: who may read what over which link, and what counts as proof."""

from collections.abc import Mapping
from dataclasses import dataclass

from consent.decide import readable
from consent.model import BASES, Policy
from infra.identifiers import IdentifierType
from profiles.model import Proof

_CONTACT = ("email", "phone")
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The policy's purposes sorted by how they are granted, and the identifier types by what they prove."""

    policy: Policy
    types: Mapping[str, IdentifierType]

    def purposes(self, level: str) -> tuple[str, ...]:
        """Return the purposes that are granted by the person, or by the contact that is used, in alphabetical order."""
        return tuple(sorted(name for name, terms in self.policy.purposes.items() if terms.level == level))

    def readable(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return for each (purpose, basis) the links over which data may come to be seen.

        Where each contact speaks for itself, a record that carries the grant needs no tie to the anchor.
        """
        links: dict[tuple[str, str], tuple[str, ...]] = {}
        for name, terms in self.policy.purposes.items():
            for basis in BASES:
                granted = readable(terms, basis) if terms.level == "person" else terms.readable_links()
                links[name, basis] = tuple(granted)
        return links

    def masks(self) -> dict[str, tuple[str, ...]]:
        """Return the fields that each purpose never sees; what a masked type's digests would tell is masked with it."""
        digests = [(name, kind.digest_of) for name, kind in self.types.items() if kind.digest_of]
        return {
            str(purpose): (*fields, *(name for name, of in digests if of in fields and name not in fields))
            for purpose, fields in self.policy.masks.items()
        }

    def masked(self) -> frozenset[str]:
        """Return the fields that some purpose does not see, or not whole."""
        seen_in_part = (name for lengths in self.policy.shortened.values() for name in lengths)
        return frozenset(name for fields in self.masks().values() for name in fields).union(seen_in_part)

    def shortened(self) -> dict[str, Mapping[str, int]]:
        """Return for each purpose the fields of which it sees so many characters."""
        return {str(purpose): lengths for purpose, lengths in self.policy.shortened.items()}

    def contact_types(self) -> tuple[str, ...]:
        """Return the identifier types at which a person can be written to or called."""
        return tuple(sorted(name for name, kind in self.types.items() if kind.normaliser in _CONTACT))

    def proof(self, above_bits: float) -> Proof:
        """Return what ties two records for certain, by the strength that `identity.yaml` gives to identifier types."""
        named = {name: kind for name, kind in self.types.items() if not kind.anonymous}
        alone = tuple(sorted(name for name, kind in named.items() if kind.strength != "weak"))
        return Proof(alone, tuple(sorted(set(named) - set(alone))), round(above_bits * _MICRO))
