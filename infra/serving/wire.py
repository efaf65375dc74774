"""How the serving store is asked over the wire: one client, its timeouts, and what its failures are called here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from infra.errors import Unavailable
from infra.serving.store import LAYOUT, StoreFull

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.exceptions import OutOfMemoryError, RedisError
    from redis.retry import Retry
except ImportError as missing:  # pragma: no cover - said where the setting is obeyed
    raise Unavailable(
        "serving.store names a Redis, and its client is not installed; pip install 'kindred[redis]' brings it"
    ) from missing

READ_SECONDS: Final = 0.05
WRITE_SECONDS: Final = 30.0
# What a killed publisher leaves, and what a rollback gave up, is gone by itself after this.
GIVEN_UP_SECONDS: Final = 24 * 3600
BATCH: Final = 1_000
# A field that every whole generation has, and no key of ours: without it nothing can be said about anybody. It tells
# the layout of the values.
WHOLE: Final = b""
SAID: Final = b"%d" % LAYOUT
# What stands there while a generation is built begins so, and is another each time.
BEGUN: Final = b"-"
# Where a generation lies: values, names, undo.
Keys = tuple[bytes, bytes, bytes]
Client = Any


class StoreAway(Unavailable):
    """A server of profiles that does not answer, or not in time."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the server of the serving store does not answer ({why}); profiles are read when it does")


class StoreOlder(Unavailable):
    """A generation in another layout than this version reads."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the generation {name} is in another version's layout; `kindred publish` publishes it again")


class StoreEmptied(Unavailable):
    """A generation that the pointer names and the server no longer has: nobody is unknown, nothing is known."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the serving store has lost the generation {name}; `kindred publish` publishes it again")


def readable(whole: bytes | None, name: str) -> None:
    """Raise `StoreEmptied` or `StoreOlder` where what a generation says of itself is not that it can be read here."""
    if whole != SAID:
        raise StoreEmptied(name) if whole is None or whole.startswith(BEGUN) else StoreOlder(name)


def client(url: str, seconds: float) -> Client:
    """Return a client that waits so long for an answer and asks once."""
    return redis.Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=min(seconds, 1.0), retry=Retry(NoBackoff(), 0)
    )


@contextmanager
def told() -> Iterator[None]:
    """Have failures of the server raised as ours."""
    try:
        yield
    except OutOfMemoryError as error:
        raise StoreFull(
            "the server of the serving store takes no more; what was served before is served still: give it more "
            "memory, and run the same again"
        ) from error
    except RedisError as error:
        raise StoreAway(type(error).__name__) from error
