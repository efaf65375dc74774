"""`kindred quality`: how good the identities are without labels, by clerks' answers, and for every group of people."""

import csv
import getpass
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pyarrow.compute as pc
import typer

from api.cli.console import OUT, as_json, reporting, say, side_by_side
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.persons import Gallery
from api.cli.world import World, open_world
from identity.config import load_identity
from identity.modelling.labelled import COLUMNS
from identity.quality.clerical import Sampled
from identity.quality.estimate import Share
from identity.quality.fairness import DIMENSIONS
from identity.quality.groups import Group
from identity.tables import RECORD_FEATURES
from infra import shelf
from infra.clock import system_clock
from infra.errors import Missing

app = typer.Typer()
_FEWEST = 30
_SAYS = {"y": True, "n": False, "u": None}


@app.command()
def quality(
    truth: Annotated[Path | None, typer.Option(help="A truth folder: groups are judged by it, not by clerks.")] = None,
    sample: Annotated[int | None, typer.Option(help="Draw so many pairs for clerks to judge.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="The sample's seed: the same seed draws the same pairs.")] = 1,
    label: Annotated[bool, typer.Option("--label", help="Judge the sample's pairs, one after the other.")] = False,
    labels_to: Annotated[Path | None, typer.Option(help="Write the answers as labels for `kindred train`.")] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Tell how good the identities are: signs without labels, clerks' estimates with intervals, the worst group."""
    from identity.quality import clerical, clerks

    with reporting():
        world = open_world(workspace)
        if sample is not None:
            drawn = clerical.draw(world.workspace.lake_path, sample, seed)
            clerks.lay(world.database, drawn, system_clock())
            say(f"{len(drawn):,} pairs drawn; `kindred quality --label` shows them one after the other")
        if label:
            _judge(world)
        if labels_to is not None:
            say(f"{_write_labels(world, labels_to):,} labels in {labels_to}; `kindred train --labels` learns from them")
        if sample is None and not label and labels_to is None:
            _report(world, truth, json=json)


def _report(world: World, truth: Path | None, *, json: bool) -> None:
    from identity.quality import clerical, clerks, groups, heuristics

    lake = world.workspace.lake_path
    signs = heuristics.signs(lake, load_identity(world.workspace))
    drawn = clerks.sample(world.database)
    told = {key: same for key, same in clerks.answers(world.database).items() if same is not None}
    judged = clerical.judged(drawn, told) if drawn else None
    answered = any(one.id in told for one in drawn)
    by_group = groups.by_truth(lake, truth) if truth else groups.by_answers(lake, drawn, told) if answered else []
    if json:
        as_json(
            {
                "signs": [{**asdict(sign), "share": sign.share} for sign in signs],
                "clerical": None if judged is None else asdict(judged),
                "groups": [asdict(group) for group in by_group],
            }
        )
        return
    for side, title in (("over", "too much put together?"), ("under", "too little put together?")):
        say(title)
        for sign in (s for s in signs if s.side == side):
            say(f"  {sign.share:8.2%}  {sign.count:,} of {sign.of:,} {sign.name}")
    say("")
    if judged is None or not answered:
        say("no clerk has judged a sample yet; `kindred quality --sample 200` draws one")
    else:
        say(f"by clerks  precision {_said(judged.precision)}   recall among weighed pairs {_said(judged.recall)}")
        for name, stratum in sorted(judged.strata.items()):
            say(f"  {name:24}{stratum.same:6,} of {stratum.judged:,} judged are one person; {stratum.pairs:,} pairs")
    for line in group_lines(by_group):
        say(line)


def group_lines(by_group: Sequence[Group]) -> list[str]:
    """Return the table of the groups, and for each dimension its worst beside the mean."""
    lines = [""] if by_group else []
    for group in by_group:
        rates = f"P {_said(group.precision)}  R {_said(group.recall)}"
        lines.append(f"{group.dimension:9}{group.name:18}{group.records:9,} records  {rates}")
    everybody = next((group for group in by_group if group.dimension not in DIMENSIONS), None)
    for what in ("precision", "recall") if everybody else ():
        lines += ["", f"worst {what} beside the mean of {_said(getattr(everybody, what))}"]
        for dimension in DIMENSIONS:
            found = worst([g for g in by_group if g.dimension == dimension], what)
            if found:
                lines.append(f"  {dimension:9}{found.name:18}{_said(getattr(found, what))}")
    return lines


def worst(by_group: Sequence[Group], what: str) -> Group | None:
    """Return the group with the lowest rate among those that were counted on enough to say so."""
    rated = [g for g in by_group if (share := getattr(g, what)) is not None and share.count >= _FEWEST]
    return min(rated, key=lambda g: (getattr(g, what).value, g.name), default=None)


def _said(share: Share | None) -> str:
    return "not known" if share is None else f"{share.value:.4f} ({share.low:.4f} to {share.high:.4f})"


def _judge(world: World) -> None:
    """Show each pair that nobody has judged, as records alone: what the platform thinks must not sway the clerk."""
    from identity.quality import clerks
    from identity.quality.clerks import Answered

    drawn, done = clerks.sample(world.database), clerks.answers(world.database)
    if not drawn:
        raise Missing("there is no sample to judge; `kindred quality --sample 200` draws one")
    gallery, lake = Gallery.open(world), world.workspace.lake_path
    open_ = [one for one in drawn if one.id not in done]
    for place, one in enumerate(open_, 1):
        seen = [_without_profile(gallery.record(lake, key)) for key in (one.left, one.right)]
        side_by_side(f"pair {place} of {len(open_)}", dict(zip(("one", "other"), seen, strict=True)))
        OUT.print("one person? y: yes, n: no, u: nobody can tell, q: enough for now ", end="", markup=False)
        said = typer.prompt("", default="", show_default=False, prompt_suffix="").strip().lower()[:1]
        if said == "q":
            break
        if said in _SAYS:
            clerks.answer(world.database, Answered(one.id, _SAYS[said], getpass.getuser(), system_clock()))
    left = len([one for one in drawn if one.id not in clerks.answers(world.database)])
    say(f"{left:,} of {len(drawn):,} pairs are left; `kindred quality` tells what the answers say")


def _without_profile(seen: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in seen.items() if name != "profile"}


def _write_labels(world: World, to: Path) -> int:
    """Write the answers under the names that the sources give the records; return how many."""
    from identity.quality import clerks

    told = clerks.answers(world.database)
    drawn = [one for one in clerks.sample(world.database) if told.get(one.id) is not None]
    names = _names(world, drawn)
    rows = [(*names[s.left], *names[s.right], told[s.id]) for s in drawn if s.left in names and s.right in names]
    with to.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        out.writerows((*row[:4], "true" if row[4] else "false") for row in rows)
    return len(rows)


def _names(world: World, drawn: Sequence[Sampled]) -> dict[str, tuple[Any, Any]]:
    keys = sorted({key for one in drawn for key in (one.left, one.right)})
    columns = ["record_key", "source", "key"]
    found = shelf.lookup(world.workspace.lake_path, RECORD_FEATURES, pc.field("record_key").isin(keys), columns=columns)
    return {row["record_key"]: (row["source"], row["key"]) for row in found.to_pylist()}
