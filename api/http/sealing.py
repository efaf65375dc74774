"""The sealer of a running server: what was said is in a signed head within seconds."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from consent.ledger.sealer import seal_batch
from consent.officer import Desk
from infra.clock import Clock
from infra.errors import KindredError

LOG = logging.getLogger("kindred.http")
_PAUSE = 2.0  # each head is kept for ever, and five seconds are promised


class Sealing:
    """Looks every other second for what awaits its seal. Several servers may look: one seals at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._told = desk, False

    def look(self, clock: Clock) -> int:
        """Seal what waits and return how many leaves that made; without a key nothing can be sealed."""
        if self._desk.signer is None:
            if not self._told:
                LOG.warning("the ledger is not sealed: KINDRED_SIGNING_KEY is not set; `kindred init` adds one")
            self._told = True
            return 0
        sealed = 0
        while leaves := seal_batch(self._desk.database, self._desk.signer, clock()):
            sealed += leaves
        return sealed

    async def run(self, clock: Clock, pause: float = _PAUSE) -> None:
        """Seal for ever, in a thread; what could not be sealed is sealed the next time."""
        while True:
            await asyncio.to_thread(self._tried, clock)
            await asyncio.sleep(pause)

    def _tried(self, clock: Clock) -> None:
        try:
            self.look(clock)
        except (SQLAlchemyError, KindredError) as error:
            LOG.warning("what was said awaits its seal: %s", type(error).__name__)
