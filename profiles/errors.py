"""What can go wrong in building and reading profiles."""

from infra.errors import Broken, Unavailable


class GenerationTorn(Broken):
    """A serving generation that does not hold what its manifest counted; it was not published."""

    def __init__(self, counted: int, written: int) -> None:
        self.counted, self.written = counted, written
        super().__init__(f"the serving generation holds {written} views instead of {counted}; nothing was published")


class OverlayUnreadable(Unavailable):
    """The overlay of withdrawals cannot be read, so nothing may be shown."""

    def __init__(self) -> None:
        super().__init__("the overlay of withdrawn consent cannot be read; profiles stay closed until it can")
