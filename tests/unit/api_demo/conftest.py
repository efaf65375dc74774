"""One small demo workspace for the whole folder: twelve households first, eight more arriving later."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from api.demo.generate import generate
from api.demo.journey import Journey, open_journey

SEED, FIRST, ALL = 7, 12, 20


@dataclass(frozen=True)
class Grown:
    root: Path
    first_bytes: dict[str, bytes]
    summary: dict[str, object]


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def journey() -> Journey:
    return open_journey()


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """A workspace that got its households in two parts."""
    root = tmp_path_factory.mktemp("grown")
    generate(root, households=FIRST, seed=SEED, say=lambda _line: None)
    first = files_of(root / "data")
    return Grown(root, first, generate(root, households=ALL, seed=SEED, say=lambda _line: None))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same households, all at once."""
    root = tmp_path_factory.mktemp("whole")
    generate(root, households=ALL, seed=SEED, say=lambda _line: None)
    return root
