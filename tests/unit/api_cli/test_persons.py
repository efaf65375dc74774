"""A steward names a record as its source does."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from api.cli.naming import record_keys
from identity.tables import RECORD_FEATURES
from infra.errors import Missing


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    rows = [("crm", "C-1", "aa"), ("crm", "C:2", "bb"), ("loyalty", "C-1", "cc"), ("loyalty", "C-1", "dd")]
    columns = zip(*rows, strict=True)
    table = pa.table(dict(zip(("source", "key", "record_key"), map(list, columns), strict=True)))
    write_deltalake(str(tmp_path / RECORD_FEATURES.name), table)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "keys"),
    [("crm:C-1", ["aa"]), ("crm:C:2", ["bb"]), ("loyalty:C-1", ["cc", "dd"]), ("0f8f6d23", ["0f8f6d23"])],
)
def test_a_record_is_named_by_source_and_key_or_by_its_own(lake: Path, text: str, keys: list[str]) -> None:
    assert record_keys(lake, text) == keys


def test_a_record_that_is_not_there_is_missing_and_its_key_is_not_repeated(lake: Path) -> None:
    with pytest.raises(Missing, match="no record of crm has this key") as caught:
        record_keys(lake, "crm:C-99")
    assert "C-99" not in str(caught.value)
