"""Labels of a training set: what files may say, and that no identifier goes on from them."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.ids import Token
from profiles.features.asked import asked_for
from profiles.features.declared import FeatureSet
from profiles.features.errors import AudienceUntold, UnknownFeatureSet
from profiles.features.labels import LabelsUnreadable, read

AT = datetime(2026, 5, 1, 8, tzinfo=UTC)


def sought(kind: str, raw: str) -> Token | None:
    return Token(f"1:{kind}:{raw.lower()}") if "@" in raw else None


def csv(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_people_are_named_by_id(tmp_path: Path) -> None:
    found = read(
        csv(tmp_path, "label,at,profile_id\n1,2026-05-01T10:00:00+02:00,aa\n0,2026-05-01T08:00:00Z,bb\n"), sought
    )
    assert found.asked.to_pylist() == [
        {"row": 0, "named": "aa", "token": None, "at": AT},
        {"row": 1, "named": "bb", "token": None, "at": AT},
    ]
    assert found.told.to_pylist() == [1, 0]


def test_people_are_named_by_identifier_and_only_its_token_goes_on(tmp_path: Path) -> None:
    text = (
        "type,value,at,label\nemail,Ann@example.org,2026-05-01T08:00:00Z,0.5\nemail,nonsense,2026-05-01T08:00:00Z,2\n"
    )
    found = read(csv(tmp_path, text), sought)
    assert found.asked["token"].to_pylist() == ["1:email:ann@example.org", None]
    assert found.asked["named"].to_pylist() == [None, None]
    assert found.told.to_pylist() == [0.5, 2.0]


def test_labels_of_a_parquet_file_keep_their_type(tmp_path: Path) -> None:
    table = pa.table({"profile_id": ["aa"], "at": pa.array([AT], pa.timestamp("us", tz="UTC")), "label": [True]})
    pq.write_table(table, tmp_path / "labels.parquet")
    found = read(tmp_path / "labels.parquet", sought)
    assert found.told.to_pylist() == [True]
    assert found.asked["at"].to_pylist() == [AT]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("profile_id,label\naa,1\n", "lacks a column"),
        ("who,at,label\naa,2026-05-01T08:00:00Z,1\n", "lacks a column"),
        ("profile_id,at,label\naa,2026-05-01T08:00:00Z,1\nbb,2026-05-01T08:00:00,1\n", "line 3: `at` is no moment"),
        ("profile_id,at,label\nann@example.org,yesterday,1\n", "line 2: `at` is no moment"),
        ("profile_id,at,label\naa,,1\n", "line 2: `at` is no moment"),
    ],
)
def test_what_is_wrong_is_told_without_a_value(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(LabelsUnreadable, match=wrong) as caught:
        read(csv(tmp_path, text), sought)
    assert "example" not in str(caught.value)
    assert "yesterday" not in str(caught.value)


def test_other_files_are_none(tmp_path: Path) -> None:
    for name in ("labels.txt", "labels.parquet"):
        (tmp_path / name).write_text("profile_id,at,label\n")
        with pytest.raises(LabelsUnreadable):
            read(tmp_path / name, sought)


def test_a_set_with_audiences_has_no_past() -> None:
    def declared(field: str, kind: str) -> FeatureSet:
        one = {"name": "one", "field": field, "type": kind}
        return FeatureSet.model_validate({"feature_set": "basket", "purpose": "service", "features": [one]})

    basket = declared("traits.orders", "whole")
    assert asked_for({"basket": basket}, "basket") is basket
    with pytest.raises(UnknownFeatureSet, match="declared: basket"):
        asked_for({"basket": basket}, "baskets")
    with pytest.raises(AudienceUntold, match="one"):
        asked_for({"basket": declared("audiences.regulars", "flag")}, "basket")
