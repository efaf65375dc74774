"""Many expressions sought in one pass: some GB/s for thousands of them, where a search for each would take minutes."""

import threading
from collections.abc import Sequence
from typing import Any, Final

import hyperscan

_ONCE: Final = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL


class Engine:
    """Hyperscan over expressions, each with whether the case of its letters may differ. Several threads may use it."""

    def __init__(self, expressions: Sequence[tuple[bytes, bool]]) -> None:
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[expression for expression, _ in expressions],
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=[_ONCE | (hyperscan.HS_FLAG_CASELESS if folded else 0) for _, folded in expressions],
        )
        self._own = threading.local()

    def matching(self, data: Any) -> set[int]:
        """Return which expressions match anywhere in some bytes, by their place in the list."""
        scratch = getattr(self._own, "scratch", None)
        if scratch is None:
            scratch = self._own.scratch = hyperscan.Scratch(self._database)
        seen: set[int] = set()

        def matched(index: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            seen.add(index)

        self._database.scan(data, match_event_handler=matched, scratch=scratch)
        return seen
