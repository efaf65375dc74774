"""`kindred consent processing`: the record of processing activities, from sources, policy and destinations."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from activation.config import load_activation
from api.cli.console import as_json, reporting, say
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.retained import checked
from consent.config import LABELS_FILE, LabelsConfig, load_policy
from consent.processing import Feed, Outlet, Processing, load_controller, markdown, record_of_processing
from infra.workspace import Workspace
from ingestion.config import Source, load_sources


def processing(
    workspace: WorkspaceOption = Path(),
    to: Annotated[Path | None, typer.Option("--to", help="Write the page (Markdown) to this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Print the record of processing activities (GDPR 30): made from what is declared, so it is never out of date."""
    with reporting():
        record = recorded(Workspace.open(workspace))
        if json:
            as_json({**asdict(record), "controller": record.controller.model_dump(mode="json")})
        elif to is not None:
            to.write_text(markdown(record), encoding="utf-8")
            say(f"the record of processing lies in {to.name}")
        else:
            say(markdown(record))


def recorded(workspace: Workspace) -> Processing:
    """Return the record of a workspace as it is declared now."""
    activation = load_activation(workspace)
    return record_of_processing(
        load_controller(workspace),
        load_policy(workspace),
        workspace.load(LABELS_FILE, LabelsConfig),
        [feed for source in load_sources(workspace) if (feed := _feed(source)).fields],
        [Outlet(one.destination, one.purpose, (*one.match_keys, *one.traits)) for one in activation.destinations],
        checked(workspace),
    )


def _feed(source: Source) -> Feed:
    if source.record == "catalogue":
        return Feed(source.source, ())
    return Feed(source.source, tuple(dict.fromkeys([*source.fields, *source.identifiers, *source.free_text])))
