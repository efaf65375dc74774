"""What goes over the wire as values: a call, what to send or how long to wait, and what came back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

Answer = TypeVar("Answer")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came; `sent` says whether the request may have reached the server."""

    kind: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One call of the interface: what to send, and how to read the answer.

    `repeats` says what happens when it comes twice: nothing new (`safe`), or something that must not be (`never`).
    """

    method: Literal["GET", "POST"]
    path: str
    read: Callable[[Json], Answer] = field(repr=False)
    query: tuple[tuple[str, str], ...] = ()
    body: Json | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    repeats: Literal["safe", "never"] = "safe"
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send this, and tell what came back."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float
