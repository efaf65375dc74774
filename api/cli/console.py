"""What a command prints and how it ends: lines for people, JSON for machines, one exit code for each error."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable

from infra.errors import KindredError

_WIDEST = 1_000
OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def reporting() -> Iterator[None]:
    """Turn a foreseen error into its sentence and exit code; anything else keeps its trace."""
    try:
        yield
    except KindredError as error:
        ERR.print(f"[bold red]{type(error).__name__}:[/] ", end="")
        ERR.print(str(error), markup=False)
        sys.exit(error.exit_code)


def say(text: str) -> None:
    """Print a line."""
    OUT.print(text, markup=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: bool = False) -> None:
    """Print rows under a title; numbers stand to the right. A `whole` one is never squeezed into a narrow screen."""
    drawn = RichTable(
        title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False
    )
    listed = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[index], int | float) for row in listed)
        drawn.add_column(column, justify="right" if numeric else "left")
    for row in listed:
        drawn.add_row(*[_shown(value) for value in row])
    if whole:
        drawn.width = Measurement.get(OUT, OUT.options.update(width=_WIDEST), drawn).maximum
    OUT.print(drawn)


def side_by_side(title: str, seen: Mapping[str, Mapping[str, str]]) -> None:
    """Print what several records say, a column each, a line for every field that one of them has."""
    names = sorted({name for one in seen.values() for name in one})
    table(title, ["", *seen], [(name, *(one.get(name) for one in seen.values())) for name in names])


def as_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print data for machines, on stdout alone."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False, indent=2) + "\n")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
