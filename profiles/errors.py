"""What can go wrong in building and reading profiles."""

from infra.errors import Broken, Held, Refused, Unavailable


class GenerationTorn(Broken):
    """A serving generation that does not hold what its manifest counted; it was not published."""

    def __init__(self, counted: int, written: int) -> None:
        self.counted, self.written = counted, written
        super().__init__(f"the serving generation holds {written} views instead of {counted}; nothing was published")


class PurposeMissing(Refused):
    """A look at a person that says not what for."""

    def __init__(self) -> None:
        super().__init__("people are read for a purpose of the policy, and none was named; name it")


class OverlayUnreadable(Unavailable):
    """The overlay of withdrawals cannot be read, so nothing may be shown."""

    def __init__(self) -> None:
        super().__init__("the overlay of withdrawn consent cannot be read; profiles stay closed until it can")


class ManifestUnreadable(Unavailable):
    """A generation that does not say what it was made from, so nothing of it may be believed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the generation {name} does not say what it was made from; `kindred publish` makes it anew")


class TablesAhead(Refused):
    """Tables that no whole run has brought together."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"the table {table} is newer than the last whole run, so the tables do not fit together; `kindred run "
            "--full` builds and publishes them"
        )


class OthersPart(Held):
    """A part of the log that somebody else has gone on with."""

    def __init__(self, part: str) -> None:
        super().__init__(
            f"another worker has gone on with {part} of the log; nothing was done twice, and it is looked at anew"
        )


class ServedElsewhere(Refused):
    """A generation that the workers of another machine keep up to date."""

    def __init__(self) -> None:
        super().__init__(
            "stream workers of another machine keep these profiles up to date, and know who everybody is; set "
            "serving.online: false here, or publish from here"
        )


class LogSilent(Unavailable):
    """A log that has entries and hands none out."""

    def __init__(self) -> None:
        super().__init__(
            "the event log has entries that its brokers do not hand out; see whether they are well, and run again"
        )
