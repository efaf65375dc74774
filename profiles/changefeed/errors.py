"""What can be wrong with a place in the feed."""

from infra.errors import Malformed, Missing


class PlaceUnknown(Malformed):
    """A cursor that this feed never gave out."""

    def __init__(self) -> None:
        super().__init__(
            "the cursor is none of this feed's; send `next` of the page before, or the `id` of a change, as it is, "
            "or none to begin with everybody who may be seen"
        )


class PlaceGone(Missing):
    """A place before what the feed still has, or of a feed that was restored from a backup since."""

    def __init__(self) -> None:
        super().__init__(
            "the feed does not reach back to this place any more: read anew without `since`, and let go of everybody "
            "whom the pages marked `anew` do not name"
        )
