"""What can go wrong with privacy requests; nothing here says who is known and who is not."""

from collections.abc import Iterable

from infra.errors import Held, Malformed, Missing, Refused


class NoSuchRequest(Missing):
    """No request of this id, or none that this caller may see: both look alike."""

    def __init__(self) -> None:
        super().__init__("there is no such privacy request here; `kindred privacy list` shows those that are open")


class NotNow(Refused):
    """A step that cannot follow where the request stands."""

    def __init__(self, status: str, wanted: str, possible: Iterable[str]) -> None:
        listed = ", ".join(sorted(possible)) or "nothing: it has ended"
        super().__init__(f"a request that is {status} cannot become {wanted}; what may follow: {listed}")


class NotProved(Refused):
    """A proof of identity that does not hold: wrong, too late, used, or one too many."""

    def __init__(self) -> None:
        super().__init__("this does not prove whose identifier it is; ask for a new proof and use it in time, once")


class NeedsAnother(Refused):
    """Four eyes: the officer who approves is not the one who opened."""

    def __init__(self) -> None:
        super().__init__("whoever opened a request of this kind does not approve it; let another officer do so")


class Unverified(Refused):
    """An approval before anybody proved to be the person."""

    def __init__(self) -> None:
        super().__init__("nobody has proved yet whose data this is about; `kindred privacy verify` takes a proof")


class NoGround(Malformed):
    """A refusal on a ground that does not exist, or not for this right."""

    def __init__(self, right: str, known: Iterable[str]) -> None:
        super().__init__(f"a request of {right} can be refused on: {', '.join(known)}")


class NotExtendable(Refused):
    """An extension that the law does not give, or that comes too late to be told in time."""

    def __init__(self, because: str) -> None:
        super().__init__(f"the time cannot be extended: {because}")


class Contradiction(Held):
    """Two verified requests of one person that spoil each other."""

    def __init__(self, other: str, right: str) -> None:
        super().__init__(f"the same person's request {other} ({right}) is open; answer it first, or say --anyway")


class Unreadable(Malformed):
    """A request that cannot be taken down as it is."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(f"{wrong}; {right}")


class Shredded(Missing):
    """What was sealed under the key of a request that has ended."""

    def __init__(self) -> None:
        super().__init__("this request has ended, and the key to what the person told us is destroyed")
