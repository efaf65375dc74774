"""What readers of profiles ask about everything that was said since the build, and the lists that they ask about."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from infra.ids import ProfileId, Purpose
from infra.keyvalue import KeyValue


class Denials(Protocol):
    """What was refused since the build: `consent.overlay.DenyOverlay` is one."""

    def denied_any(self, tokens: Iterable[str], purpose: str) -> bool:
        """Say whether any of a person's identifiers is denied the purpose."""


class Anew(Protocol):
    """Who decides by the ledger what was stored by an older decision: `api.http.anew.LedgerAnew` is one."""

    def touched(self, tokens: Iterable[str], purpose: str, store: KeyValue) -> bool:
        """Say whether what a generation decided of a holder of these tokens may be old."""

    def overruled(self, store: KeyValue) -> bool:
        """Say whether another policy holds than the one by which a generation was built."""

    def decided(self, store: KeyValue, profile_id: str, purpose: str) -> tuple[bytes, bytes, frozenset[str]] | None:
        """Return what a purpose may see now as ETag and answer, and the records behind it; None for nothing."""

    def rests_on(self) -> str | None:
        """Return the policy by which everybody is decided anew; None where it is the build's."""

    def leads(self, store: KeyValue, token: str, profile_id: str, purpose: str) -> bool:
        """Say whether an identifier is tied to a person as closely as a purpose demands now."""

    def retold(self, store: KeyValue, entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return entries of a generation's timeline without details that the policy of now reserves for fields."""

    def remasked(self, body: bytes, purpose: str) -> bytes:
        """Return an answer of another time under the purpose's masks of now."""


class AllListed:
    """The tokens of many lists, spelled out at once where somebody asks: a generator would cost a step a token."""

    def __init__(self, held: Iterable[bytes | None]) -> None:
        self._held = held

    def __iter__(self) -> Iterator[str]:
        return iter(b"\n".join(one for one in self._held if one is not None).decode().split())


def led_to(value: bytes | None, purpose: Purpose | None) -> ProfileId | None:
    """Return whom an identifier leads to for a purpose, by what is stored for it; None for nobody and for several."""
    if not value:
        return None
    if b"," not in value and b"\n" not in value:  # one person, closed to no purpose: nearly always
        return ProfileId(value.decode())
    found, _, closed = value.decode().partition("\n")
    if "," in found or (closed and purpose is not None and purpose in closed.split(" ")):
        return None
    return ProfileId(found)
