"""The book of models: found by their beginning, read as figures, compared level by level."""

from dataclasses import replace
from datetime import UTC, datetime
from math import log2
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from identity.errors import ForeignModel, UnknownModel
from identity.matching.registry import FORMAT, MatchModel, TrainedComparison, TrainedLevel, as_text
from identity.modelling import modelbook
from identity.modelling.modelbook import StoredModel
from identity.tables import EDGES, MODEL_REGISTRY, TF_SNAPSHOT
from infra.tables import Table

AT = datetime(2026, 3, 1, tzinfo=UTC)
SEX = TrainedComparison("sex", (TrainedLevel("same", 0.96, 0.5, 0.48), TrainedLevel("different", 0.04, 0.5, 0.52)))
MODEL = MatchModel(
    prior=0.001, one_person_at_home=0.4, comparisons=(SEX,), floors={"given_name": 0.01, "family_name": 0.02},
    frequencies_digest="abc", records=100,
)  # fmt: skip


def put(lake: Path, table: Table, rows: list[dict[str, object]]) -> None:
    write_deltalake(str(lake / table.name), pa.Table.from_pylist(rows))


def row(model: MatchModel, batch: int) -> dict[str, object]:
    return {
        "model_version": model.version, "model": as_text(model), "trained_at": AT, "records": model.records, "batch": batch,
    }  # fmt: skip


@pytest.fixture
def newer() -> MatchModel:
    same = TrainedLevel("same", 0.98, 0.49, 0.49)
    return replace(MODEL, comparisons=(replace(SEX, levels=(same, SEX.levels[1])),), records=300)


@pytest.fixture
def lake(tmp_path: Path, newer: MatchModel) -> Path:
    put(tmp_path, MODEL_REGISTRY, [row(MODEL, 1), row(newer, 2), row(newer, 3)])
    put(tmp_path, EDGES, [{"left_key": "a", "right_key": "b", "model_version": MODEL.version}])
    frequencies = [("abc", "given_name"), ("abc", "given_name"), ("old", "given_name")]
    again: list[dict[str, object]] = [{"snapshot": "abc", "field": "given_name", "value_hash": "0"}]
    kept = [{"snapshot": s, "field": f, "value_hash": str(n)} for n, (s, f) in enumerate(frequencies)]
    put(tmp_path, TF_SNAPSHOT, kept + again)
    return tmp_path


def test_the_newest_comes_first_and_the_one_that_weighed_the_edges_is_live(lake: Path, newer: MatchModel) -> None:
    found = modelbook.stored(lake)
    assert [m.version for m in found] == [newer.version, MODEL.version]
    assert [m.format for m in found] == [FORMAT, FORMAT]
    assert found[0].batch == 3
    assert modelbook.live(lake) == MODEL.version
    assert found[1].model() == MODEL


def test_a_model_is_named_by_its_beginning(lake: Path, newer: MatchModel) -> None:
    found = modelbook.stored(lake)
    assert modelbook.named(found, newer.version[:6]).version == newer.version
    with pytest.raises(UnknownModel, match="no model begins with xyz; `kindred models list`"):
        modelbook.named(found, "xyz")
    twins = [StoredModel(version, AT, 1, 1, "{}") for version in ("ab1", "ab2")]
    with pytest.raises(UnknownModel, match="2 models begin with ab"):
        modelbook.named(twins, "ab")


def test_a_model_of_another_format_is_listed_and_cannot_be_read() -> None:
    foreign = StoredModel("v", AT, 1, 1, as_text(MODEL).replace(f'"format":{FORMAT}', '"format":-7'))
    assert foreign.format == -7
    with pytest.raises(ForeignModel, match="run `kindred train`"):
        foreign.model()


def test_figures_are_bits_against_strangers_and_at_home() -> None:
    same, different = modelbook.figures(MODEL)
    assert same.bits == pytest.approx(log2(0.96 / 0.5))
    assert same.bits_at_home == pytest.approx(1.0)
    assert different.bits == pytest.approx(log2(0.04 / 0.5))


def test_a_change_is_told_with_what_one_of_two_models_lacks(newer: MatchModel) -> None:
    (moved,) = modelbook.changes(MODEL, newer)
    assert (moved.comparison, moved.level) == ("sex", "same")
    assert moved.moved == pytest.approx(log2(0.98 / 0.49) - log2(0.96 / 0.5))
    assert modelbook.changes(MODEL, MODEL) == ()
    gone = modelbook.changes(MODEL, replace(MODEL, comparisons=()))
    assert [(c.level, c.after) for c in gone] == [("same", None), ("different", None)]


def test_what_was_learnt_is_said_in_lines(lake: Path) -> None:
    kept = modelbook.frequencies_kept(lake, MODEL)
    assert kept == {"family_name": 0, "given_name": 2}
    said = "\n".join(modelbook.lines(MODEL, kept))
    assert f"model {MODEL.version} (format {FORMAT}), learnt from 100 records" in said
    assert "one in 1,000 pairs is one person (-10.0 bits); at one address 40% of pairs" in said
    assert "frequencies kept: 0 of family_name, 2 of given_name" in said
    assert "sex: same +0.9 · different -3.6" in said
    told = modelbook.facts(MODEL, kept)
    assert told["version"] == MODEL.version
    assert told["frequencies_kept"] == kept
