"""Whom an event names, as keyed tokens, and what it says of consent: to ask whether it may be stored at all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from consent.signals.model import ROLES, Named, Role
from consent.suppression import tokens_of
from infra.identifiers import IdentifierType, normalise, token
from infra.ids import Token

# Where identifiers stand in events of the wire format, for a source that does not say where its own stand.
_CONTACTS: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(f"{place}.{name}" for place in ("traits", "context.traits", "properties"))
    for name in ("email", "phone")
}
# What ingestion takes for a no, too.
_NO: Final = frozenset(("false", "no", "0", "f", "n"))
_IDS: Final = ("userId", "anonymousId", "previousId")
# What stands there is the mark of the browser, or of who is signed in; all else was typed by somebody.
_BROWSER: Final = ("anonymousId",)
_VISITOR: Final = ("userId",)


class Suppression(Protocol):
    """Who may not be stored: consent's restricted people, as tokens."""

    def anybody(self) -> bool:
        """Say whether anybody is restricted at all, so that events need be looked into."""

    def suppressed(self, tokens: Iterable[Token]) -> bool:
        """Say whether any of an event's tokens is restricted."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How a source's events name people: pairs of identifier type and dotted path, types, and the tokens' keys."""

    places: tuple[tuple[str, tuple[str, ...]], ...]
    kinds: Mapping[str, IdentifierType]
    region: str
    key: bytes = field(repr=False)
    retired: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        declared: Mapping[str, Sequence[str]],
        kinds: Mapping[str, IdentifierType],
        region: str,
        key: bytes,
        retired: Iterable[bytes] = (),
    ) -> "Naming":
        """Return the naming by a source's own declaration, or by the usual places where it declares none."""
        places = declared or usual(kinds)
        pairs = ((kind, tuple(path.split("."))) for kind, paths in places.items() for path in paths if kind in kinds)
        return cls(tuple(pairs), kinds, region, key, tuple(retired))

    def tokens(self, event: Mapping[str, Any]) -> Iterator[Token]:
        """Yield the tokens of each identifier that an event carries, in every form and under every key that is held."""
        keys = dict(enumerate((self.key, *self.retired)))
        for kind, _, value in self._values(event):
            for _, one in tokens_of(keys, self.kinds, kind, value):
                yield one

    def named(self, event: Mapping[str, Any]) -> tuple[Named, ...]:
        """Return whom an event names, each once, with what the identifier is the mark of."""
        found = (
            Named(kind, token(self.key, kind, value), self._role(kind, path))
            for kind, path, value in self._values(event)
        )
        # Of two places of one value the nearer to the browser counts.
        nearest = sorted(found, key=lambda one: ROLES.index(one.role), reverse=True)
        return tuple({one.token: one for one in nearest}.values())

    def _role(self, kind: str, path: tuple[str, ...]) -> Role:
        if path == _VISITOR:
            return "visitor"
        return "browser" if path == _BROWSER or self.kinds[kind].anonymous else "other"

    def _values(self, event: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
        for kind, path in self.places:
            raw = _at(event, path)
            value = normalise(self.kinds[kind].normaliser, raw, self.region) if isinstance(raw, str) else None
            if value is not None:
                yield kind, path, value


def gated(event: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Say whether an event itself says no, in the field that its source declares as its consent gate."""
    said = _at(event, path)
    return said is False or (isinstance(said, str) and said.strip().lower() in _NO)


def usual(kinds: Mapping[str, IdentifierType]) -> dict[str, tuple[str, ...]]:
    """Return where identifiers usually stand: addresses and numbers in traits, all other types as the ids."""
    return {name: _CONTACTS.get(kind.normaliser, _IDS) for name, kind in kinds.items()}


def speaking(kinds: Mapping[str, IdentifierType]) -> dict[str, tuple[str, ...]]:
    """Return under whom a signal counts for a source that does not say where its identifiers stand.

    A login of no declared type may be anybody's number, and a stranger shall not be refused for it: only the browser's
    mark under the first anonymous type, and addresses and numbers of contact.
    """
    contacts = {name: _CONTACTS[kind.normaliser] for name, kind in kinds.items() if kind.normaliser in _CONTACTS}
    browser = next((name for name, kind in kinds.items() if kind.anonymous), None)
    return contacts | ({} if browser is None else {browser: _BROWSER})


def _at(node: Any, path: Iterable[str]) -> Any:
    for step in path:
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node
