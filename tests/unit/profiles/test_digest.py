from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from profiles.digest import state_hashes, table_hash
from profiles.tables import PROFILE_TOKENS, PROFILE_TRAITS

SCHEMA = pa.schema([("token", pa.string()), ("shared", pa.bool_()), ("profile_ids", pa.list_(pa.string())),
                    ("link", pa.string())])  # fmt: skip


def write(lake: Path, *parts: list[dict[str, Any]]) -> Path:
    for number, rows in enumerate(parts):
        mode = "append" if number else "overwrite"
        write_deltalake(str(lake / "profile_tokens"), pa.Table.from_pylist(rows, schema=SCHEMA), mode=mode)
    return lake


def row(token: str, *people: str) -> dict[str, Any]:
    return {"token": token, "shared": len(people) > 1, "profile_ids": list(people), "link": None}


def test_neither_order_nor_files_matter(tmp_path: Path) -> None:
    one = write(tmp_path / "one", [row("a", "p"), row("b", "p", "q")])
    two = write(tmp_path / "two", [row("b", "p", "q")], [row("a", "p")])
    assert table_hash(one, PROFILE_TOKENS) == table_hash(two, PROFILE_TOKENS)


def test_content_matters_and_so_does_number(tmp_path: Path) -> None:
    once = write(tmp_path / "once", [row("a", "p")])
    twice = write(tmp_path / "twice", [row("a", "p"), row("a", "p")])
    other = write(tmp_path / "other", [row("a", "q")])
    assert len({table_hash(lake, PROFILE_TOKENS) for lake in (once, twice, other)}) == 3
    ignoring = {table_hash(lake, PROFILE_TOKENS, ignore=["profile_ids"]) for lake in (once, other)}
    assert len(ignoring) == 1


def test_tables_that_are_not_there_have_no_hash(tmp_path: Path) -> None:
    lake = write(tmp_path, [row("a", "p")])
    assert set(state_hashes(lake, [PROFILE_TOKENS, PROFILE_TRAITS])) == {"profile_tokens"}
