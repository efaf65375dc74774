"""`kindred demo-data`: a workspace filled with people to find, part by part, and the truth about them."""

import json
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path

from api.demo.baskets import deal_baskets
from api.demo.catalogue import Redemptions, campaign_table, product_table
from api.demo.files import write_json, write_table_csv
from api.demo.journey import Journey, open_journey
from api.demo.model import Row
from api.demo.sources import Shopping, Stretch, stretch, write_stretch
from api.demo.subjects import filtered, holders, subjects
from api.demo.templates import write_workspace
from api.demo.truth import truth_of, write_truth
from api.demo.world import World, build_world
from infra.errors import Malformed

TODAY = date(2026, 11, 1)


def generate(
    workspace: Path,
    *,
    households: int | None,
    seed: int,
    say: Callable[[str], None],
    today: date = TODAY,
) -> dict[str, object]:
    """Fill a workspace up to so many households (None: all) and return what was written.

    A second call with more of them leaves every file of the first as it is and adds one file to each source: the
    data that arrive later. Consents are told relative to `today`, the first call's where there was one; everything
    else is of 2016 and 2017.
    """
    journey = open_journey()
    everybody = journey.baskets["household_id"].nunique()
    wanted = everybody if households is None else households
    if not 0 < wanted <= everybody:
        raise Malformed(f"--households is {wanted}; the shopping data have 1 to {everybody}")
    ends, today = _parts(workspace, seed, today)
    if not ends:
        write_workspace(workspace, seed)
        write_table_csv(workspace / "data" / "products" / "part-1.csv", product_table(journey))
        write_table_csv(workspace / "data" / "campaigns" / "part-1.csv", campaign_table(journey))
    if ends and wanted <= ends[-1]:
        say(f"demo data: {ends[-1]} households are here already")
        wanted = ends[-1]
    else:
        ends.append(wanted)
    say(f"demo data: inventing the people of {wanted} households")
    world = build_world(seed, journey, wanted)
    summary = _filled(workspace, world, journey, ends, today, say)
    write_json(workspace / "truth" / "parts.json", {"seed": seed, "today": today.isoformat(), "households": ends})
    return summary


def _parts(workspace: Path, seed: int, today: date) -> tuple[list[int], date]:
    """Return up to which household each part that is here already goes, and the day they are told for.

    Parts of another seed would be other people, so another seed is refused.
    """
    path = workspace / "truth" / "parts.json"
    if not path.is_file():
        return [], today
    held = json.loads(path.read_text(encoding="utf-8"))
    if held["seed"] != seed:
        raise Malformed(f"the workspace holds demo data of seed {held['seed']}; use it, or an empty folder")
    return [int(end) for end in held["households"]], date.fromisoformat(held["today"])


def _filled(
    workspace: Path, world: World, journey: Journey, ends: list[int], today: date, say: Callable[[str], None]
) -> dict[str, object]:
    """Write the parts that are not here yet, and the truth of all."""
    baskets = deal_baskets(world, journey.baskets)
    shopping = Shopping(world.seed, today, journey.lines, baskets, Redemptions(journey))
    whose, parts, known = holders(world), [], []
    for nth, (first, last) in enumerate(pairwise([0, *ends]), start=1):
        some = world.households[first:last]
        part = stretch(shopping, some)
        known += subjects(part.rows, baskets, {h.household_id for h in some}, whose)
        if nth == len(ends) and not _written(workspace, nth):
            say(f"demo data: writing households {first + 1} to {last}, {part.tills.table.num_rows:,} till lines")
            write_stretch(workspace / "data", nth, part)
        parts.append(part)
    say("demo data: writing the truth beside them")
    truth = write_truth(workspace / "truth", truth_of(world, parts, known, whose))
    return {
        "households": len(world.households),
        "parts": ends,
        "rows": _counts(parts),
        "copies": sum(sum(r.copy for r in _rows(p)) + p.tills.copies + p.orders.copies for p in parts),
        "faults": sum(sum(r.fault is not None for r in _rows(p)) + p.tills.faults + p.orders.faults for p in parts),
        "consent_filtered": sum(filtered(r) for p in parts for r in p.rows["web"]),
        "truth": truth,
    }


def _written(workspace: Path, nth: int) -> bool:
    """Say whether this part was finished by an earlier call: the list of parts is written last."""
    path = workspace / "truth" / "parts.json"
    return path.is_file() and len(json.loads(path.read_text(encoding="utf-8"))["households"]) >= nth


def _counts(parts: list[Stretch]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in parts:
        for source, rows in part.rows.items():
            counts[source] = counts.get(source, 0) + len(rows)
        counts["tills"] = counts.get("tills", 0) + part.tills.table.num_rows
        counts["webshop_orders"] = counts.get("webshop_orders", 0) + part.orders.table.num_rows
    return counts


def _rows(part: Stretch) -> list[Row]:
    return [row for rows in part.rows.values() for row in rows]
