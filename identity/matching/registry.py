"""A trained model as text that any engine reads: m, u and household likelihood by level, prior, frequency floors.

Splink's own JSON is bound to one SQL dialect; this holds no SQL at all. Its hash is its version, so equal
models have equal names and a stored one cannot be changed unseen.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from identity.errors import ForeignModel, UnevenModel
from identity.matching.comparisons import COMPARISONS
from infra.ids import content_digest

FORMAT = 2
"""Raised when normalisers or levels change their meaning: weights of different formats do not compare."""


@dataclass(frozen=True, slots=True)
class TrainedLevel:
    """What agreement on a level is worth: likelihoods among same persons, strangers, members of one household."""

    label: str
    m: float
    u: float
    household: float | None


@dataclass(frozen=True, slots=True)
class TrainedComparison:
    """A field's levels, best first, `different` last."""

    name: str
    levels: tuple[TrainedLevel, ...]


@dataclass(frozen=True, slots=True)
class MatchModel:
    """Everything a weight depends on besides the two records: nothing live, nothing global.

    `families` says from 0 to 1 how far the records show relatives living together: so much caution is called for.
    """

    prior: float
    one_person_at_home: float
    comparisons: tuple[TrainedComparison, ...]
    floors: dict[str, float]
    frequencies_digest: str
    records: int
    families: float = 1.0

    @property
    def version(self) -> str:
        """The model's name: the first 16 hex digits of its content's SHA-256."""
        return content_digest(_content(self))[:16]

    def comparison(self, name: str, levels: int) -> TrainedComparison:
        """Return one comparison; raise `UnevenModel` where it is not stored with so many levels."""
        found = next((c for c in self.comparisons if c.name == name), None)
        if found is None or len(found.levels) != levels:
            raise UnevenModel(name, len(found.levels) if found else 0, levels)
        return found


def _content(model: MatchModel) -> dict[str, object]:
    return {"format": FORMAT, **asdict(model)}


def as_text(model: MatchModel) -> str:
    """Return the model as canonical JSON."""
    return json.dumps(_content(model), sort_keys=True, separators=(",", ":"))


def from_text(text: str) -> MatchModel:
    """Return the model that `as_text` wrote; raise `ForeignModel` where weights with it would mean something else."""
    raw = json.loads(text)
    because = _foreign(raw)
    if because:
        raise ForeignModel(content_digest(raw)[:16], because)
    return MatchModel(
        prior=raw["prior"],
        one_person_at_home=raw["one_person_at_home"],
        families=raw["families"],
        comparisons=tuple(
            TrainedComparison(c["name"], tuple(TrainedLevel(**level) for level in c["levels"]))
            for c in raw["comparisons"]
        ),
        floors=raw["floors"],
        frequencies_digest=raw["frequencies_digest"],
        records=raw["records"],
    )


def usable(text: str, comparisons: tuple[str, ...], records: int, grown: float | None) -> bool:
    """Say whether a stored model still serves: ours to read, same comparisons, and records not grown beyond."""
    raw = json.loads(text)
    same = not _foreign(raw) and tuple(c["name"] for c in raw["comparisons"]) == comparisons
    return same and (grown is None or records < grown * max(raw["records"], 1))


def _foreign(raw: Mapping[str, Any]) -> str:
    """Return why a stored model cannot be read here, or an empty string."""
    stored = raw.get("format")
    if stored != FORMAT:
        return f"it is of format {stored}, and this Kindred reads format {FORMAT}"
    missing = sorted({field.name for field in fields(MatchModel)} - set(raw))
    if missing:
        return f"it lacks {', '.join(missing)}"
    for comparison in raw["comparisons"]:
        declared = COMPARISONS.get(comparison["name"])
        if declared is None:
            return f"it compares {comparison['name']}, which this Kindred does not know"
        if [level["label"] for level in comparison["levels"]] != [level.label for level in declared.all_levels()]:
            return f"its levels of {comparison['name']} are not those that this Kindred compares"
    return ""
