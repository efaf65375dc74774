"""The change feed is told beside the log: a slow database, or the disk below it, holds no event up."""

import logging
import threading
from collections.abc import Callable
from typing import Final

import lmdb
from sqlalchemy.exc import SQLAlchemyError

from infra.errors import KindredError
from infra.serving.store import Live

LOG = logging.getLogger("kindred.stream")
# Not more often: what changes meanwhile is told together.
_EVERY: Final = 0.2
_AILING: Final = 1.0
_LOOKED: Final = 0.5


class Telling:
    """Tells what the live generation's writer noted, in a thread of its own: at once after a rest, else in turns.

    `tell` has the turn to serve from files of its own: a lock of the system does not part two threads that share one.
    """

    def __init__(self, tell: Callable[[Live], int]) -> None:
        self._tell = tell
        self._lock, self._due = threading.Lock(), threading.Event()
        self._live: Live | None = None
        self.trouble = ""

    def over(self, live: Live | None) -> None:
        """Tell of this generation from now on, or of none; whoever returns from here may close what was told of before.

        What a publication brought into it is told, and what was not told before an end came.
        """
        with self._lock:
            self._live = live
        self._due.set()

    def due(self) -> None:
        """Say that something has been noted."""
        self._due.set()

    def run(self, stop: threading.Event) -> None:
        """Tell until it is told to stop; what fails is said once and tried again.

        What nobody foresaw has everybody stop who was told of `stop`: a process that is started again tells on, and
        one that went on without this would say that all is well.
        """
        try:
            while not stop.is_set():
                if self._due.wait(_LOOKED):
                    self._due.clear()
                    stop.wait(_EVERY if self._told() else _AILING)
        except BaseException as error:
            self.trouble = type(error).__name__
            stop.set()
            raise

    def _told(self) -> bool:
        try:
            with self._lock:
                if self._live is not None:
                    self._tell(self._live)
        except (KindredError, SQLAlchemyError, lmdb.Error, OSError) as error:
            name = type(error).__name__
            if name != self.trouble:
                LOG.warning("changes are not told: %s", error if isinstance(error, KindredError) else name)
            self.trouble = name
            self._due.set()
            return False
        self.trouble = ""
        return True
