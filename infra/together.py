"""Several independent steps at once, none of whose failures is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_AT_ONCE = 4


def together(*steps: Callable[[], object]) -> None:
    """Take all steps, four at a time, to their end; raise the first one's error, with a note of every other's class.

    Small steps of Spark leave a core idle while one of them is planned.
    """
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        running = [pool.submit(step) for step in steps]
    errors = [error for one in running if (error := one.exception()) is not None]
    if errors:
        for other in errors[1:]:
            # its message may quote data
            errors[0].add_note(f"beside it failed a step with {type(other).__name__}")
        raise errors[0]
