"""What the collector's rules are given here: tokens under the workspace's key, ids of chance, who is restricted."""

import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from api.http.collector.hearing import Hearing
from api.http.collector.restricted import Restricted
from api.http.collector.sources import Declared
from api.http.reading import Tongue
from consent.signals.config import SignalsConfig
from infra.identifiers import record_token, token
from infra.ids import Token
from ingestion.collector.intake import Barred, Intake
from ingestion.collector.named import Naming, gated, speaking

_REMEMBERED = 65_536
_USUAL = Declared()


def _drawn() -> str:
    return str(uuid.uuid4())


class Desk:
    """The intake of each source."""

    def __init__(
        self,
        tongue: Tongue,
        restricted: Restricted,
        sources: Mapping[str, Declared],
        *,
        mint: Callable[[], str] = _drawn,
    ) -> None:
        self._tongue, self._restricted, self._sources, self._mint = tongue, restricted, sources, mint
        # A browser sends the same cookie again and again; the same token stands for it.
        self._person = lru_cache(maxsize=_REMEMBERED)(self._person_token)
        self._free: dict[str, Intake] = {}
        self._guarded: dict[str, Intake] = {}
        self._heard: dict[str, Hearing] = {}

    def hearing(self, config: SignalsConfig, source: str) -> Hearing:
        """Return how a source's events are heard for signals of consent."""
        if source not in self._heard:
            gate = self._sources.get(source, _USUAL).consent_gate
            named = self._sources.get(source, _USUAL).identifiers or speaking(self._tongue.types)
            self._heard[source] = Hearing(config, self._naming_by(named), self._naming(source), gate, self._restricted)
        return self._heard[source]

    def intake(self, source: str) -> Intake:
        """Return how a source's events are taken in; they are looked into only where some may not be stored."""
        if not self._restricted.anybody() and self._sources.get(source, _USUAL).consent_gate is None:
            if source not in self._free:
                self._free[source] = Intake(self._person, self._message(source), self._mint)
            return self._free[source]
        if source not in self._guarded:
            self._guarded[source] = Intake(self._person, self._message(source), self._mint, self._barring(source))
        return self._guarded[source]

    def refresh(self) -> None:
        """Look anew whom consent restricts."""
        self._restricted.refresh()

    def _barring(self, source: str) -> Callable[[Mapping[str, Any]], Barred | None]:
        said, naming = self._sources.get(source, _USUAL), self._naming(source)

        def barred(event: Mapping[str, Any]) -> Barred | None:
            if said.consent_gate is not None and gated(event, said.consent_gate):
                return "consent_filtered"
            return "suppressed" if self._restricted.suppressed(naming.tokens(event)) else None

        return barred

    def _naming(self, source: str) -> Naming:
        return self._naming_by(self._sources.get(source, _USUAL).identifiers)

    def _naming_by(self, identifiers: Mapping[str, tuple[str, ...]]) -> Naming:
        tongue = self._tongue
        return Naming.of(identifiers, tongue.types, tongue.region, tongue.key, tongue.retired)

    def _person_token(self, kind: str, value: str) -> str:
        return token(self._tongue.key, kind, value)

    def _message(self, source: str) -> Callable[[str], Token]:
        return partial(record_token, self._tongue.key, source)
