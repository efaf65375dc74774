"""The trained models on the terminal: which there are, what one has learnt, how two differ, and their charts."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from identity.config import load_identity
from identity.matching.evidence import log_odds
from identity.matching.registry import FORMAT
from identity.modelling import modelbook
from identity.modelling.modelbook import Figure, StoredModel
from infra.errors import Missing
from infra.workspace import Workspace

app = typer.Typer(no_args_is_help=True)

VersionArgument = Annotated[str, typer.Argument(help="A version of `kindred models list`, or its beginning.")]


def _models(workspace: Workspace) -> tuple[StoredModel, ...]:
    found = modelbook.stored(workspace.lake_path)
    if not found:
        raise Missing("no model has been trained yet; `kindred run` or `kindred train` does it")
    return found


@app.command("list")
def list_(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """List the trained models, the newest first, and which one the stored edges were weighed with."""
    with reporting():
        place = Workspace.open(workspace)
        models, live = _models(place), modelbook.live(place.lake_path)
        rows = [
            {
                "version": m.version,
                "status": _status(m, live),
                "trained_at": m.trained_at,
                "records": m.records,
                "run": m.batch,
                "format": m.format,
            }
            for m in models
        ]
        if json:
            as_json(rows)
            return
        shown = [
            [f"{row['trained_at']:%Y-%m-%d %H:%M}Z" if name == "trained_at" else row[name] for name in row]
            for row in rows
        ]
        table("models", list(rows[0]), shown)


def _status(model: StoredModel, live: str | None) -> str:
    if model.format != FORMAT:
        return f"unreadable: format {model.format}, not {FORMAT}"
    return "live" if model.version == live else ""


@app.command()
def show(
    version: Annotated[str | None, typer.Argument(help="A version or its beginning; else the newest.")] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show what a model has learnt: prior, frequencies, and each level's m, u and weight in bits."""
    with reporting():
        place = Workspace.open(workspace)
        models = _models(place)
        model = (modelbook.named(models, version) if version else models[0]).model()
        kept = modelbook.frequencies_kept(place.lake_path, model)
        if json:
            as_json(modelbook.facts(model, kept))
            return
        for line in modelbook.lines(model, kept)[:3]:
            say(line)
        rows = [
            (f.comparison, f.level if f.counted else f"{f.level} (not counted)", *_figures(f))
            for f in modelbook.figures(model)
        ]
        table("comparisons", ["comparison", "level", "m", "u", "bits", "at home"], rows)


def _figures(figure: Figure) -> tuple[str, ...]:
    home = figure.bits_at_home
    return (
        f"{figure.m:.4f}",
        f"{figure.u:.5f}",
        f"{figure.bits:+.2f}",
        "" if home is None else f"{home:+.2f}",
    )


@app.command()
def diff(a: VersionArgument, b: VersionArgument, workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Show what moved from one model to another, in bits; `kindred plan` says whom it would move."""
    with reporting():
        models = _models(Workspace.open(workspace))
        before, after = (modelbook.named(models, version).model() for version in (a, b))
        changes = sorted(modelbook.changes(before, after), key=lambda c: -abs(c.moved))
        priors = {"prior": (log_odds(before.prior), log_odds(after.prior))}
        if json:
            levels = [
                {
                    "comparison": c.comparison,
                    "level": c.level,
                    "before": c.before and round(c.before.bits, 3),
                    "after": c.after and round(c.after.bits, 3),
                    "moved": round(c.moved, 3),
                }
                for c in changes
            ]
            as_json({"prior_bits": priors["prior"], "records": (before.records, after.records), "levels": levels})
            return
        was, now = priors["prior"]
        say(f"{before.version} ({before.records:,} records) to {after.version} ({after.records:,} records)")
        say(
            f"prior {was:+.2f} to {now:+.2f} bits; one person at home {before.one_person_at_home:.0%} to "
            f"{after.one_person_at_home:.0%}"
        )
        rows = [(c.comparison, c.level, _bits(c.before), _bits(c.after), f"{c.moved:+.2f}") for c in changes]
        table(f"{len(rows)} levels moved", ["comparison", "level", "before", "after", "moved"], rows)


def _bits(figure: Figure | None) -> str:
    return "none" if figure is None else f"{figure.bits:+.2f}"


@app.command()
def charts(
    version: Annotated[str | None, typer.Argument(help="A version or its beginning; else the newest.")] = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Draw a model's charts on the records as they are: match weights, m and u, unlinkables, weights of pairs."""
    with reporting():
        from identity.modelling import album

        place = Workspace.open(workspace)
        models = _models(place)
        stored = modelbook.named(models, version) if version else models[0]
        say(str(album.keep(place, load_identity(place), stored)))
