"""What can be wrong with a moment of the past, or with what was seen then."""

from datetime import UTC, datetime, timedelta

from infra.errors import Malformed, Missing


class MomentAhead(Malformed):
    """A moment that is still to come."""

    def __init__(self) -> None:
        super().__init__("as_of names a moment that is still to come; name one up to now, or leave it out")


class MomentNotKept(Malformed):
    """A moment before all that is kept; it says where that begins."""

    def __init__(self, begins: datetime | None) -> None:
        super().__init__(
            "nothing is kept here of what was seen before; leave as_of out"
            if begins is None
            else f"what was seen is kept from {_whole(begins).isoformat()[:19]}Z on; name a later moment"
        )


def _whole(moment: datetime) -> datetime:
    """Return the first whole second that is not before a moment: whoever names it is answered."""
    return moment.astimezone(UTC) + timedelta(microseconds=-moment.microsecond % 1_000_000)


class PastWithheld(Missing):
    """A view of the past that was made from what the purpose may not use now."""

    def __init__(self) -> None:
        super().__init__(
            "what this purpose saw of the person then rests on something that it may not use now, and is not shown"
        )
