"""Events of OpenLineage on their way: to a file or a server. What does not arrive is counted and told, never fatal."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from openlineage.client.transport.transport import Transport

from infra.lineage.events import event, producer
from infra.lineage.model import Happened
from infra.settings import FileLineage, HttpLineage

# A server that does not answer is left alone for so long: a run must not wait for it at every step.
_REST: Final = 30.0
_RETRY: Final = {"total": 1, "read": 0, "connect": 1, "backoff_factor": 0.1}


def transport_of(settings: FileLineage | HttpLineage, root: Path) -> Transport:
    """Return the library's transport for what was declared; it opens nothing yet."""
    if isinstance(settings, FileLineage):
        return FileTransport(FileConfig(log_file_path=str(root / settings.path), append=True))
    key = settings.api_key.get_secret_value() if settings.api_key else None
    auth = ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({})
    base = settings.url if settings.url.endswith("/") else f"{settings.url}/"
    sent = HttpTransport(
        HttpConfig(url=base, endpoint=settings.endpoint.lstrip("/"), timeout=settings.timeout, auth=auth, retry=_RETRY)
    )
    # No proxy stands between this machine and itself.
    sent.session.trust_env = not settings.loopback
    return sent


class Told:
    """Whoever collects lineage, as `Teller`: `say` is told, once in a rest, that events do not arrive."""

    def __init__(
        self,
        transport: Transport,
        namespace: str,
        say: Callable[[str], None],
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport, self._namespace, self._say, self._stopwatch = transport, namespace, say, stopwatch
        self._producer, self._lost, self._resting_until = producer(), 0, -1.0

    def tell(self, happened: Happened) -> None:
        """Send the event of what happened, unless the last one failed a moment ago."""
        if self._stopwatch() < self._resting_until:
            self._lost += 1
            return
        try:
            self._transport.emit(event(happened, self._namespace, self._producer))
        except (OSError, RuntimeError, ValueError) as error:  # what requests raises is an OSError
            # Its sentence may hold the address; its class says enough.
            self._lost += 1
            self._resting_until = self._stopwatch() + _REST
            self._say(f"lineage: an event was not delivered ({type(error).__name__}); the run goes on without")

    def close(self) -> None:
        """Say how many events were lost, and close the connection."""
        if self._lost:
            self._say(f"lineage: {self._lost} events of this run were not delivered; see `lineage` in kindred.yaml")
        self._lost = 0
        self._transport.close()


def mended(file: Path) -> None:
    """End the last line of a file, where a kill has cut it off, so that the next event has a line of its own."""
    if file.is_file() and file.stat().st_size:
        with file.open("rb+") as stream:
            stream.seek(-1, 2)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
