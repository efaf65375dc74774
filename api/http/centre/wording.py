"""The languages of the preference centre: a file each, which a workspace may add to or say otherwise."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from api.http.console import words
from infra.errors import ConfigurationError
from infra.workspace import Workspace

FOLDER: Final = "consent/centre"
FIRST: Final = "en"
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


class Said(BaseModel):
    """What a workspace's language file may hold: any text of the page by its name, and its purposes in plain words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(default=None, description="of the language, in itself; needed for one that is new")
    texts: dict[str, str] = Field(default_factory=dict)
    reasons: dict[str, str] = Field(default_factory=dict)
    actions: dict[str, str] = Field(default_factory=dict)
    mechanisms: dict[str, str] = Field(default_factory=dict)
    purposes: dict[str, str] = Field(default_factory=dict, description="by the purpose's name")
    rights: dict[str, str] = Field(default_factory=dict)
    rights_told: dict[str, str] = Field(default_factory=dict)
    statuses: dict[str, str] = Field(default_factory=dict, description="of a request")
    fields: dict[str, str] = Field(default_factory=dict, description="fields, traits and identifier types by name")
    sources: dict[str, str] = Field(default_factory=dict, description="by the source's name")
    happened: dict[str, str] = Field(default_factory=dict, description="by the event's name, else by its kind")
    laws: dict[str, str] = Field(default_factory=dict, description="by the regulation's name")
    grounds: dict[str, str] = Field(default_factory=dict, description="on which a request is refused")
    steps: dict[str, str] = Field(default_factory=dict, description="of a request, each as a sentence")
    wrong: dict[str, str] = Field(default_factory=dict, description="what a form lacked, and what would be right")
    months: tuple[str, ...] = Field(default=(), min_length=0, max_length=12, description="January first")


_GROUPS: Final = tuple(
    name for name, one in Said.model_fields.items() if name != "texts" and one.annotation == dict[str, str]
)
_MONTHS: Final = 12

Language = Mapping[str, Any]


def shipped() -> dict[str, Language]:
    """Return the languages that come with us, by their code (ISO 639-1); English is first."""
    folder = files("api") / "http" / "centre" / "languages"
    found = {
        Path(str(file)).stem: YAML(typ="safe").load(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if str(file).endswith(".yaml")
    }
    return {code: found[code] for code in sorted(found, key=lambda code: (code != FIRST, code))}


class Shipped(Mapping[str, Language]):
    """The languages that come with us, read when a page first needs them: no start of a server waits for them."""

    @cached_property
    def _read(self) -> Mapping[str, Language]:
        return shipped()

    def __getitem__(self, code: str) -> Language:
        return self._read[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def languages(workspace: Workspace) -> Mapping[str, Language]:
    """Return the languages of a workspace: ours, with its own texts over them; what one lacks is said in English.

    What is wrong with its own is told at once.
    """
    files_of_its_own = sorted((workspace.root / FOLDER).glob("*.yaml"))
    if not files_of_its_own:
        return Shipped()
    found = shipped()
    for file in files_of_its_own:
        path = f"{FOLDER}/{file.name}"
        said = workspace.load(path, Said)
        base = found.get(file.stem, found[FIRST])
        if said.name is None and file.stem not in found:
            raise ConfigurationError(path, 1, "name", "a new language needs its name", "for example name: Français")
        unknown = sorted(set(said.texts) - set(found[FIRST]))
        if unknown:
            known = ", ".join(sorted(k for k, v in found[FIRST].items() if isinstance(v, str)))
            raise ConfigurationError(path, 1, "texts", f"unknown text `{unknown[0]}`", f"known: {known}")
        if said.months and len(said.months) != _MONTHS:
            raise ConfigurationError(path, 1, "months", f"{len(said.months)} months", "a year has twelve")
        merged = {**base, **said.texts, **({"name": said.name} if said.name else {})}
        merged |= {"months": said.months} if said.months else {}
        found[file.stem] = merged | {group: {**base[group], **getattr(said, group)} for group in _GROUPS}
    return found


def day(language: Language, value: str | datetime | None, zone: tzinfo) -> str:
    """Return a date as the language writes it; nothing for what is no moment."""
    when = words.moment(value)
    if when is None:
        return ""
    local = when.astimezone(zone)
    month = language["months"][local.month - 1]
    return str(language["day_form"]).format(day=local.day, month=month, year=local.year)


def value(language: Language, text: str, zone: tzinfo) -> str:
    """Return a value as people write it: a date or moment in the language's form, all else as it is."""
    if _MOMENT.fullmatch(text):
        return day(language, text, zone) or text
    if _DATE.fullmatch(text):
        # A birthday is the same day in every zone.
        return day(language, f"{text}T12:00:00+00:00", UTC) or text
    return text


def preferred(header: str, known: Iterable[str]) -> str:
    """Return the code of the language that an Accept-Language header likes best (RFC 9110, 12.5.4); else the first."""
    known = list(known)
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:500].split(",")):
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        wishes.append((-weight, place, tag.strip().lower().partition("-")[0]))
    return next((code for weight, _, code in sorted(wishes) if weight < 0 and code in known), known[0])
