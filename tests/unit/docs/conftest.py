"""What the documentation says, in pieces that can be checked."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: where it begins, its language, its text."""

    file: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Typed:
    """A command as a reader would type it."""

    place: str
    words: tuple[str, ...]


def blocks(file: Path) -> Iterator[Block]:
    language, begun, lines = None, 0, []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence and language is None:
            language, begun, lines = fence[1], number + 1, []
        elif fence:
            yield Block(file.relative_to(ROOT).as_posix(), begun, language or "", "\n".join(lines))
            language = None
        else:
            lines.append(line)
    assert language is None, f"{file.name}: the fence of line {begun - 1} is never closed"


def typed(block: Block) -> Iterator[Typed]:
    """Yield the commands of a console block: what stands behind `$ `, with its continued lines."""
    lines = iter(enumerate(block.text.splitlines(), block.line))
    for number, line in lines:
        if not line.lstrip().startswith("$ "):
            continue
        command = line.lstrip()[2:]
        while command.endswith("\\"):
            command = command[:-1] + " " + next(lines)[1].strip()
        # A body in single quotes may go over several lines.
        while command.count("'") % 2:
            command += "\n" + next(lines)[1]
        yield Typed(f"{block.file}:{number}", tuple(shlex.split(command, comments=True)))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    """Every page of the documentation."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="session")
def all_blocks(pages: list[Path]) -> list[Block]:
    return [block for page in pages for block in blocks(page)]


@pytest.fixture(scope="session")
def commands(all_blocks: list[Block]) -> list[Typed]:
    return [command for block in all_blocks if block.language == "console" for command in typed(block)]


@pytest.fixture(scope="session")
def kindred() -> Any:
    """The command line as click sees it."""
    import typer.main

    from api.cli.main import app

    return typer.main.get_command(app)
