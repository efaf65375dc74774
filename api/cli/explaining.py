"""The commands that explain: why two are one person, why they are not, how a profile came about."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pyarrow.compute as pc
import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.persons import Gallery, PersonArgument
from api.cli.stewarding import reference, side
from api.cli.world import open_world
from api.http.explain import chain, evidence_of
from identity.explanation import explain, testimony, waterfall
from identity.explanation.explain import Evidence, Why
from identity.tables import RECORD_FEATURES
from infra import shelf
from infra.errors import Missing
from infra.ids import Purpose, RecordKey

app = typer.Typer()
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write a waterfall chart there; nothing is fetched.")]


@app.command()
def why(
    a: PersonArgument,
    b: PersonArgument,
    purpose: Annotated[str, typer.Option(help="What it is for.")] = "identity_resolution",
    html: HtmlOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Say why two are one person: the chain of ties between them, with every comparison's weight in bits and words."""
    with reporting():
        world = open_world(workspace)
        gallery, lake = Gallery.open(world), world.workspace.lake_path
        left, right = (testimony.profile_of(lake, reference(gallery, lake, text)) for text in (a, b))
        if left != right:
            say(f"they are two people: {left} and {right}; `kindred why-not` says why")
            return
        graph = gallery.reader.graph(left, Purpose(purpose))
        if graph is None:
            raise Missing(f"nobody that {purpose} may see answers to this")
        path = chain(graph, *(frozenset(side(gallery, lake, text)) for text in (a, b)))
        told = [(evidence_of(edge), explain.why(evidence_of(edge))) for edge in path]
        if html is not None:
            _write(
                html,
                f"Why {left} is one person",
                "The ties between the two: of all chains the one whose weakest tie is the strongest.",
                told,
            )
        if json:
            steps = [{**edge, "sentences": list(one.sentences)} for edge, (_, one) in zip(path, told, strict=True)]
            as_json({"profile_id": left, "path": steps})
            return
        say(f"one person: {left}")
        for edge, (_, one) in zip(path, told, strict=True):
            _waterfall(f"{edge['kind']} tie of {edge['weight']:.1f} bits", one)
        if not path:
            say("one record carries both")


@app.command("why-not")
def why_not(
    a: PersonArgument,
    b: PersonArgument,
    html: HtmlOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Say why two are not one person: the first gate that their best evidence failed at, with every weight."""
    with reporting():
        world = open_world(workspace)
        gallery, lake = Gallery.open(world), world.workspace.lake_path
        left, right = (testimony.profile_of(lake, reference(gallery, lake, text)) for text in (a, b))
        ours, theirs = testimony.members(lake, left), testimony.members(lake, right)
        same = left == right
        best = None if same else explain.apart(testimony.edges_of(lake, ours), ours, theirs)
        because = "they are one person" if same else explain.why_not(best)
        told = None if best is None else explain.why(best)
        if html is not None and best is not None and told is not None:
            _write(html, f"Why {left} and {right} are two", because, [(best, told)])
        if json:
            evidence = None if told is None else asdict(told)
            as_json({"same": same, "a": left, "b": right, "because": because, "strongest": evidence})
            return
        say(f"{left} and {right}: {because}" if not same else f"{left}: {because}; `kindred why` says why")
        if best is not None and told is not None:
            _waterfall(f"their strongest evidence: {best.left} and {best.right}", told)


@app.command()
def how(
    who: PersonArgument,
    html: HtmlOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Say how a profile came about: the ties that hold it together, what was refused, and stewards' words."""
    with reporting():
        world = open_world(workspace)
        gallery, lake = Gallery.open(world), world.workspace.lake_path
        profile_id = testimony.profile_of(lake, reference(gallery, lake, who))
        members = testimony.members(lake, profile_id)
        edges = testimony.edges_of(lake, members)
        told = explain.how(members, edges, testimony.words(lake, members))
        if html is not None:
            by_ends = {(e.left, e.right): e for e in edges}
            ties = [by_ends[m.by, m.joined] for m in told.merges]
            lead = f"{len(members)} records; the ties that suffice to hold them together, the strongest first."
            _write(html, f"How {profile_id} came about", lead, [(e, explain.why(e)) for e in ties])
        if json:
            as_json({"profile_id": profile_id, "records": members, **asdict(told)})
            return
        sources = _sources(lake, members)
        say(f"profile {profile_id} of {len(members)} records")
        rows = [
            (f"{m.bits:+.1f}", sources.get(m.by), m.by, sources.get(m.joined), m.joined, m.because) for m in told.merges
        ]
        if rows:
            table("held together by", ["bits", "source", "record", "source", "record", "chiefly"], rows)
        for title, lines in (("not followed", told.refused), ("stewards", told.constraints)):
            for n, line in enumerate(lines):
                say(f"{title + ':' if not n else '':13} {line}")


def _waterfall(title: str, told: Why) -> None:
    rows = [(s.comparison.replace("_", " "), s.level, f"{s.bits:+.1f}", f"{s.total:+.1f}") for s in told.steps]
    table(title, ["comparison", "level", "bits", "sum"], rows)
    say(told.sentences[-1])


def _write(path: Path, title: str, lead: str, told: Sequence[tuple[Evidence, Why]]) -> None:
    sections = [waterfall.Section(f"{e.left} and {e.right}: {one.bits:+.1f} bits", one) for e, one in told]
    path.write_text(waterfall.page(title, lead, sections), encoding="utf-8")


def _sources(lake: Path, keys: Sequence[RecordKey]) -> Mapping[str, Any]:
    found = shelf.lookup(
        lake, RECORD_FEATURES, pc.field("record_key").isin(list(keys)), columns=["record_key", "source"]
    )
    return {row["record_key"]: row["source"] for row in found.to_pylist()}
