"""Where the writer of a served generation notes, beside its changes, of whom the feed has something to tell."""

from typing import Final

OUTBOX: Final = b"o|"


def outbox_key(profile_id: str) -> bytes:
    """Return where it is noted that a person may have changed, until that was told."""
    return OUTBOX + profile_id.encode("utf-8", "surrogatepass")
