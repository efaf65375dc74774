"""Group commit: words that come while others are being written go to the disk together, as one transaction."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from consent.store import Draw, Said, append_new, secret_sid
from infra.errors import Unavailable


@dataclass(slots=True, eq=False)
class _Waiting:
    said: Said
    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    is_new: bool | None = None
    error: Exception | None = None


class Grouped:
    """The ledger's door for a server's many threads; who waits for the disk waits once with all the others."""

    def __init__(self, database: Engine, draw: Draw = secret_sid) -> None:
        self._database, self._draw = database, draw
        self._guard = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._busy = False

    def append(self, said: Said) -> bool:
        """Return whether a word was new, once it is on disk; an error is that of this word alone."""
        mine = _Waiting(said)
        with self._guard:
            self._waiting.append(mine)
            mine.leads = not self._busy
            self._busy = True
        if not mine.leads:
            mine.woken.wait()
        if mine.leads:
            self._lead()
        if mine.error is not None:
            raise mine.error
        if mine.is_new is None:  # whoever wrote for all was stopped in the middle
            raise Unavailable("the word was not recorded, for the server is ending; say it again")
        return mine.is_new

    def _lead(self) -> None:
        """Write all that waits, wake those whose words these were, and let one of those who came meanwhile lead."""
        with self._guard:
            group, self._waiting = self._waiting, []
        try:
            self._write(group)
        finally:
            with self._guard:
                self._busy = bool(self._waiting)
                heir = self._waiting[0] if self._busy else None
                if heir is not None:
                    heir.leads = True
            for one in group if heir is None else [*group, heir]:
                one.woken.set()

    def _write(self, group: Sequence[_Waiting]) -> None:
        try:
            new = append_new(self._database, [one.said for one in group], self._draw)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to those whom it concerns
            if len(group) == 1:
                group[0].error = error
                return
            for one in group:  # one word that cannot be kept must not keep out the others
                self._write([one])
            return
        for one in group:
            one.is_new = one.said.entry.id in new
            new.discard(one.said.entry.id)
