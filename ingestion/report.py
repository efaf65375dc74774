"""The accounts of a run as people and machines read them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import reduce
from operator import add

from ingestion.flow import Flow, told
from ingestion.model import COUNTS, LOADED, REJECTED, SAMPLED, Account, Note


def by_source(accounts: Iterable[Account]) -> tuple[Account, ...]:
    """Return one account a source, in the order in which they came."""
    grouped: dict[str, list[Account]] = {}
    for account in accounts:
        grouped.setdefault(account.source, []).append(account)
    return tuple(replace(reduce(add, parts), file=f"{len(parts)} files") for parts in grouped.values())


def table(accounts: Iterable[Account], notes: Iterable[Note]) -> Iterator[str]:
    """Yield the lines of the table that shows each source's rows and what became of them, then what befell values."""
    sources = by_source(accounts)
    total = reduce(add, sources, Account("all", ""))
    lines = [[a.source, *(f"{getattr(a, name):,}" for name in COUNTS)] for a in (*sources, total)]
    lines.insert(0, ["source", *(name.replace("_", " ") for name in COUNTS)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *cells in lines:
        numbers = "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        yield f"{name:<{widths[0]}}{numbers}"
    for note in notes:
        rows = "rows" if note.note.endswith((SAMPLED, REJECTED)) else "accepted rows"
        counted = f" in {note.rows:,} {rows}" if note.item != LOADED and note.rows else ""
        yield f"{note.source}: {note.item}: {note.note}{counted}"


def summary(accounts: Iterable[Account], notes: Iterable[Note], flows: Mapping[str, Flow]) -> dict[str, object]:
    """Return the accounts by source, and their sum, for machines, and each source's way from file to table."""
    sources = by_source(accounts)
    total = reduce(add, sources, Account("all", ""))
    return {
        "sources": {account.source: {name: getattr(account, name) for name in COUNTS} for account in sources},
        "total": {name: getattr(total, name) for name in COUNTS},
        "notes": [asdict(note) for note in notes],
        "flow": {account.source: told(account, flows.get(account.source)) for account in sources},
    }
