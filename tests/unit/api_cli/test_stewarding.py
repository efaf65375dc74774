"""Whom a steward speaks of: an identifier's person, a source's record, the records that carry what was typed."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from api.cli.stewarding import moment, reference, side
from identity.tables import RECORD_FEATURES
from infra.errors import Malformed, Missing


@dataclass
class Shown:
    """A gallery of two profiles: Ann's two records carry her email, one of them her card too."""

    desk: Any = field(default_factory=lambda: SimpleNamespace(kinds={"email": None, "loyalty": None}))

    @property
    def reader(self) -> "Shown":
        return self

    def token(self, identifier: Any) -> str:
        return f"1:{identifier.value}"

    def find(self, text: str) -> str:
        known = {"email:ann@example.org": "pa", "loyalty:77": "pa", "pb": "pb"}
        if text not in known:
            raise Missing("no published profile has this, or several have")
        return known[text]

    def graph(self, profile_id: str, _purpose: str) -> dict[str, Any] | None:
        tokens = {"a1": ["1:ann@example.org"], "a2": ["1:ann@example.org", "1:77"]}
        records = [{"record_key": k, "identifiers": [{"token": t} for t in held]} for k, held in tokens.items()]
        return {"records": records} if profile_id == "pa" else None


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    rows = {"source": ["crm", "loyalty", "loyalty"], "key": ["C-1", "77", "88"], "record_key": ["a1", "a2", "b1"]}
    write_deltalake(str(tmp_path / RECORD_FEATURES.name), pa.table(rows))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "found", "records"),
    [
        ("email:ann@example.org", "pa", ["a1", "a2"]),
        ("loyalty:77", "pa", ["a2"]),
        # nobody is found by card 88, but the loyalty programme calls a record so
        ("loyalty:88", "b1", ["b1"]),
        ("crm:C-1", "a1", ["a1"]),
        ("pb", "pb", ["pb"]),
    ],
)
def test_an_identifier_goes_before_a_source_of_its_name(lake: Path, text: str, found: str, records: list[str]) -> None:
    gallery: Any = Shown()
    assert reference(gallery, lake, text) == found
    assert side(gallery, lake, text) == records


@pytest.mark.parametrize("text", ["email:no@example.org", "crm:C-9", "loyalty:99"])
def test_whom_nothing_is_known_of_is_missing(lake: Path, text: str) -> None:
    gallery: Any = Shown()
    with pytest.raises(Missing) as caught:
        reference(gallery, lake, text)
    assert text.partition(":")[2] not in str(caught.value)


def test_a_word_ends_at_a_moment_with_its_zone() -> None:
    assert moment(None) is None
    assert str(moment("2027-01-31T00:00:00+00:00")) == "2027-01-31 00:00:00+00:00"
    for wrong in ("2027-01-31", "soon"):
        with pytest.raises(Malformed, match="zone"):
            moment(wrong)
