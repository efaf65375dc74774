"""What a sender is told when nothing of its request was taken: a status, and JSON with `code` and `message`.

The SDKs read these two names; analytics-python fails on an answer without them.
"""

import math
from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from api.http.errors import TooFast
from infra.errors import KindredError, Malformed, Refused, Unavailable
from infra.log.port import LogBusy, LogUnavailable
from ingestion.collector.errors import BodyTooLarge, RequestRefused, TooMuchForAll


class WriteKeyRefused(Refused):
    """No write key, or one that opens nothing; all cases look alike on purpose."""

    def __init__(self) -> None:
        super().__init__(
            "this needs a write key that is known and not revoked: HTTP Basic with the key as user, or writeKey in "
            "the body; `kindred keys create --scope events:write --source SOURCE` makes one"
        )


class TooSlow(Malformed):
    """A body that does not come to its end."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body did not come within {seconds:g} seconds; send it again, in one go")


class EncodingUnknown(Malformed):
    """A compression that is not understood."""

    def __init__(self) -> None:
        super().__init__("Content-Encoding is neither gzip nor identity; send gzip, or plain")


class MethodUnknown(Malformed):
    """A method that the address does not answer to."""

    def __init__(self, right: str) -> None:
        self.right = right
        super().__init__(f"this address does not answer to this method; use {right}")


class Crowded(Unavailable):
    """More requests at once than the memory set aside for them holds."""

    def __init__(self) -> None:
        super().__init__("too many requests are being read at once; wait as long as Retry-After says")


# Status and code of each error; the nearest class in an error's line of descent counts.
_TOLD: Final[Mapping[type[Exception], tuple[int, str]]] = {
    WriteKeyRefused: (401, "invalid_write_key"),
    TooSlow: (408, "request_timeout"),
    EncodingUnknown: (415, "unsupported_encoding"),
    MethodUnknown: (405, "method_not_allowed"),
    TooFast: (429, "rate_limited"),
    LogBusy: (429, "log_busy"),
    LogUnavailable: (503, "log_unavailable"),
    Crowded: (503, "too_busy"),
    SQLAlchemyError: (503, "database_unavailable"),
    BodyTooLarge: (413, ""),
    TooMuchForAll: (413, ""),
    RequestRefused: (400, ""),
}
FORESEEN: Final = tuple(_TOLD)
_NO_DATABASE: Final = "the database does not answer now; wait as long as Retry-After says"


def told(error: Exception) -> tuple[int, str, str]:
    """Return status, code and message of an error that was foreseen; no value of a request is in any of them."""
    status, code = next(_TOLD[kind] for kind in type(error).__mro__ if kind in _TOLD)
    message = str(error) if isinstance(error, KindredError) else _NO_DATABASE
    return status, error.code if isinstance(error, RequestRefused) else code, message


def wait(error: Exception) -> int:
    """Return the whole seconds after which it makes sense to ask again."""
    if isinstance(error, TooFast):
        return max(1, math.ceil(error.wait))
    return max(1, error.retry_after) if isinstance(error, LogBusy | LogUnavailable) else 1
