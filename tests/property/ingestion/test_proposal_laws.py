"""Whatever a file holds: looking at it never crashes, and what is proposed of it is a declaration that is sound."""

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.cli.laying import add_types_and_labels, begun, lay
from api.cli.scaffold import validate
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.connectors.declared import Files
from ingestion.proposal.gather import Gathered, gather
from ingestion.proposal.known import known_of
from ingestion.proposal.propose import propose
from ingestion.survey import survey

TODAY = date(2026, 11, 27)
# Each example writes a workspace and reads it back, which takes its time.
few = settings(max_examples=max(15, settings.default.max_examples // 4) if settings.default else 15)
NAMES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["id", "email", "E-Mail", "phone", "first_name", "Nachname", "dob", "name", "order_id", "customer_id", "amount",
         "qty", "created_at", "timestamp", "action", "purpose", "type", "event", "a.b", "=x", "${HOME}", "ssn", "zip"]
    ),
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "null", "1", "2", "-3.5", "1,5", "2024-01-05", "2024-02-30", "05/06/2024", "31/12/1999",
         "ann@example.org", "+1 614-555-0101", "555-0101", "Ann", "Berg", "given", "withdrawn",
         "service", "true", "2024-01-05T10:00:00Z",
         "1704448800", "[1, 2]", '{"a": 1}', "\ufeff", "\x00", "17850.0", "d41d8cd98f00b204e9800998ecf8427e"]
    ),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(st.lists(NAMES, min_size=1, max_size=6))
    rows = draw(st.lists(st.lists(VALUES, min_size=len(names), max_size=len(names)), max_size=30))
    return names, rows


def sound(paths: Sequence[Path], folder: Path) -> Gathered:
    """Write what is proposed for files as a workspace, and hold `kindred check` and the survey to it."""
    gathered = gather(paths, today=TODAY, region=None)
    if gathered.facts:
        place = begun(folder)
        lay(place, folder, propose(gathered.facts, known_of(place)), gathered.files, None)
        workspace = Workspace.open(folder)
        assert validate(workspace).startswith(f"sound: {len(gathered.facts)} sources")
        for source in load_sources(workspace):
            assert isinstance(source.connector, Files)
            assert survey(workspace.root, source, source.connector)
    else:
        assert gathered.unread
    return gathered


@few
@given(tables(), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]))
def test_any_table_becomes_a_sound_workspace_or_is_told(
    table: tuple[list[str], list[list[str]]], delimiter: str, encoding: str
) -> None:
    names, rows = table
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([names, *rows])
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "some.csv"
        file.write_bytes(text.getvalue().encode(encoding, "replace"))
        sound([file], Path(scratch) / "w")


@few
@given(st.lists(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
                             lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
                             max_leaves=12), min_size=1, max_size=12),
       st.booleans())  # fmt: skip
@example([[], {"a": "x"}], False)
def test_any_json_becomes_a_sound_workspace_or_is_told(trees: list[Any], lines: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    text = "\n".join(map(json.dumps, trees)) if lines else json.dumps(trees)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "some.json"
        file.write_text(text, encoding="utf-8")
        sound([file], Path(scratch) / "w")


@few
@given(
    st.binary(max_size=400), st.sampled_from(["a.csv", "a.json", "a.parquet", "a.csv.gz", "a.ndjson.zst", "a.bz2", "a"])
)
def test_garbage_is_told_and_stops_nothing(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / name
        file.write_bytes(content)
        good = Path(scratch) / "people.csv"
        good.write_text("id,email\n" + "".join(f"{n},p{n}@example.org\n" for n in range(30)), encoding="utf-8")
        gathered = sound([file, good], Path(scratch) / "w")
        assert "people" in gathered.files
        assert len(gathered.unread) + len(gathered.facts) == 2


@few
@given(tables())
def test_a_source_that_is_added_leaves_the_workspace_sound(table: tuple[list[str], list[list[str]]]) -> None:
    from api.cli.laying import place_source

    names, rows = table
    with tempfile.TemporaryDirectory() as scratch:
        first = Path(scratch) / "people.csv"
        people = "".join(f"{n},p{n}@example.org,P{n:05}\n" for n in range(40))
        first.write_text("id,email,member\n" + people, encoding="utf-8")
        sound([first], Path(scratch) / "w")
        second = Path(scratch) / "more.csv"
        with second.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([names, *rows])
        workspace = Workspace.open(Path(scratch) / "w")
        known = known_of(workspace)
        gathered = gather([second], today=TODAY, region="US", taken=known.names)
        proposal = propose(gathered.facts, known)
        for source in proposal.sources:
            place_source(workspace, source, gathered.files[source.source], force=False)
        add_types_and_labels(workspace, proposal)
        assert validate(Workspace.open(workspace.root)).startswith(f"sound: {1 + len(gathered.facts)} sources")


@pytest.mark.parametrize(
    "name", ["mary.smith@example.org.csv", "6145550101.csv", "[x]*.csv", "ü ß.csv", "-.csv", "x" * 200 + ".csv"]
)
def test_a_file_may_be_called_anything(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text("id,email\n" + "".join(f"{n},p{n}@example.org\n" for n in range(30)), encoding="utf-8")
    gathered = sound([file], tmp_path / "w")
    told = " ".join(p.name for p in (tmp_path / "w").rglob("*"))
    assert "mary" not in told
    assert "6145550101" not in told
    assert len(gathered.facts) == 1
