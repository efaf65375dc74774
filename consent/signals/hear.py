"""What a visit says of consent: the browser's header, and the places of an event where SDKs put signals."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from consent.signals.config import GppConfig, SignalsConfig, TcfConfig
from consent.signals.gpp import LONGEST
from consent.signals.model import Signals

SEC_GPC: Final = b"sec-gpc"
# A proxy joins a header that came several times with commas; one exact "1" is enough.
_SET: Final = "1"
# A no may be spelled in many ways and counts; a yes is the one that JSON has.
_NO: Final = frozenset(("false", "no", "0", "f", "n"))
_WISH: Final = frozenset(("true", "1"))
_CATEGORIES: Final = 200
# What stands for a string that is too long to be one: no consent, and no evidence of that size.
_OVERLONG: Final = "."


def wished(headers: Iterable[str | bytes]) -> bool:
    """Say whether any of the values of Sec-GPC is exactly 1; all others mean nothing."""
    told = (value.decode("latin-1") if isinstance(value, bytes) else value for value in headers)
    return any(part.strip(" \t") == _SET for value in told for part in value.split(","))


def heard(event: Mapping[str, Any], config: SignalsConfig, *, gpc: bool = False) -> Signals:
    """Return the signals of an event; `gpc` is what its request's header said."""
    gpc = gpc or any(_wish(_at(event, path)) for path in config.gpc.paths)
    return Signals(gpc, _string(event, config.tcf), _categories(event, config), _string(event, config.gpp))


def needles(config: SignalsConfig) -> tuple[bytes, ...]:
    """Return what the text of an event with signals must hold: one of these bytes, so that others need no look."""
    sections = (config.gpc, config.tcf, config.gpp, config.categories)
    paths = {path for section in sections if section is not None for path in section.paths}
    # The key may be spelled with escapes; then any escape of a letter is reason enough to look.
    return (b"\\u00", *sorted({f'"{path.rpartition(".")[2]}"'.encode() for path in paths}))


def _wish(said: Any) -> bool:
    return said is True or (isinstance(said, str | int) and str(said).strip().lower() in _WISH)


def _string(event: Mapping[str, Any], section: TcfConfig | GppConfig | None) -> str | None:
    if section is None:
        return None
    for path in section.paths:
        said = _at(event, path)
        if isinstance(said, str) and said:
            return said if len(said) <= LONGEST else _OVERLONG
    return None


def _categories(event: Mapping[str, Any], config: SignalsConfig) -> dict[str, bool]:
    if config.categories is None:
        return {}
    wanted = {category for listed in config.categories.purposes.values() for category in listed}
    found: dict[str, bool] = {}
    for path in config.categories.paths:
        told = _at(event, path)
        if isinstance(told, dict) and len(told) <= _CATEGORIES:
            for name in wanted & told.keys():
                if (said := _said(told[name])) is not None:
                    found[name] = said and found.get(name, True)
    return found


def _said(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return False if isinstance(value, str | int) and str(value).strip().lower() in _NO else None


def _at(node: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node
