"""`kindred review`: the questions that wait for a steward, what is known of each, and the answers."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say, side_by_side, table
from api.cli.jobs import hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.persons import Gallery
from api.cli.stewarding import ReasonOption, UntilOption, bench, wish
from api.cli.world import World, open_world
from identity.config import load_identity
from identity.explanation import explain, testimony
from identity.model import MICRO
from identity.stewardship import inbox, review, steward, store
from identity.stewardship.review import ANSWERS, KINDS, Answer, Task
from infra.clock import system_clock
from infra.errors import Malformed

app = typer.Typer(no_args_is_help=True)
TaskArgument = Annotated[str, typer.Argument(help="The id of a question, from `kindred review list`.")]


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help=f"Only one kind: {', '.join(KINDS)}.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 30,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """List what waits: contradictions, held profiles, borderline pairs; the most urgent first, decided ones not."""
    with reporting():
        if kind is not None and kind not in KINDS:
            raise Malformed(f"--kind {kind}: use {', '.join(KINDS)}")
        world = open_world(workspace)
        now = system_clock()
        waiting = inbox.waiting(world.database, now, kind=kind, limit=limit)
        if json:
            as_json([_facts(task) for task in waiting])
            return
        there = inbox.counts(world.database, now)
        say("waiting: " + ", ".join(f"{there.get(name, 0):,} {name}" for name in KINDS))
        for task in waiting:
            weight = "" if task.weight_micro is None else f"{_bits(task):+.1f} bits"
            say(f"{task.id}  {task.kind:13}  {weight:>11}  {task.profile_id} {task.other_id or ''}".rstrip())
            say(f"{'':18}{review.sentence(task.kind, task.reason)}")


@app.command()
def refresh(workspace: WorkspaceOption = Path()) -> None:
    """Look for questions anew in the lake as it was last resolved; every resolution does so at its end."""
    with reporting():
        world = open_world(workspace)
        say(f"{_refreshed(world):,} questions; `kindred review list` shows those that wait")


def _refreshed(world: World) -> int:
    from identity.stewardship.queue import tasks

    now = system_clock()
    standing = [s.constraint for s in store.standing(world.database, now)]
    found = tasks(world.workspace.lake_path, load_identity(world.workspace), standing)
    return inbox.refresh(world.database, found, now)


@app.command()
def show(
    question: TaskArgument,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show one question: the two records side by side, the evidence between them, and what was answered before."""
    with reporting():
        world = open_world(workspace)
        task = inbox.task(world.database, question)
        gallery = Gallery.open(world)
        seen: dict[str, dict[str, str]] = {
            key: gallery.record(world.workspace.lake_path, key) for key in (task.left, task.right) if key
        }
        lake = world.workspace.lake_path
        edge = testimony.edge(lake, task.left, task.right) if task.left and task.right else None
        told = None if edge is None else explain.why(edge)
        answers = inbox.history(world.database, task.id)
        if json:
            as_json(
                {
                    **_facts(task),
                    "records": seen,
                    "evidence": None if told is None else asdict(told),
                    "answers": [asdict(answer) for answer in answers],
                }
            )
            return
        say(f"{task.id}  {task.kind}: {review.sentence(task.kind, task.reason)}")
        if task.left is None:
            say(f"profile {task.profile_id}; `kindred how {task.profile_id}` says how it came about")
        else:
            side_by_side("side by side", seen)
        if told is not None:
            rows = [(s.comparison.replace("_", " "), s.level, f"{s.bits:+.1f}", f"{s.total:+.1f}") for s in told.steps]
            table("evidence", ["comparison", "level", "bits", "sum"], rows)
            say(told.sentences[-1])
        for answer in answers:
            until = f" until {answer.expires_at:%Y-%m-%d}" if answer.expires_at else ""
            say(f"{answer.decided_at:%Y-%m-%d %H:%M} {answer.actor}: {answer.answer}{until}: {answer.reason}")


@app.command()
def decide(
    question: TaskArgument,
    answer: Annotated[str, typer.Argument(help=f"{', '.join(ANSWERS)}.")],
    reason: ReasonOption,
    until: UntilOption = None,
    now: Annotated[bool, typer.Option("--now", help="Resolve, build and publish at once.")] = False,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Answer a question: same ties, different parts, skip lets it rest; a contradiction fails this answer alone."""
    with reporting():
        if answer not in ANSWERS:
            raise Malformed(f"answer {answer}: use {', '.join(ANSWERS)}")
        chosen: Answer = next(a for a in ANSWERS if a == answer)
        world = open_world(workspace)
        task = inbox.task(world.database, question)
        made = steward.decide(bench(world), task, chosen, wish(reason, until))
        say(
            f"{task.id}: {answer}, {len(made)} constraints; "
            + ("resolving" if now else "they count at the next resolution")
        )
        if now:
            hand_over(world, "apply", {}, anew=True)


def _facts(task: Task) -> dict[str, Any]:
    return {**asdict(task), "bits": _bits(task), "because": review.sentence(task.kind, task.reason)}


def _bits(task: Task) -> float | None:
    return None if task.weight_micro is None else round(task.weight_micro / MICRO, 3)
