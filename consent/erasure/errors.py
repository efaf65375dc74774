"""What can stop an erasure; the freeze holds whatever stops it."""

from collections.abc import Sequence

from infra.errors import Broken, Held, Missing, Refused


class UnknownErasure(Missing):
    """An erasure that was asked for by an id that none has."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"there is no erasure {request_id}; `kindred erasure show` lists them")


class NobodyFound(Missing):
    """An identifier under which nothing is held: there is nobody to erase, and nobody is told so but the officer."""

    def __init__(self) -> None:
        super().__init__(
            "nothing is held under this identifier; it is kept out from now on, and there is nothing to erase"
        )


class SharedIdentifier(Refused):
    """An identifier that leads to several people: it does not say whom to erase."""

    def __init__(self, people: int) -> None:
        self.people = people
        super().__init__(
            f"this identifier leads to {people} people, so it does not say whom to erase; name one by an identifier "
            "of their own, or part them first (`kindred split`)"
        )


class LegallyHeld(Held):
    """Data that a law or a court wants kept: the person stays frozen, and nothing is erased until the hold ends."""

    def __init__(self, request_id: str, grounds: Sequence[str]) -> None:
        self.grounds = tuple(grounds)
        super().__init__(
            f"erasure {request_id} waits for a legal hold: {'; '.join(grounds)}. The person stays frozen; run it again "
            "when the hold has ended"
        )


class ResidueLeft(Broken):
    """A store that still holds something of an erased person, or could not be read."""

    def __init__(self, request_id: str, places: Sequence[str]) -> None:
        self.places = tuple(places)
        super().__init__(
            f"erasure {request_id} is not certified, for something is left: {'; '.join(places)}. The person stays "
            f"frozen; mend that and say `kindred erasure run {request_id}`"
        )
