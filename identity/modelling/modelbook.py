"""The book of trained models: which there are, which one weighs now, what one says, and how two differ."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log2
from pathlib import Path

import pyarrow.compute as pc

from identity.errors import UnknownModel
from identity.matching.comparisons import COMPARISONS
from identity.matching.evidence import log_odds
from identity.matching.registry import FORMAT, MatchModel, TrainedLevel, from_text
from identity.tables import EDGES, MODEL_REGISTRY, TF_SNAPSHOT
from infra import shelf


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model as the registry holds it; its text is read only when its figures are asked for."""

    version: str
    trained_at: datetime
    records: int
    batch: int
    text: str

    @property
    def format(self) -> int | None:
        """The format that it was stored in; one that is not ours cannot be used."""
        found: int | None = json.loads(self.text).get("format")
        return found

    def model(self) -> MatchModel:
        """Return its figures; raise `ForeignModel` where they would mean something else here."""
        return from_text(self.text)


@dataclass(frozen=True, slots=True)
class Figure:
    """One level of a comparison: how often one person's records, strangers' and relatives' come out on it."""

    comparison: str
    level: str
    m: float
    u: float
    household: float | None
    counted: bool

    @property
    def bits(self) -> float:
        """What the level is worth against strangers."""
        return log2(self.m / self.u)

    @property
    def bits_at_home(self) -> float | None:
        """What it is worth against somebody else of the household, or None where nothing is known of them."""
        return log2(self.m / self.household) if self.household else None


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of two models, before and after; None where a model does not have it."""

    comparison: str
    level: str
    before: Figure | None
    after: Figure | None

    @property
    def moved(self) -> float:
        """By how many bits it moved; what one model does not have has moved by all of it."""
        return (self.after.bits if self.after else 0.0) - (self.before.bits if self.before else 0.0)


def stored(lake: Path) -> tuple[StoredModel, ...]:
    """Return every model of the registry, the newest first; one that was learnt again stands where it came up last."""
    rows = sorted(shelf.reader(lake, MODEL_REGISTRY).read_all().to_pylist(), key=lambda row: int(row["batch"]))
    models = (StoredModel(r["model_version"], r["trained_at"], r["records"], r["batch"], r["model"]) for r in rows)
    last = {model.version: model for model in models}
    return tuple(sorted(last.values(), key=lambda m: (-m.batch, m.version)))


def newest(lake: Path) -> StoredModel | None:
    """Return the model that was learnt last, or None before the first."""
    return next(iter(stored(lake)), None)


def live(lake: Path) -> str | None:
    """Return the version that the stored edges were weighed with, or None where there is none yet."""
    for batch in shelf.batches(lake, EDGES, columns=["model_version"]):
        if batch.num_rows:
            return str(batch.column(0)[0].as_py())
    return None


def named(models: Sequence[StoredModel], beginning: str) -> StoredModel:
    """Return the one model whose version begins so; raise `UnknownModel` where none does, or several do."""
    fitting = {model.version: model for model in reversed(models) if model.version.startswith(beginning)}
    if len(fitting) != 1 or not beginning:
        raise UnknownModel(beginning, len(fitting))
    return next(iter(fitting.values()))


def figures(model: MatchModel) -> tuple[Figure, ...]:
    """Return every level of every comparison, in their order."""
    return tuple(
        _figure(comparison.name, level, counted=declared.counted)
        for comparison in model.comparisons
        for level, declared in zip(comparison.levels, COMPARISONS[comparison.name].all_levels(), strict=True)
    )


def _figure(name: str, level: TrainedLevel, *, counted: bool) -> Figure:
    return Figure(name, level.label, level.m, level.u, level.household, counted)


def changes(before: MatchModel, after: MatchModel) -> tuple[Change, ...]:
    """Return the levels whose m or u differ, or that only one of two models has, in the order of the newer one."""
    old = {(f.comparison, f.level): f for f in figures(before)}
    new = {(f.comparison, f.level): f for f in figures(after)}
    names = dict.fromkeys((*new, *old))
    return tuple(Change(*name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def frequencies_kept(lake: Path, model: MatchModel) -> dict[str, int]:
    """Return by field how many values are common enough for their frequency to be kept."""
    mine = pc.field("snapshot") == model.frequencies_digest
    # models of equal names share a snapshot that each of them stored
    found = shelf.lookup(lake, TF_SNAPSHOT, mine, columns=["field", "value_hash"]).group_by(["field", "value_hash"])
    kept = Counter(found.aggregate([]).column("field").to_pylist())
    return {field: kept[field] for field in sorted(model.floors)}


def one_in(probability: float) -> str:
    """Return a small probability as people say it."""
    return f"one in {round(1 / probability):,}"


def lines(model: MatchModel, kept: Mapping[str, int]) -> tuple[str, ...]:
    """Return what a model has learnt, for whoever follows the run: figures of all together, nothing of anybody."""
    values = ", ".join(f"{number:,} of {field}" for field, number in kept.items()) or "none"
    pairs, home = one_in(model.prior), f"at one address {model.one_person_at_home:.0%} of pairs"
    return (
        f"model {model.version} (format {FORMAT}), learnt from {model.records:,} records",
        f"prior: {pairs} pairs is one person ({log_odds(model.prior):+.1f} bits); {home}",
        f"frequencies kept: {values}",
        *(f"{name}: {' · '.join(_shown(f) for f in of)}" for name, of in by_comparison(figures(model))),
    )


def _shown(figure: Figure) -> str:
    return f"{figure.level} {figure.bits:+.1f}" + ("" if figure.counted else " (not counted)")


def by_comparison(found: Iterable[Figure]) -> Iterable[tuple[str, list[Figure]]]:
    """Return the figures of each comparison, in their order."""
    grouped: dict[str, list[Figure]] = {}
    for figure in found:
        grouped.setdefault(figure.comparison, []).append(figure)
    return grouped.items()


def facts(model: MatchModel, kept: Mapping[str, int]) -> dict[str, object]:
    """Return a model as data for machines."""
    return {
        "version": model.version,
        "format": FORMAT,
        "records": model.records,
        "prior": model.prior,
        "prior_bits": log_odds(model.prior),
        "one_person_at_home": model.one_person_at_home,
        "frequencies_kept": dict(kept),
        "floors": dict(model.floors),
        "comparisons": {
            name: [
                {
                    "level": f.level,
                    "m": f.m,
                    "u": f.u,
                    "household": f.household,
                    "bits": round(f.bits, 3),
                    "bits_at_home": None if f.bits_at_home is None else round(f.bits_at_home, 3),
                    "counted": f.counted,
                }
                for f in of
            ]
            for name, of in by_comparison(figures(model))
        },
    }
