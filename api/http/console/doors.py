"""Who comes into the console: this machine only, under its own name, with a login that still holds."""

import ipaddress
from dataclasses import dataclass

from fastapi import Request

from api.http.console.session import COOKIE, Session, opened, same_word
from api.http.html import from_elsewhere
from api.http.keys import Credential, credential_of
from api.http.world import World
from infra.errors import Refused

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


class NotLocal(Refused):
    """A visitor from elsewhere, or one led here under another name."""

    def __init__(self) -> None:
        super().__init__("the console answers on this machine only, as localhost")


class LoginNeeded(Refused):
    """A visitor without a login; sent to the form."""

    def __init__(self) -> None:
        super().__init__("sign in first")


class FormForged(Refused):
    """A form that was not made for this login."""

    def __init__(self) -> None:
        super().__init__("this form was not made for your login; open the page again")


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person at the console with the credential of the key that they signed in with."""

    credential: Credential
    session: Session


def local_only(request: Request) -> None:
    """Raise `NotLocal` unless the request comes from this machine and calls it by its local name.

    The name counts too: a page elsewhere that rebinds its own name to this machine would pass by address alone.
    """
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name not in _LOCAL_NAMES or request.client is None or not _loopback(request.client.host):
        raise NotLocal


def visitor(request: Request, world: World, key: bytes) -> Visitor:
    """Return who sits there; raise `LoginNeeded` where nobody has signed in, or the key was revoked since."""
    local_only(request)
    session = opened(key, request.cookies.get(COOKIE), world.clock())
    credential = None if session is None else credential_of(world.database, session.key_id, world.clock())
    if session is None or credential is None or not credential.may("console"):
        raise LoginNeeded
    return Visitor(credential, session)


def same_site(request: Request, session: Session, word: str) -> None:
    """Raise `FormForged` unless a posted form comes from our own page, made for this login."""
    if from_elsewhere(request):
        raise FormForged
    if not same_word(session, word):
        raise FormForged


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
