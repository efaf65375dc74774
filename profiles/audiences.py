"""Who is in which audience, as publishing needs it: by purpose and person, from activation's table."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from infra import shelf
from infra.keyvalue import LmdbReader, LmdbWriter
from infra.tables import Table

COLUMNS: Final = ("audience", "profile_id", "purpose")


@dataclass(frozen=True, slots=True)
class _Member:
    """What publishing reads of activation's `audience_members`, where that exists."""

    audience: str
    profile_id: str
    purpose: str


AUDIENCE_MEMBERS: Final = Table("audience_members", _Member, keys=("audience", "profile_id"))


class Memberships:
    """The members in a store of its own on disk, so that memory does not grow with them."""

    def __init__(self, lake: Path, path: Path, version: int | None) -> None:
        self._lake, self._path, self._version = lake, path, version
        self._reader: LmdbReader | None = None

    def __enter__(self) -> Self:
        shutil.rmtree(self._path, ignore_errors=True)
        if self._version is not None:
            with LmdbWriter(self._path, durable=False) as writer:
                for batch in shelf.batches(self._lake, AUDIENCE_MEMBERS, self._version, columns=list(COLUMNS)):
                    for row in batch.to_pylist():
                        writer.put(f"{row['purpose']}|{row['profile_id']}|{row['audience']}".encode(), b"")
            self._reader = LmdbReader(self._path)
        return self

    def of(self, purpose: str, profile_id: str) -> list[str]:
        """Return the audiences of a purpose that a person is in, in alphabetical order."""
        if self._reader is None:
            return []
        prefix = f"{purpose}|{profile_id}|".encode()
        return [key[len(prefix) :].decode() for key, _ in self._reader.items(prefix)]

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.close()
        shutil.rmtree(self._path, ignore_errors=True)
