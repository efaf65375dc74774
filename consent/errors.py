"""What can go wrong when consent is asked or recorded."""

import re
from collections.abc import Iterable
from typing import Final

from infra.errors import Broken, Malformed, Missing, Unavailable, value_class

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


class MirrorIncomplete(Broken):
    """A mirror of the ledger that holds other entries than the ledger: a refusal might be missing."""

    def __init__(self, told: int, held: int) -> None:
        super().__init__(
            f"the ledger told {told} entries, but its mirror holds {held}; nothing was derived from it and nothing is "
            "published. Run again: the mirror is written anew"
        )


class KeysMissing(Unavailable):
    """Evidence that has no subject's key to lie under; it is never written in the clear."""

    def __init__(self) -> None:
        super().__init__(
            "KINDRED_SUBJECT_KEY is not set or not 64 hexadecimal digits, and evidence is kept under each person's own "
            "key only; `kindred init` adds one to the workspace's .env, production sets it in the environment"
        )


class KeysUnreadable(Unavailable):
    """A store of subjects' keys that cannot do what was asked."""


class NotSealed(Unavailable):
    """An entry or a head that the sealer has not come to yet."""

    def __init__(self) -> None:
        super().__init__(
            "not sealed yet; a running server seals within five seconds, `kindred consent seal` at once. Ask again then"
        )


class UnknownEntry(Missing):
    """No such entry, or one of a person whom this ledger no longer knows: the two look alike."""

    def __init__(self) -> None:
        super().__init__("the ledger has no such entry; `kindred consent show` lists those of an identifier")


class TreeBroken(Broken):
    """Stored parts of the ledger's tree that were changed or lost."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the ledger's tree was changed in the database: {what}; nothing is sealed or proved on top of it. Compare "
            "an earlier export (`kindred consent verify`), and restore the database from a backup"
        )
