"""The deny overlay: refusals that serving obeys at once, until a build that has seen them takes over."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import orjson

from consent.model import ALL
from infra.ids import Purpose, Token
from infra.keyvalue import Overlay

FOLDER: Final = "overlay"
_PREFIX: Final = b"d|"


@dataclass(frozen=True, slots=True)
class DenyOverlay:
    """Tokens and the purposes denied to them. It only ever restricts: a grant waits for the next build.

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
        value = orjson.dumps({"at": at.isoformat(), "sequence": sequence})
        purposes = tuple(purposes)
        for token in tokens:
            for purpose in purposes:
                self.entries.put(_key(token, purpose), value)

    def denied(self, token: str, purpose: str) -> bool:
        """Say whether a refusal that no build has seen yet stands in the way."""
        return any(self.entries.get(_key(token, p)) is not None for p in (purpose, ALL))

    def denied_any(self, tokens: Iterable[str], purpose: str) -> bool:
        """Say whether any identifier of a person is denied the purpose: refusals cross every link."""
        return any(self.denied(token, purpose) for token in tokens)

    def denials(self) -> list[tuple[str, str]]:
        """Return every token with a purpose that is denied to it, for readers that keep a copy."""
        keys = (key[len(_PREFIX) :].decode().partition("|") for key, _ in self.entries.items(_PREFIX))
        return [(token, purpose) for token, _, purpose in keys]

    def purge(self, *, as_of: datetime, through: int) -> int:
        """Forget what a published build has seen, and return how much: said by `as_of` and mirrored by `through`."""
        seen = []
        for key, value in self.entries.items(_PREFIX):
            entry = orjson.loads(value)
            if datetime.fromisoformat(entry["at"]) <= as_of and entry["sequence"] <= through:
                seen.append(key)
        self.entries.delete(seen)
        return len(seen)

    def close(self) -> None:
        """Let go of the files."""
        self.entries.close()


def _key(token: str, purpose: str) -> bytes:
    return _PREFIX + f"{token}|{purpose}".encode()
