"""The keys that one record is found by are those that block the batch: the same records meet under the same rules."""

import importlib.util
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from identity.config import BLOCKING_KEYS, IdentityConfig
from identity.engine.postings import postings_sql
from identity.matching import scoring
from identity.online.keys import Keys

ROOT = Path(__file__).parents[3]
TREE = YAML(typ="safe").load((ROOT / "api" / "templates" / "workspace" / "identity.yaml").read_text(encoding="utf-8"))
TREE["blocking"] += [[key] for key in BLOCKING_KEYS if [key] not in TREE["blocking"]] + [["given_form", "phone"]]
CONFIG = IdentityConfig.model_validate(TREE)
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))
KINDS = {name: pa.list_(pa.string()) for name in ("given_forms", "emails", "phones", "numbers")} | {
    "identifiers": VALUES, "bare": pa.bool_(), "given_known": pa.bool_(), "known": pa.bool_(), "arrival": pa.int64(),
}  # fmt: skip


@pytest.fixture(scope="module")
def households() -> Any:
    place = ROOT / "tests" / "bench" / "household_world.py"
    spec = importlib.util.spec_from_file_location("household_world", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_the_same_records_meet(households: Any, seed: int) -> None:
    rows = [households.row(told, CONFIG) for told in households.world(6, seed)]
    for number, row in enumerate(rows):
        if not row["known"]:
            row |= {"kind": "interval", "key": f"{row['identifiers'][0]['value'] if number % 2 else 'other'}|7"}
    connection = scoring.connect()
    connection.register(
        "given", pa.Table.from_pylist(rows, schema=pa.schema([(n, KINDS.get(n, pa.string())) for n in rows[0]]))
    )
    connection.execute("CREATE TABLE records AS SELECT * FROM given")
    theirs, mine = defaultdict(set), defaultdict(set)
    for rule, block, key, *_ in connection.execute(postings_sql(CONFIG, "records")).fetchall():
        theirs[rule, block].add(key)
    connection.close()
    keys = Keys(CONFIG)
    for row in rows:
        for key in keys.of(row):
            mine[key.bit, key.block].add(row["record_key"])
    assert _met(mine) == _met(theirs)


def _met(blocks: dict[Any, set[str]]) -> list[tuple[int, list[str]]]:
    return sorted((rule, sorted(held)) for (rule, _), held in blocks.items())
