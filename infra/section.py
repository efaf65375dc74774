"""A part of the page of configuration."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the page: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def plain_address(value: str, example: str, secret: str) -> str:
    """Return the address of a server beside ours; raise `ValueError` for what is none, or holds a secret.

    The sentences name an address that would do, and where a secret belongs.
    """
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not the address of a server; write {example} or https://…")
    if parts.username or parts.password or parts.query:
        raise ValueError(f"an address with a secret in it; {secret}")
    return value
