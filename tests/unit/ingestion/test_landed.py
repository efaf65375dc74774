"""The landing: a killed load reads the same range into files of the same names, and nothing lands twice or half."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ingestion.store
from infra.database import open_database
from infra.log.files import SystemFiles
from infra.log.segments import moment_of
from ingestion.connectors.aside import prune, put_aside
from ingestion.connectors.landed import Landed, landed
from ingestion.cursors import Cursors
from ingestion.model import SourceFile
from ingestion.read import json_row, stretch_lines

AT = datetime(2026, 11, 1, tzinfo=UTC)


class Failing(SystemFiles):
    """A disk whose n-th call fails."""

    def __init__(self, fails: int) -> None:
        self.left = fails

    def _called(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "no space left on device")

    def write(self, handle: int, data: bytes) -> None:
        self._called()
        super().write(handle, data)

    def fsync(self, handle: int) -> None:
        self._called()
        super().fsync(handle)

    def rename(self, old: Path, new: Path) -> None:
        self._called()
        super().rename(old, new)

    def fsync_folder(self, folder: Path) -> None:
        self._called()
        super().fsync_folder(folder)


@pytest.fixture
def landing(tmp_path: Path) -> Callable[..., Landed]:
    """Return a maker of landings on one folder and one database."""
    engine = open_database(f"sqlite:///{tmp_path}/k.db", ingestion.store.METADATA)
    said: list[str] = []

    def make(source: str = "crm", at: datetime = AT, **more: Any) -> Any:
        made = Landed(tmp_path / "landing", source, Cursors(engine), at=at, say=said.append, **more)
        made.said = said
        return made

    return make


def rows_in(folder: Path, taken: Any = ()) -> list[Any]:
    files: tuple[SourceFile, ...] = landed(folder, folder / "landing" / "crm", taken)
    return [
        json.loads(line)
        for file in files
        for stretch in file.stretches
        for _, line in stretch_lines(folder / file.path, stretch)
    ]


def load(landing: Any, system: list[int]) -> None:
    """Land what a system of numbered rows has that is new, in two parts."""
    until = landing.intend(lambda: len(system) if landing.cursor != len(system) else None)
    if until is not None:
        fresh = [{"n": n} for n in system[landing.cursor or 0 : until]]
        landing.write(fresh[::2], 0)
        landing.write(fresh[1::2], 1)
        landing.commit()


@pytest.mark.parametrize("fails", range(1, 12))
def test_a_load_that_fails_anywhere_is_made_good_by_the_next(landing: Any, tmp_path: Path, fails: int) -> None:
    system = [1, 2, 3]
    load(landing(), system)
    system += [4, 5]
    try:
        load(landing(files=Failing(fails)), system)
    except OSError:
        assert landing().cursor == 3
        system += [6]  # what comes meanwhile waits for the load after
    load(landing(), system)
    load(landing(), system)
    assert sorted(row["n"] for row in rows_in(tmp_path)) == system
    names = sorted(path.name for path in (tmp_path / "landing" / "crm").iterdir())
    assert all(moment_of(name) is not None for name in names)


def test_a_file_that_is_there_is_not_written_again(landing: Any, tmp_path: Path) -> None:
    one = landing()
    assert one.intend(lambda: 7) == 7
    assert one.write([{"a": 1}]) == 1
    other = landing(at=datetime(2027, 1, 1, tzinfo=UTC))
    assert other.intend(lambda: 8) == 7, "what a killed load had intended is read first"
    assert other.write([{"a": 2}]) == 0
    put_aside(tmp_path / "landing", "crm", [p.name for p in (tmp_path / "landing/crm").iterdir()])
    assert other.write([{"a": 3}]) == 0, "not even after the lake has it"
    other.commit()
    assert landing().cursor == 7
    assert landing().intend(lambda: None) is None
    prune(tmp_path / "landing", "crm", datetime(2027, 1, 1, tzinfo=UTC))
    assert not list((tmp_path / "landing/.kept/crm").iterdir())


def test_no_rows_make_no_file_and_names_grow_though_the_clock_goes_back(landing: Any, tmp_path: Path) -> None:
    for number, at in enumerate([AT, datetime(2020, 1, 1, tzinfo=UTC)]):
        one = landing(at=at)
        one.intend(lambda number=number: number)
        assert one.write([], 0) == 0
        assert one.write([{"n": number}], 1) == 1
        one.commit()
    assert [row["n"] for row in rows_in(tmp_path)] == [0, 1]
    assert len(list((tmp_path / "landing/crm").iterdir())) == 2


def test_values_are_spelled_as_ingestion_reads_them(landing: Any, tmp_path: Path) -> None:
    at = datetime.fromisoformat("2026-01-02T03:04:05.000006+05:00")
    row = {
        "a": Decimal("1.50"),
        "b": date(2026, 1, 2),
        "c": at,
        "d": 5.0,
        "e": float("nan"),
        "f": b"\0x",
        "g": [{"h": 1e20}],
    }
    one = landing()
    one.intend(lambda: 1)
    one.write([row, b'{"a":\n"x\\n"}\r', {"a": "\ud800"}])
    (file,) = landed(tmp_path, tmp_path / "landing/crm", ())
    lines = [line for _, line in stretch_lines(tmp_path / file.path, file.stretches[0])]
    assert json.loads(lines[0]) == {
        "a": "1.50",
        "b": "2026-01-02",
        "c": "2026-01-01T22:04:05.000006+00:00",
        "d": 5,
        "e": "nan",
        "f": "AHg=",
        "g": [{"h": 1e20}],
    }
    assert json.loads(lines[1]) == {"a": "x\n"}
    assert json_row(lines[2], [("a",)])[0] == "encoding"


def test_new_columns_are_told_once(landing: Any) -> None:
    one = landing()
    one.columns(["id", "name"])
    one.columns(["id"])
    one.columns(["id", "vip"])
    one.columns(["vip", "name"])
    assert one.said == ["crm: new columns: vip; map them in its YAML if they are wanted"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.binary() | st.dictionaries(st.text(), st.text() | st.floats() | st.integers() | st.none())))
def test_a_row_is_a_line(landing: Any, tmp_path: Path, rows: list[Any]) -> None:
    one = landing(f"s{abs(hash(str(rows))) % 10**9}")
    one.intend(lambda: 1)
    assert one.write(rows) in (0, len(rows))
    for file in (tmp_path / "landing" / one.source).glob("*.ndjson"):
        assert file.read_bytes().count(b"\n") == len(rows)


KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import ingestion.store
from infra.database import open_database
from ingestion.connectors.landed import Landed
from ingestion.cursors import Cursors
root = Path(sys.argv[1])
engine = open_database(f"sqlite:///{root}/k.db", ingestion.store.METADATA)
landing = Landed(root / "landing", "crm", Cursors(engine), at=datetime(2026, 11, 1, tzinfo=UTC), say=print)
while True:
    low = landing.cursor or 0
    high = landing.intend(lambda: low + 1000)
    landing.write(({"n": n} for n in range(low, high, 2)), 0)
    landing.write(({"n": n} for n in range(low + 1, high, 2)), 1)
    landing.commit()
    print(high, flush=True)
"""


def test_kill_at_any_time_leaves_each_row_once(landing: Any, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for lines in (1, 2, 3):
        loader = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, env=env)
        assert loader.stdout is not None
        for _ in range(lines):
            loader.stdout.readline()
        loader.send_signal(signal.SIGKILL)
        loader.communicate()
    one = landing()
    high = one.intend(lambda: None)
    if high is not None:
        one.write(({"n": n} for n in range(one.cursor, high, 2)), 0)
        one.write(({"n": n} for n in range(one.cursor + 1, high, 2)), 1)
        one.commit()
    assert sorted(row["n"] for row in rows_in(tmp_path)) == list(range(one.cursor))
