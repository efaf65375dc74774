"""What can go wrong when consent is asked or recorded."""

from collections.abc import Iterable

from infra.errors import Malformed


class UnknownPurpose(Malformed):
    """A purpose that the policy does not declare."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = tuple(known)
        super().__init__(f"the purpose is not declared in consent/policy.yaml; known: {', '.join(self.known)}")


class UnknownWord(Malformed):
    """An action, mechanism, link or age band that consent does not know."""

    def __init__(self, what: str, known: Iterable[str]) -> None:
        self.what, self.known = what, tuple(known)
        super().__init__(f"the {what} is not known; use one of: {', '.join(self.known)}")


class UnknownIdentifier(Malformed):
    """An identifier that cannot be read as its type; the value itself is not repeated."""

    def __init__(self, kind: str, wrong: str, right: str) -> None:
        self.kind = kind
        super().__init__(f"identifier of type {kind}: {wrong}; {right}")
