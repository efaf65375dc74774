"""`kindred drift`: what the last loads of the sources looked like, what moved, and which columns nobody declared."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

import ingestion.store
from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from infra.clock import system_clock
from infra.database import open_database
from infra.workspace import Workspace
from ingestion.config import Source, load_sources
from ingestion.drift.compare import end_told
from ingestion.drift.look import too_old
from ingestion.drift.profile import Profile
from ingestion.drift.store import History, Load, history
from ingestion.errors import UnknownSource

app = typer.Typer()


@app.command()
def drift(
    source: Annotated[list[str] | None, typer.Argument(help="Sources; all if none is named.")] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show the columns of each source's newest load by a sample, what moved, and how to take new columns in.

    Texts of rows are never shown, and the smallest and largest only of numbers and moments that are nobody's.
    """
    with reporting():
        place, now = Workspace.open(workspace), system_clock()
        chosen = _chosen(place, source or [])
        known = _histories(place, chosen)
        if json:
            as_json([_plain(one, known[one.source], now) for one in chosen])
            return
        for one in chosen:
            _show(one, known[one.source], now)


def stale(place: Workspace, now: datetime) -> Iterator[str]:
    """Yield a line for each source that is older than it should be, though nothing new came to be judged."""
    sources = [one for one in load_sources(place) if one.expect.freshness is not None]
    histories = _histories(place, sources)
    for one in sources:
        known = histories[one.source]
        breach = too_old(one, known.newest, known.arrived, now)
        if breach is not None:
            yield f"{one.source}: freshness {breach.severity}: {breach.sentence}"


def _chosen(place: Workspace, names: Sequence[str]) -> list[Source]:
    known = {one.source: one for one in load_sources(place)}
    for name in names:
        if name not in known:
            raise UnknownSource(name, tuple(known))
    return [known[name] for name in dict.fromkeys(names or known)]


def _histories(place: Workspace, sources: Sequence[Source]) -> dict[str, History]:
    if not sources or not (place.settings.stores.served or place.database_path.exists()):
        return {one.source: History((), ()) for one in sources}
    database = open_database(place, ingestion.store.METADATA)
    try:
        return {one.source: history(database, one.source) for one in sources}
    finally:
        database.dispose()


def _plain(source: Source, known: History, now: datetime) -> dict[str, Any]:
    breach = too_old(source, known.newest, known.arrived, now)
    return {
        "source": source.source,
        "newest": _moment(known.newest),
        "arrived": _moment(known.arrived),
        "freshness": asdict(breach) if breach else None,
        "loads": [_load(one) for one in known.loads],
        "columns": [asdict(one) for one in known.columns],
    }


def _load(load: Load) -> dict[str, Any]:
    columns = {name: {**one.plain(), "kind": one.kind} for name, one in load.drawn.columns.items()}
    told = {name: getattr(load, name) for name in ("run_id", "number", "rows", "stopped", "moved", "breaches")}
    return {**told, "at": _moment(load.at), "sampled": load.drawn.sampled, "columns": columns}


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _show(source: Source, known: History, now: datetime) -> None:
    if not known.loads:
        say(f"{source.source}: no load yet that could be compared; the next `kindred ingest` is the first")
        return
    load = known.loads[0]
    state = "stopped, not taken in" if load.stopped else f"{len(known.taken)} loads known"
    title = f"{source.source}: run {load.number} of {load.at:%Y-%m-%d %H:%M}Z, {load.rows:,} rows, "
    title += f"{load.drawn.sampled:,} sampled; {state}"
    moved: dict[str, list[str]] = {}
    for one in load.moved:
        moved.setdefault(str(one["column"]), []).append(str(one["told"]))
    names = [*load.drawn.columns, *(name for name in moved if name not in load.drawn.columns)]
    heads = ["column", "kind", "empty", "different", "smallest", "largest", "moved"]
    table(title, heads, [_line(name, load.drawn.of(name), moved.get(name, ())) for name in names], whole=True)
    for breach in load.breaches:
        say(f"{breach['rule']} {breach['severity']}: {breach['sentence']}")
    found = too_old(source, known.newest, known.arrived, now)
    if found is not None:
        say(f"now: freshness {found.severity}: {found.sentence}")
    _propose(source, known)


def _line(name: str, one: Profile, moved: Sequence[str]) -> list[object]:
    kinds = sorted(one.kinds, key=lambda kind: -one.kinds[kind])
    told = kinds[0] if len(kinds) == 1 else ", ".join(f"{kind} {one.share(kind):.0%}" for kind in kinds)
    low, high = (None if end is None else end_told(end, dates=one.dates) for end in (one.low, one.high))
    return [name, told, f"{one.empty:.0%}", f"{one.distinct:,}", low, high, "; ".join(moved)]


def _propose(source: Source, known: History) -> None:
    declared = set(source.columns())
    new = {one.name: one for one in known.columns if one.proposal and one.name not in declared}
    for one in new.values():
        state = f"first seen in run {one.first_run}" if one.known else f"refused since run {one.first_run}"
        say(f"# sources/, {source.source}: {one.name} ({one.kind or 'empty'}), {state}; to take it in:")
        for line in one.proposal.splitlines():
            say(line)
