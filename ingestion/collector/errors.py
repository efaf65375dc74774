"""Why a whole request is refused: it cannot be read as events at all. A bad event among good ones is no such thing."""

from typing import ClassVar

from infra.errors import Malformed


class RequestRefused(Malformed):
    """A request of which nothing was taken; `code` is what a program tells it by."""

    code: ClassVar[str] = "refused"


class NotJson(RequestRefused):
    """A body that is no JSON, with the place as far as it is known."""

    code = "invalid_json"

    def __init__(self, place: int | None) -> None:
        where = "" if place is None else f" (byte {place})"
        super().__init__(f"the body is not JSON{where}; send one JSON object in UTF-8")


class NotGzip(RequestRefused):
    """A body that is said to be compressed and is not, or ends early."""

    code = "invalid_gzip"

    def __init__(self) -> None:
        super().__init__("the body is not whole gzip; send what gzip wrote, or leave out Content-Encoding")


class NotAnEvent(RequestRefused):
    """What a pixel or a webhook was handed in place of an event."""

    code = "invalid_event"

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(f"{wrong}; {right}")


class NoBatch(RequestRefused):
    """A batch request without its list."""

    code = "no_batch"

    def __init__(self) -> None:
        super().__init__('the body has no list "batch"; send {"batch": [{"type": "track", ...}]}')


class TooManyEvents(RequestRefused):
    """More events than one request may carry."""

    code = "too_many_events"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the batch has more than {limit:,} events; send them in several requests")


class TooMuchForAll(RequestRefused):
    """A batch whose context, kept with each of its events, would come to many times what was sent."""

    code = "payload_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the batch's context and integrations, kept with each of its events, are more than {limit:,} bytes; "
            "send fewer events with them"
        )


class BodyTooLarge(RequestRefused):
    """More bytes than one request may carry, counted after decompression."""

    code = "payload_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit:,} bytes, uncompressed; send it in several requests")
