"""Where a workspace on one machine keeps bytes: every file below its stores and its state belongs to one place.

Stores have the names under which an erasure searches them, so that a certificate can be held to what is there now.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from consent.residue.model import Place, PlaceKind
from infra.jars import session_jars
from infra.workspace import Workspace

_NAMES: Final = {"spool": "log", "generations": "serving", "overlay": "serving.overlay"}
_KINDS: Final[dict[str, PlaceKind]] = {"spool": "spool", "landing": "spool", "kafka": "kafka", "work": "state"}
_TOKENS: Final = frozenset({"token"})  # suppression and denials keep people out by these


def workspace_places(workspace: Workspace) -> tuple[Place, ...]:
    """Return the places of all stores: each table of the lake, serving, the database, and what else state holds."""
    lake, serving, state = workspace.lake_path, workspace.serving_path, workspace.state_path
    places = [Place(store=f"lake.{path.name}", kind="delta", root=path) for path in _children(lake) if path.is_dir()]
    for path in _children(serving):
        name = _NAMES.get(path.name, f"serving.{path.name}")
        places.append(
            Place(store=name, kind="lmdb", root=path, allowed=_TOKENS if path.name == "overlay" else frozenset())
        )
    databases = {path for path in _children(state) if path.is_file() and path.suffix == ".db"}
    if workspace.database_path.is_file():
        databases.add(workspace.database_path)
    for path in sorted(databases):
        own = path == workspace.database_path
        name = "database" if own else f"database.{path.stem}"
        places.append(Place(store=name, kind="sqlite", root=path, allowed=_TOKENS if own else frozenset()))
    for path in _children(state):
        if path in {lake, serving, *databases} or any(path.name.startswith(f"{one.name}-") for one in databases):
            continue
        if path.is_dir():
            kind = _KINDS.get(path.name, "files")
            jars = session_jars() if kind == "state" else None
            places.append(Place(store=_NAMES.get(path.name, path.name), kind=kind, root=path, programs=jars))
        else:
            places.append(Place(store=f"logs.{path.name}", kind="logs", root=path))
    return tuple(places)


def _children(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.iterdir())) if folder.is_dir() else iter(())
