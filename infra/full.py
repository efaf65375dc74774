"""A disk that takes no more, told apart from what else can go wrong in Spark: it is nobody's data that is at fault."""

import re
from collections.abc import Iterator
from typing import Final

from infra.errors import Unavailable

# As the C library says it (errno ENOSPC, EDQUOT, EFBIG, EROFS, EIO), and Java repeats.
_SAID: Final = re.compile(
    "No space left on device|Disk quota exceeded|File too large|Read-only file system|Input/output error"
)


class DiskRefuses(Unavailable):
    """A disk that cannot be written: full, read-only or broken. What was written before is whole."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"the disk of the lake or of Spark's scratch files cannot be written ({said}); make room or mend it, then "
            "run the same again: it goes on where it was, and nothing is taken in twice"
        )


def disk_failure(error: BaseException) -> DiskRefuses | None:
    """Return what an error of Spark means where a disk is behind it, else None."""
    for sentence in _sentences(error):
        found = _SAID.search(sentence)
        if found:
            return DiskRefuses(found[0])
    return None


def _sentences(error: BaseException | None) -> Iterator[str]:
    """Yield what an error says and what those say that brought it about; Java's have theirs beside Python's."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield str(error)
        error = error.__cause__ or getattr(error, "_cause", None) or error.__context__
