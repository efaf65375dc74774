"""`kindred tracking-plan`: plans from Segment's and RudderStack's JSON Schema, and back."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import ERR, reporting, say
from api.cli.options import WorkspaceOption
from infra.errors import Malformed, Missing, Refused
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.contract import OnViolation
from ingestion.errors import UnknownSource
from ingestion.number import written
from ingestion.tracking.declared import OfEvent, OfProperty, plain_name
from ingestion.tracking.documents import document
from ingestion.tracking.exported import Reader, Untold, exported
from ingestion.tracking.load import FOLDER, load_plans
from ingestion.tracking.plans import Consequences, as_yaml, plan_of

app = typer.Typer(no_args_is_help=True)
_SHOWN = 20


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A plan of Segment's or RudderStack's, or JSON Schemas by event name.")],
    source: Annotated[list[str], typer.Option(help="A source that the plan holds for; again for more of them.")],
    name: Annotated[
        str | None, typer.Option(help="What the plan is called; by the file's own name without it.")
    ] = None,
    on_violation: Annotated[
        OnViolation, typer.Option(help="What becomes of a value that breaks a rule.")
    ] = "quarantine",
    unplanned_events: Annotated[
        OfEvent, typer.Option(help="... of events that the plan does not name.")
    ] = "accept_and_flag",
    unplanned_properties: Annotated[
        OfProperty, typer.Option(help="... of properties that it does not name, where they are not forbidden.")
    ] = "accept",
    force: Annotated[bool, typer.Option("--force", help="Write over a plan of this name.")] = False,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Write tracking/NAME.yaml from JSON Schema; what a plan cannot say is listed, rule by rule."""
    with reporting():
        opened = Workspace.open(workspace)
        known = tuple(one.source for one in load_sources(opened))
        for one in source:
            if one not in known:
                raise UnknownSource(one, known)
        if name is not None and name != plain_name(name):
            raise Malformed(
                f"{name!r} is no name of a plan; use small letters, digits and _, such as {plain_name(name)}"
            )
        consequences = Consequences(on_violation, unplanned_events, unplanned_properties)
        plan, untold = plan_of(document(_text(file), file.name), name, source, consequences)
        path = opened.root / FOLDER / f"{plan.tracking_plan}.yaml"
        before = path.read_bytes() if path.exists() else None
        if before is not None and not force:
            raise Refused(f"{FOLDER}/{path.name} is there already; --force writes over it, --name chooses another")
        path.parent.mkdir(exist_ok=True)
        _put(path, as_yaml(plan).encode())
        try:
            load_sources(opened)
        except Malformed:
            # Such as a source that has a plan already: nothing is left behind that stops every other command.
            path.unlink() if before is None else _put(path, before)
            raise
        say(f"{FOLDER}/{path.name}: {len(plan.events)} events for {', '.join(source)}; `kindred check` validates it")
        _tell(untold, "this is not in the plan, which cannot say it")


@app.command()
def export(
    plan: Annotated[str, typer.Argument(help="The plan's name.")],
    reader: Annotated[Reader, typer.Option("--for", help="Whose form the document has.")] = "segment",
    to: Annotated[Path | None, typer.Option(help="A file; without it the document is printed.")] = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Write a plan as JSON Schema, an object for each event; what that cannot say is listed on stderr."""
    with reporting():
        plans = {one.tracking_plan: one for one in load_plans(Workspace.open(workspace)).values()}
        if plan not in plans:
            raise Missing(f"no tracking plan is called {plan!r}; declared in {FOLDER}/: {', '.join(plans) or 'none'}")
        made, untold = exported(plans[plan], reader)
        if to is None:
            sys.stdout.write(written(made) + "\n")
        else:
            to.write_text(written(made) + "\n", encoding="utf-8")
            say(f"{to}: {len(plans[plan].events)} events")
        _tell(untold, "this is not in the document, which cannot say it")


def _put(path: Path, content: bytes) -> None:
    """Write a file whole: who is killed in between leaves the former one."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        why = (error.strerror or "input or output error").lower()
        raise Missing(f"{file.name} cannot be read: {why}; name a file of JSON") from None
    except UnicodeDecodeError:
        raise Malformed(f"{file.name} is not UTF-8; save it as UTF-8") from None


def _tell(untold: Sequence[Untold], what: str) -> None:
    """Print what was left out, one line for each kind with the places that have it."""
    if not untold:
        return
    ERR.print(f"{what}:", markup=False)
    places: dict[str, list[str]] = {}
    for one in untold:
        places.setdefault(one.what, []).append(one.where)
    for kind, _ in Counter(one.what for one in untold).most_common():
        found = list(dict.fromkeys(places[kind]))
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        ERR.print(f"  {kind}: {'; '.join(found[:_SHOWN])}{more}", markup=False)
