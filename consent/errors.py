"""What can go wrong when consent is asked or recorded."""

import re
from collections.abc import Iterable
from typing import Final

from infra.errors import Malformed, value_class

_TYPE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


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
    """An identifier that cannot be read as its type; the value itself is not repeated.

    Neither is a type that cannot be one: somebody may have written the value where the type belongs.
    """

    def __init__(self, kind: str, wrong: str, right: str) -> None:
        self.kind = kind
        named = kind if _TYPE_NAME.fullmatch(kind) else value_class(kind)
        super().__init__(f"identifier of type {named}: {wrong}; {right}")
