"""What a job is handed: everything it needs of the world, and nothing of the domain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from infra.lake import Lake
from infra.observer import Observer
from infra.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run: its number orders it, its salt gives births their ids, its base is what it started from."""

    id: str
    number: int
    started_at: datetime
    salt: str = field(repr=False)
    base: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The world as one run sees it; `say` tells whoever follows how far it is, without personal data."""

    workspace: Workspace
    lake: Lake
    database: Engine
    run: RunInfo
    say: Callable[[str], None]
    observer: Observer = field(default_factory=Observer)


Job = Callable[[Runtime, Mapping[str, str]], dict[str, object]]
