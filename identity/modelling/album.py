"""Models as people look at them: a page of charts and a file of figures each, under `state/models/<version>/`."""

import json
from pathlib import Path

from identity.config import IdentityConfig, load_identity
from identity.modelling import charts, modelbook, portraits
from identity.modelling.modelbook import StoredModel
from identity.workbench import workbench
from infra.runtime import Runtime
from infra.workspace import Workspace

CHARTS, FIGURES = "charts.html", "figures.json"


def folder(workspace: Workspace, version: str) -> Path:
    """Return where a model's charts and figures lie."""
    return workspace.state_path / "models" / version


def keep(workspace: Workspace, config: IdentityConfig, stored: StoredModel) -> Path:
    """Write a model's charts and figures and return the charts' place; both hold counts and shares, nobody's values."""
    model = stored.model()
    with workbench(workspace) as connection:
        portrait = portraits.taken(connection, workspace, config, model)
    place = folder(workspace, stored.version)
    place.mkdir(parents=True, exist_ok=True)
    figures = modelbook.facts(model, modelbook.frequencies_kept(workspace.lake_path, model))
    _write(place / FIGURES, json.dumps(figures, indent=2) + "\n")
    _write(place / CHARTS, charts.page(stored, portrait))
    return place / CHARTS


def _write(path: Path, text: str) -> None:
    """Write a file whole, or leave what was there."""
    partial = path.with_name(f".{path.name}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def tell(runtime: Runtime) -> dict[str, object]:
    """Say what the newest model has learnt, keep its charts, and return its figures in short."""
    workspace = runtime.workspace
    stored = modelbook.stored(workspace.lake_path)[0]
    model = stored.model()
    kept = modelbook.frequencies_kept(workspace.lake_path, model)
    for line in modelbook.lines(model, kept):
        runtime.say(line)
    place = keep(workspace, load_identity(workspace), stored)
    runtime.say(f"charts: {place.relative_to(workspace.root)}")
    return {"version": model.version, "prior": model.prior, "records": model.records, "frequencies": kept}
