"""Segments of the event log read as files of events, whether an entry holds one or all of a request. No Spark."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.ids import Token
from infra.log.segments import line
from ingestion.collector.intake import Intake, Receipt, taken
from ingestion.collector.wire import read
from ingestion.connectors import collected
from ingestion.connectors.collected import log_batches, segments, waiting

AT = "2026-11-22T09:30:00.000Z"
INTAKE = Intake(person=lambda kind, value: f"{kind}:{value}", message=Token, mint=lambda: "minted")
NAME = "1761900000000-0000000a.ndjson"


def entries(first: int, number: int, *, keyed: bool = False, **more: Any) -> list[bytes]:
    """Return the lines of a request of so many events, with ids from `first` on."""
    events = [{"type": "page", "userId": "u", "messageId": f"m{first + n}", **more} for n in range(number)]
    done = taken(read(json.dumps({"batch": events}).encode()), Receipt(AT), INTAKE, keyed=keyed)
    return [line(entry.body) for entry in done.entries]


def sealed(root: Path, lines: list[bytes]) -> Path:
    folder = root / "web"
    folder.mkdir()
    (folder / NAME).write_bytes(b"".join(lines))
    return folder


def numbered(root: Path, folder: Path) -> tuple[int, list[tuple[int, str | None, str | None]]]:
    """Return how many events a segment was surveyed to have, and those read: number, fault, message id."""
    (file,) = segments(root, folder, ())
    rows: list[tuple[int, str | None, str | None]] = []
    for stretch in file.stretches:
        for batch in log_batches(folder / NAME, stretch, ["messageId"]):
            found = batch.to_pydict()
            assert set(found["lines"]) <= {1}
            rows += zip(found["position"], found["fault"], found["r0"], strict=True)
    return file.units, rows


@pytest.mark.parametrize("stretch", [1, 500, 8 << 20])
def test_each_event_has_a_number_of_its_own_however_the_segment_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(collected, "STRETCH", stretch)
    lines = [*entries(0, 7), *entries(7, 3, keyed=True), *entries(10, 1), *entries(11, 4, type="odd"), *entries(15, 9)]
    assert len(lines) == 1 + 3 + 1 + 4 + 1
    units, rows = numbered(tmp_path, sealed(tmp_path, lines))
    faults = dict.fromkeys(range(12, 16), "unknown_type type")
    assert rows == [(number, faults.get(number), f"m{number - 1}") for number in range(1, 25)]
    assert units == 24


@pytest.mark.parametrize("stretch", [1, 8 << 20])
def test_damage_costs_its_request_one_row_and_the_books_balance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(collected, "STRETCH", stretch)
    (whole,) = entries(2, 5)
    damaged = bytearray(whole)
    damaged[-9] ^= 4
    units, rows = numbered(tmp_path, sealed(tmp_path, [*entries(0, 2), bytes(damaged), *entries(7, 2)]))
    assert rows == [(1, None, "m0"), (2, None, "m1"), (3, "damaged", None), (4, None, "m7"), (5, None, "m8")]
    assert units == 5


def test_an_event_on_its_way_is_found_among_those_of_its_request(tmp_path: Path) -> None:
    folder = sealed(tmp_path, [*entries(0, 3), *entries(3, 2, keyed=True)])
    for key in ("m0", "m2", "m4"):
        (found,) = waiting(tmp_path, folder, (), key, "token")
        assert (found.verdict, found.fault) == ("accepted", None)
    assert list(waiting(tmp_path, folder, (), "m5", "token")) == []
