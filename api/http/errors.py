"""What can go wrong in asking, before any answer is looked for."""

from collections.abc import Collection

from infra.errors import Malformed, Missing, Refused, Unavailable


class Unauthenticated(Refused):
    """No key, or one that opens nothing; the three cases look alike on purpose."""

    def __init__(self) -> None:
        super().__init__("this needs an API key that is known and not revoked: `Authorization: Bearer kd_…`")


class ScopeRefused(Refused):
    """A key that is known and may not do this."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"this key does not have the scope {scope}")


class PurposeRefused(Refused):
    """A purpose that the credential does not carry."""

    def __init__(self, carried: Collection[str]) -> None:
        listed = ", ".join(sorted(carried)) or "none"
        super().__init__(f"this key does not carry the purpose that was named; it carries: {listed}")


class ProfileHidden(Missing):
    """Unknown, erased or denied: one answer for all three, so that none of them can be told apart."""

    def __init__(self) -> None:
        super().__init__("there is no profile here that this purpose may see")


class IdentifierUnreadable(Malformed):
    """An identifier that is of no declared type, or no valid value of its type."""

    def __init__(self, wrong: str, right: str) -> None:
        self.wrong, self.right = wrong, right
        super().__init__(f"{wrong}; {right}")


class TooLarge(Malformed):
    """A body over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")


class TooFast(Unavailable):
    """More requests than a key may make now."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        super().__init__("this key asks faster than it may; wait as long as Retry-After says")


class AuditBehind(Unavailable):
    """The audit of reads cannot keep up, and no read goes unrecorded."""

    def __init__(self) -> None:
        super().__init__("reads are paused until their audit has been written")


class ScopeUnknown(Malformed):
    """A scope that does not exist."""

    def __init__(self, unknown: Collection[str], known: Collection[str]) -> None:
        super().__init__(f"unknown scope {', '.join(unknown)}; known: {', '.join(known)}")


class WriteKeyMixed(Malformed):
    """A write key that would do more than write, or a source of a key that does not write."""

    def __init__(self) -> None:
        super().__init__(
            "a key with the scope events:write is public: it names its source, and has no other scope and no purpose; "
            "a key without it names no source"
        )


class KeyMissing(Missing):
    """A key id that was never given out."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no API key has the id {key_id}; `kindred keys list` shows them")


class BackendMissing(Unavailable):
    """A part of the product that this server was started without."""

    def __init__(self, part: str) -> None:
        super().__init__(f"this server runs without {part}")
