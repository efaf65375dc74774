"""What every act of the demo plays with: where, and how a claim is proven."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.cli.client import Client
from api.cli.console import OUT
from infra.errors import Broken


@dataclass(frozen=True, slots=True)
class Stage:
    """Where an act plays: the demo's workspace, its server, the people of the tour."""

    root: Path
    client: Client
    cast: Mapping[str, Any]


def proven(claim: str, *, holds: bool) -> None:
    """Print a claim with its verdict; raise `Broken` where it does not hold."""
    OUT.print(f"  {'[green]holds[/]' if holds else '[red]does not hold[/]'}  ", end="")
    OUT.print(claim, markup=False)
    if not holds:
        raise Broken(f"the demo's claim does not hold: {claim}")
