"""One generation in LMDB, its writer, its readers and a moment of it: each value lies there with its sum."""

from collections.abc import Iterator

import lmdb

from infra.keyvalue import LmdbReader, LmdbSnapshot, LmdbWriter
from infra.serving.store import hides_undo, without_undo
from infra.serving.sums import Altered, all_checked, checked, summed


class GenerationWriter(LmdbWriter):
    """The writer of a generation that nobody reads yet."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key as it is written by now, or None."""
        stored = super().get(key)
        return None if stored is None else checked(key, stored)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        super().put(key, summed(key, value))

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        return ((key, checked(key, stored)) for key, stored in super().items(prefix))


class GenerationReader(LmdbReader):
    """A reader of one generation, who does not meet what is kept for undoing unless they ask for it.

    A value that is not what was written is no answer: `Torn` is raised, and the server says 503.
    """

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        try:
            # A read transaction ends with its last reference; a `with` would cost as much as a look-up.
            stored = self.shared.env.begin().get(key)
            return None if stored is None else checked(key, stored)
        except (lmdb.Error, Altered) as error:
            raise self.torn(error) from error

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys as they were at one moment."""
        return self.snapshot().values(*keys)

    def snapshot(self) -> "GenerationSnapshot":
        """Return the generation as it is at this moment, for one answer made of several reads."""
        try:
            return GenerationSnapshot(self.name, self.shared.env.begin(), self.torn)
        except lmdb.Error as error:
            raise self.torn(error) from error

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        return self.snapshot().items(prefix)


class GenerationSnapshot(LmdbSnapshot):
    """A generation at one moment."""

    __slots__ = ()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        try:
            stored = self._transaction.get(key)
            return None if stored is None else checked(key, stored)
        except (lmdb.Error, Altered) as error:
            raise self._torn(error) from error

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys."""
        read = self._transaction.get
        try:
            return all_checked(keys, map(read, keys))
        except (lmdb.Error, Altered) as error:
            raise self._torn(error) from error

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        found = super().items(prefix)
        try:
            for key, stored in without_undo(found) if hides_undo(prefix) else found:
                yield key, checked(key, stored)
        except Altered as error:
            raise self._torn(error) from error
