"""The merges worth a look, as the command line tells them: who with whom in masked words, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.cli.console import say
from api.cli.persons import Gallery
from api.cli.world import World
from identity.explanation import explain, testimony
from identity.explanation.notable import Tie, notable
from infra.ids import Purpose
from profiles.mask import initials, masked_identifier

_STRONGEST = 4
_SHOWN = 3
_PURPOSE = Purpose("identity_resolution")


def tell_merges(world: World, most: int) -> None:
    """Print the surest merges and those that hang on the weakest tie, with why; no value is shown whole."""
    lake = world.workspace.lake_path
    found = notable(testimony.ties(lake), most)
    if not found.merges:
        say("no two records were found to be one person")
        return
    gallery = Gallery.open(world)
    say(f"{found.merges:,} merges hold the profiles together")
    for title, ties in (("the surest", found.surest), ("the most doubtful", found.doubtful)):
        say(f"{title}:")
        for tie in ties:
            _tell(world, gallery, tie)


def _tell(world: World, gallery: Gallery, tie: Tie) -> None:
    edge = testimony.edge(world.workspace.lake_path, tie.left, tie.right)
    if edge is None:
        return
    told = explain.why(edge)
    graph = gallery.reader.graph(tie.profile, _PURPOSE) or {"records": []}
    seen = {record["record_key"]: record for record in graph["records"]}
    say(f"  {told.bits:+.1f} bits  {_record(seen, tie.left)}  and  {_record(seen, tie.right)}")
    weighed = [s for s in told.steps if s.comparison not in ("prior", "household")]
    for step in sorted(weighed, key=lambda step: -abs(step.bits))[:_STRONGEST]:
        say(f"      {step.bits:+6.1f}  {step.comparison.replace('_', ' ')}: {step.level}")
    say(f"      kindred why {tie.left} {tie.right} -w {world.workspace.root}")


def _record(seen: Mapping[str, Any], key: str) -> str:
    record = seen.get(key)
    return f"record {key[:8]}…" if record is None else f"{record['source']} ({', '.join(_shown(record)) or 'no name'})"


def _shown(record: Mapping[str, Any]) -> Sequence[str]:
    """Return what a record may be recognised by at a screen: initials, and identifiers with their middle taken out."""
    told = [initials(record["attributes"])]
    told += [
        str(one.get("masked") or masked_identifier(one["type"], str(one.get("value", ""))))
        for one in record["identifiers"]
    ]
    return [text for text in dict.fromkeys(told) if text][:_SHOWN]
