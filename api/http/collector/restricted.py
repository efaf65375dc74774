"""Who may not be stored, held in memory beside the ledger; looked at anew about once a second.

It is the first of two screens: ingestion asks the ledger itself before anything reaches the lake.
"""

import logging
from collections.abc import Callable, Iterable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from consent.suppression import not_to_be_stored
from infra.ids import Token

LOG = logging.getLogger("kindred.http")


class Restricted:
    """`Suppression` by the ledger's restrictions."""

    def __init__(self, read: Callable[[], frozenset[Token]]) -> None:
        self._read, self._tokens = read, read()

    @classmethod
    def of(cls, database: Engine) -> "Restricted":
        """Return the restrictions of a ledger, and whom an erasure keeps out."""
        return cls(lambda: not_to_be_stored(database))

    def anybody(self) -> bool:
        """Say whether anybody is restricted."""
        return bool(self._tokens)

    def suppressed(self, tokens: Iterable[Token]) -> bool:
        """Say whether any of the tokens is restricted."""
        return not self._tokens.isdisjoint(tokens)

    def refresh(self) -> None:
        """Read the list again; where it cannot be read, the last one counts."""
        try:
            self._tokens = self._read()
        except SQLAlchemyError as error:
            LOG.warning("restrictions cannot be looked at: %s", type(error).__name__)
