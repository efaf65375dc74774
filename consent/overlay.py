"""The deny overlay: refusals that serving obeys at once, until a build that has seen them takes over.

Beside them it marks whose words moved at all since then, so that readers who can ask the ledger decide these anew.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from consent.model import ALL
from infra.ids import Purpose, Token
from infra.keyvalue import Overlay

FOLDER: Final = "overlay"
_PREFIX: Final = b"d|"
_MOVED: Final = b"m|"


@dataclass(frozen=True, slots=True)
class Denial:
    """What is denied under one token; a build that judged at `at` and saw entry `sequence` has seen why."""

    token: Token
    purposes: tuple[Purpose, ...]
    at: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A token under which something was said at `at`, in entry `sequence`: what a build decided before may be old."""

    token: Token
    at: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class Told:
    """All that no build has seen yet: denials as token, purpose and moment, and the tokens that moved."""

    denied: tuple[tuple[str, str, datetime], ...]
    moved: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class DenyOverlay:
    """Tokens and the purposes denied to them. By itself it only ever restricts: a grant needs somebody who decides.

    The command line and the API write it; every read of a served profile asks it.
    """

    entries: Overlay

    @classmethod
    def open(cls, serving_path: Path) -> Self:
        """Return the overlay beside the serving generations."""
        return cls(Overlay(serving_path / FOLDER))

    def restrict(self, tokens: Iterable[Token], purposes: Iterable[Purpose], *, at: datetime, sequence: int) -> None:
        """Deny the purposes from now on; when this returns it is on disk and every reader sees it.

        `at` and `sequence` are the ledger entry's, so that a build can tell whether it has seen it.
        """
        purposes = tuple(purposes)
        self.restrict_all([Denial(token, purposes, at, sequence) for token in tokens])

    def restrict_all(self, news: Iterable[Denial | Moved]) -> None:
        """Deny many at once, and mark whose words moved: to the disk they are one write."""
        self.entries.put_all([entry for one in news for entry in _entries(one)])

    def denied(self, token: str, purpose: str) -> bool:
        """Say whether a refusal that no build has seen yet stands in the way."""
        return any(self.entries.items(_prefix(token, p)) for p in (purpose, ALL))

    def denied_any(self, tokens: Iterable[str], purpose: str) -> bool:
        """Say whether any identifier of a person is denied the purpose: refusals cross every link."""
        return any(self.denied(token, purpose) for token in tokens)

    def denials(self) -> list[tuple[str, str]]:
        """Return every token with a purpose that is denied to it, for readers that keep a copy."""
        return sorted({(token, purpose) for token, purpose, _ in map(_parts, self._keys())})

    def told(self) -> Told:
        """Return all of it, for readers that keep a copy."""
        denied: list[tuple[str, str, datetime]] = []
        moved: list[tuple[str, datetime]] = []
        for key, at in self.entries.items():
            moment = datetime.fromisoformat(at.decode())
            if key.startswith(_MOVED):
                moved.append((_sequenced(key)[0], moment))
            else:
                denied.append((*_parts(key)[:2], moment))
        return Told(tuple(denied), tuple(moved))

    def lines(self) -> frozenset[tuple[str, bytes, bytes]]:
        """Return all of it line by line behind the token that it is about, for whoever compares two looks.

        Two words of one moment are two lines.
        """
        return frozenset((_about(key), key, at) for key, at in self.entries.items())

    def purge(self, *, as_of: datetime, through: int) -> int:
        """Forget what a published build has seen: said by `as_of`, mirrored by `through`; return how many denials."""
        # A word that comes in between has a key of its own: nothing unseen can be deleted with what was seen.
        seen = [
            key
            for key, at in self.entries.items()
            if datetime.fromisoformat(at.decode()) <= as_of and int(_sequenced(key)[1]) <= through
        ]
        self.entries.delete(seen)
        return sum(key.startswith(_PREFIX) for key in seen)

    def _keys(self) -> Iterable[bytes]:
        return (key for key, _ in self.entries.items(_PREFIX))

    def close(self) -> None:
        """Let go of the files."""
        self.entries.close()


def _prefix(token: str, purpose: str) -> bytes:
    return _PREFIX + f"{token}|{purpose}|".encode()


def _entries(one: Denial | Moved) -> Iterator[tuple[bytes, bytes]]:
    at = one.at.isoformat().encode()
    if isinstance(one, Moved):
        yield _MOVED + f"{one.token}|{one.sequence}".encode(), at
        return
    for purpose in one.purposes:
        yield _prefix(one.token, purpose) + str(one.sequence).encode(), at


def _about(key: bytes) -> str:
    return _sequenced(key)[0] if key.startswith(_MOVED) else _parts(key)[0]


def _sequenced(key: bytes) -> tuple[str, str]:
    """Return what stands before a key's sequence number, without the kind of the key, and that number."""
    told, _, sequence = key.partition(b"|")[2].decode().rpartition("|")
    return told, sequence


def _parts(key: bytes) -> tuple[str, str, str]:
    """Return token, purpose and sequence number of a key; a token may hold anything."""
    token, purpose, sequence = key.removeprefix(_PREFIX).decode().rsplit("|", 2)
    return token, purpose, sequence
