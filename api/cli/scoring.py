"""The scorecard on the terminal; DuckDB reads the lake, no Spark is started."""

from pathlib import Path

from api.cli.console import as_json, say
from identity.quality.evaluate import score
from infra.workspace import Workspace


def print_scorecard(workspace: Workspace, truth: Path, *, json: bool = False) -> None:
    """Print how the identities stand against a truth, beside naive groupings, and what the errors cost."""
    card = score(workspace.lake_path, truth)
    if json:
        as_json(card.facts())
        return
    for line in card.lines():
        say(line)
