"""`features/*.yaml`: which of a person's traits, attributes and audiences make a row for a model, and of which type."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import Field, model_validator

from consent.model import Policy
from infra.errors import ConfigurationError
from infra.ids import Purpose
from infra.section import Section
from infra.workspace import Workspace
from profiles.config import ProfileSettings

FeatureType = Literal["whole", "money", "text", "time", "list", "flag"]
Value = str | int | float | bool | list[str] | None
FOLDER: Final = "features"
_FORMS: Final[Mapping[str, tuple[type, ...]]] = {
    "whole": (int,),
    "money": (int, float),
    "text": (str,),
    "time": (str,),
    "list": (list,),
    "flag": (bool,),
}
_RANKED: Final = frozenset({"recency_score", "frequency_score", "monetary_score", "rfm"})


class Feature(Section):
    """One value of a row: where it comes from, its type, and what stands in where there is none."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    field: str = Field(pattern=r"^(traits|attributes|audiences)\.[a-z][a-z0-9_]*$")
    type: FeatureType
    default: bool | int | float | str | list[str] | None = None
    max_age_hours: int | None = Field(default=None, ge=1, description="an older value counts as none")

    @model_validator(mode="after")
    def _fits(self) -> "Feature":
        if self.default is not None and not is_a(self.type, self.default):
            raise ValueError(f"the default is no {self.type}")
        if self.type == "time" and isinstance(self.default, str):
            _moment(self.default)
        wanted = {"attributes": "text", "audiences": "flag"}.get(self.part)
        if wanted is not None and self.type != wanted:
            raise ValueError(f"{self.part} are of the type {wanted}")
        return self

    @property
    def part(self) -> str:
        """The part of a profile that it comes from: traits, attributes or audiences."""
        return self.field.partition(".")[0]

    @property
    def of(self) -> str:
        """The name that it has there."""
        return self.field.partition(".")[2]

    @property
    def absent(self) -> Value:
        """What stands in where there is no value; nobody is in an audience whom it does not name."""
        return False if self.default is None and self.type == "flag" else self.default

    @property
    def max_age(self) -> timedelta | None:
        """How old a value may be, or None where its age does not matter."""
        return None if self.max_age_hours is None else timedelta(hours=self.max_age_hours)


class FeatureSet(Section):
    """The whole file: a purpose, and a row of values that a model for it is fed with."""

    feature_set: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    description: str = ""
    version: int = Field(default=1, ge=1)
    purpose: str
    features: tuple[Feature, ...] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_differ(self) -> "FeatureSet":
        names = [one.name for one in self.features]
        for name in sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"two features are called {name}; rename one")
        return self


@dataclass(frozen=True, slots=True)
class Known:
    """What features may come from: the settings, the attributes that sources tell, audiences with their purposes."""

    settings: ProfileSettings
    policy: Policy
    attributes: frozenset[str]
    audiences: Mapping[str, str]


def is_a(kind: FeatureType, value: object) -> bool:
    """Say whether a value is of a feature's type; a truth is no number, and what is not finite is none either."""
    if isinstance(value, bool) or kind == "flag":
        return kind == "flag" and isinstance(value, bool)
    return isinstance(value, _FORMS[kind]) and not (isinstance(value, float) and not math.isfinite(value))


def load_features(workspace: Workspace, known: Known | None = None) -> dict[str, FeatureSet]:
    """Return the declared feature sets by name; raise `ConfigurationError` where a file is wrong.

    With `known`, also where a feature names what is not there, is of another type, or may never be seen.
    """
    found: dict[str, FeatureSet] = {}
    for file in sorted(workspace.root.glob(f"{FOLDER}/*.yaml")):
        path = file.relative_to(workspace.root).as_posix()
        one = workspace.load(path, FeatureSet)
        if one.feature_set in found:
            raise ConfigurationError(path, 1, "feature_set", "another file declares this name too", "rename one")
        found[one.feature_set] = one
        if known is not None:
            _check(workspace, path, one, known)
    return found


def _check(workspace: Workspace, path: str, declared: FeatureSet, known: Known) -> None:
    tree = workspace.lines(path)
    purposes = known.policy.purposes
    if declared.purpose not in purposes:
        line = tree.lc.key("purpose")[0] + 1
        right = f"the policy declares: {', '.join(sorted(purposes))}"
        raise ConfigurationError(path, line, "purpose", f"unknown purpose {declared.purpose!r}", right)
    for place, feature in enumerate(declared.features):
        for wrong, right in _wrong(feature, Purpose(declared.purpose), known):
            line = tree["features"].lc.item(place)[0] + 1
            raise ConfigurationError(path, line, f"features.{feature.name}", wrong, right)


def _wrong(feature: Feature, purpose: Purpose, known: Known) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a feature, and what would be right."""
    of = feature.of
    cut = known.policy.shortened.get(purpose, {})
    if of in known.policy.masks.get(purpose, ()) and of not in cut and feature.part != "audiences":
        yield f"{of} is masked for {purpose}, so it would never be told", "take it out, or change consent/labels.yaml"
    if feature.part == "traits":
        yield from _wrong_trait(feature, known.settings)
    elif feature.part == "attributes" and of not in known.attributes:
        yield f"no source tells {of!r}", _listed(known.attributes)
    elif feature.part == "audiences":
        if of not in known.audiences:
            yield f"unknown audience {of!r}", _listed(known.audiences)
        elif known.audiences[of] != purpose:
            yield f"audience {of!r} is for {known.audiences[of]}", f"declare one for {purpose}"


def _wrong_trait(feature: Feature, settings: ProfileSettings) -> Iterator[tuple[str, str]]:
    traits = {one.name: one for one in settings.traits}
    trait = traits.get(feature.of)
    if trait is None:
        yield f"unknown trait {feature.of!r}", _listed(traits)
    elif trait.compute in _RANKED:
        # It says where somebody stands among all people at one moment: no other moment could be told alike.
        right = "use what it ranks: days_since_order, order_count, order_total"
        yield f"{feature.of} ranks people among each other, which no training set can tell of the past", right
    elif trait.value_kind != feature.type:
        yield f"{feature.of} is of the type {trait.value_kind}", f"write type: {trait.value_kind}"


def _listed(names: Collection[str]) -> str:
    return f"declared: {', '.join(sorted(names)) or 'none'}"


def _moment(text: str) -> None:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("the default is no moment; write one such as 2026-11-22T09:30:00Z") from None
    if told.tzinfo is None:
        raise ValueError("the default has no time zone; write one such as 2026-11-22T09:30:00Z")
