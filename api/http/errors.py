"""What can go wrong in asking, before any answer is looked for."""

from collections.abc import Collection

from infra.errors import Malformed, Missing, Refused, Unavailable


class Unauthenticated(Refused):
    """No key, or one that opens nothing; the three cases look alike on purpose."""

    def __init__(self) -> None:
        super().__init__("this needs an API key that is known and not revoked: `Authorization: Bearer kd_…`")


class KeysUnreachable(Unavailable):
    """A provider of tokens whose keys nobody could fetch yet."""

    def __init__(self) -> None:
        super().__init__("the keys of the identity provider cannot be read now; ask again, or send an API key")


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


class CursorUnreadable(Malformed):
    """A cursor that no page of ours gave out."""

    def __init__(self) -> None:
        super().__init__(
            "the cursor is none of ours; send `next` of the page before as it is, or none for the first page"
        )


class TooLarge(Malformed):
    """A body over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")


class TooSlow(Malformed):
    """A body that did not come to its end in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body did not arrive within {seconds:g} seconds; send it whole")


class CutShort(Malformed):
    """A body that ended before its end: whoever sent it has left, or hears this."""

    def __init__(self) -> None:
        super().__init__("the body ended before it was whole; send it again")


class TooFast(Unavailable):
    """More requests than a key may make now."""

    policy = "requests"
    window = 1

    def __init__(self, wait: float, quota: float | None = None) -> None:
        self.wait, self.quota = wait, quota
        super().__init__(self.said())

    def said(self) -> str:
        """Return what is wrong, and what would be right."""
        return "this key asks faster than it may; wait as long as Retry-After says"


class DayFull(TooFast):
    """More different people than a key may read in a day."""

    policy = "people"
    window = 86_400

    def said(self) -> str:
        """Return what is wrong, and what would be right."""
        return f"this key has read as many people today as it may ({self.quota:,}); its next day begins at 00:00 UTC"


class TooManyStreams(TooFast):
    """More open streams of changes than a key may have."""

    def __init__(self, most: int) -> None:
        self._most = most
        super().__init__(5.0)

    def said(self) -> str:
        """Return what is wrong, and what would be right."""
        return f"this key has as many streams of changes open as it may ({self._most}); end one, or ask for pages"


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


class KeyWouldNotOpen(Malformed):
    """A key that would be over when it is made."""

    def __init__(self) -> None:
        super().__init__("the key would have ended already; name a moment that is still to come")


class KeyMissing(Missing):
    """A key id that was never given out."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no API key has the id {key_id}; `kindred keys list` shows them")


class BackendMissing(Unavailable):
    """A part of the product that this server was started without."""

    def __init__(self, part: str) -> None:
        super().__init__(f"this server runs without {part}")
