"""The addresses of the wire format: what each carries, and under which template it is counted."""

from dataclasses import dataclass
from typing import Final, Literal

from ingestion.collector.wire import TYPES

Form = Literal["events", "metrics", "beacon", "pixel", "webhook", "settings"]


@dataclass(frozen=True, slots=True)
class Path:
    """One address; `kind` is the type of the one event that it takes, or None for a batch."""

    template: str
    form: Form
    kind: str | None = None

    @property
    def method(self) -> str:
        """The method that it answers to."""
        return "GET" if self.form in ("pixel", "settings") else "POST"


_SHORT: Final = {type_: type_[0] for type_ in TYPES}
_PIXELS: Final = ("/v1/pixel/{}", "/pixel/v1/{}")
SETTINGS: Final = (Path("/v1/projects/{key}/settings", "settings"), Path("/projects/{key}/settings", "settings"))
PATHS: Final = {
    path.template: path
    for path in (
        *(Path(f"/v1/{type_}", "events", type_) for type_ in TYPES),
        *(Path(f"/v1/{letter}", "events", type_) for type_, letter in _SHORT.items()),
        *(Path(f"/v1/{name}", "events") for name in ("batch", "b", "import")),
        *(Path(form.format(type_), "pixel", type_) for form in _PIXELS for type_ in ("track", "page", "identify")),
        Path("/beacon/v1/batch", "beacon"),
        Path("/v1/m", "metrics"),
        Path("/v1/webhook", "webhook"),
    )
}
_END: Final = "/settings"


def found(path: str) -> tuple[Path, str] | None:
    """Return the address that a path is, and the key that stands in it, if one does; None for all others."""
    exact = PATHS.get(path)
    if exact is not None:
        return exact, ""
    if path.endswith(_END):
        for one in SETTINGS:
            before = one.template.partition("{")[0]
            key = path[len(before) : -len(_END)]
            if path.startswith(before) and key and "/" not in key:
                return one, key
    return None
