"""Sending a body to an address that somebody else named: https only, agreed hosts, no inner addresses, no redirects."""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

_SECONDS: Final = 10.0
_PORT: Final = 443
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
Resolve = Callable[[str, int], list[str]]


def resolved(host: str, port: int) -> list[str]:
    """Return every address of a host."""
    return sorted({str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})


def public(address: str) -> bool:
    """Say whether an address lies in the open internet: not here, not in a private net, not a cloud's own service."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if found.is_multicast or not found.is_global:
        return False
    # Ways to write an inner address of IPv4 as one of IPv6 (RFC 4291, 3056, 4380, 6052).
    if isinstance(found, ipaddress.IPv6Address):
        return not (found.ipv4_mapped or found.sixtofour or found.teredo or found in _TRANSLATED)
    return True


@lru_cache(maxsize=1)
def trusting() -> ssl.SSLContext:
    """Return what trusts the system's authorities; to read them takes longer than a server may take to start."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Post:
    """What sends. `acceptable` says which addresses may be connected to; all of a host's must be."""

    hosts: frozenset[str]
    acceptable: Callable[[str], bool] = public
    resolve: Resolve = resolved
    context: Callable[[], ssl.SSLContext] = trusting
    port: int = _PORT

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> str:
        """Return what became of it: `delivered`, or in one word why not. An answer's body is not read."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" or host not in self.hosts or parts.username or parts.port not in {None, _PORT}:
            return "refused_host"
        try:
            addresses = self.resolve(host, self.port)
        except OSError:
            return "unresolved"
        # One inner address among public ones is how a name is rebound: then none of them is called.
        if not addresses or not all(map(self.acceptable, addresses)):
            return "refused_address"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _Pinned(host, addresses[0], self.port, self.context())
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"failed_{type(error).__name__}"[:40]
        finally:
            connection.close()
        return "delivered" if 200 <= status < 300 else f"status_{status}"


class _Pinned(http.client.HTTPSConnection):
    """A connection to the address that was looked at, under the name that its certificate must bear."""

    def __init__(self, host: str, address: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=_SECONDS, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        """Connect to the pinned address, whatever the name leads to by now."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
